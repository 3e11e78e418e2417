#!/usr/bin/env bash
# golangci-lint at the pinned version, built once into the user's cache.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
version=$(awk '$1 == "github.com/golangci/golangci-lint/v2" {print $2}' "$root/tools/lint/go.mod")
binary="${XDG_CACHE_HOME:-$HOME/.cache}/mshub/golangci-lint-$version"
if [ ! -x "$binary" ]; then
  echo "building golangci-lint $version (once)"
  mkdir -p "$(dirname "$binary")"
  (cd "$root/tools/lint" && go build -o "$binary" github.com/golangci/golangci-lint/v2/cmd/golangci-lint)
fi
cd "$root"
exec "$binary" "$@"
