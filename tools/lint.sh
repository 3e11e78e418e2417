#!/usr/bin/env bash
# Everything that can be said about the source without running it.
set -euo pipefail
cd "$(dirname "$0")/.."
say() { printf '\n== %s\n' "$*"; }

say gofmt
unformatted=$(git ls-files '*.go' | xargs gofmt -l)
[ -z "$unformatted" ] || { echo "run gofmt -w on:"; echo "$unformatted"; exit 1; }
say "go vet"
go vet ./...
say "buf lint"
tools/node_modules/.bin/buf lint
say "golangci-lint"
tools/golangci.sh run ./...
say workflowcheck
(cd tools/workflowcheck && go build -o ../../.cache/tools/workflowcheck go.temporal.io/sdk/contrib/tools/workflowcheck)
.cache/tools/workflowcheck -config .workflowcheck.yaml ./workflows/...
say "walls"
go test -count=1 -run 'Architecture' .
say "console"
(cd webui && npm run lint --silent)
say shellcheck
git ls-files '*.sh' .ci/run | xargs shellcheck
say "generated code is current"
tools/generate.sh
git diff --exit-code --stat -- '*.pb.go' '*.connect.go' '*.sql.go' '*.schema.json' webui/src/gen gateway observability/grafana
echo
echo "lint: all good"
