#!/usr/bin/env bash
# Regenerates everything that is generated and committed. Reproducible: twice gives the same bytes.
set -euo pipefail
cd "$(dirname "$0")/.."
buf=tools/node_modules/.bin/buf
$buf generate
for template in buf.gen.web.yaml buf.gen.openapi.yaml buf.gen.schema.yaml; do
  if [ -f "$template" ]; then $buf generate --template "$template"; fi
done
.cache/tools/sqlc generate -f sqlc.yaml
go run ./observability/grafana/generate
