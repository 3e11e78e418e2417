#!/usr/bin/env bash
# Builds the pinned Temporal dev server into TARGET (default: the user's cache), unless it is there already or PATH has one
# of the same series. About two and a half minutes of two cores, once.
# usage: tools/temporal/build.sh [TARGET]
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
version=$(awk '$1 == "github.com/temporalio/cli" {print $2}' "$here/go.mod")
server=$(awk '$1 == "go.temporal.io/server" {print $2}' "$here/go.mod")
target=${1:-${XDG_CACHE_HOME:-$HOME/.cache}/mshub/temporal-$version}
series=${server#v}
series=${series%.*}

if [[ -x $target ]]; then
  exit 0
fi
for candidate in "${MSHUB_TEMPORAL_BIN:-}" "$(command -v temporal || true)"; do
  if [[ -x $candidate ]] && "$candidate" --version 2>/dev/null | grep -q "Server ${series//./\\.}\."; then
    echo "Temporal: using $candidate"
    exit 0
  fi
done

echo "Temporal: building the dev server $version (server ${server#v}) into $target; about three minutes, once"
mkdir -p "$(dirname "$target")"
partial=$(mktemp "$target.XXXXXX")
trap 'rm -f "$partial"' EXIT
cd "$here"
# Minutes count on a cold machine: see the Makefile for the first two. The tag leaves out the gRPC service mesh that the
# Google Cloud client of the archivers brings along, and what a dev server never runs is compiled without optimisation.
build=(-gcflags=all=-dwarf=false -tags disable_grpc_modules)
for unused in github.com/olivere/elastic/... github.com/gocql/gocql/... github.com/aws/aws-sdk-go/... cloud.google.com/...; do
  build+=("-gcflags=$unused=-dwarf=false -N -l")
done
GOGC=400 go build "${build[@]}" -ldflags '-s -w' -o "$partial" github.com/temporalio/cli/cmd/temporal
chmod 755 "$partial"
mv "$partial" "$target"
echo "Temporal: built"
