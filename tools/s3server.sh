#!/usr/bin/env bash
# Puts an S3 server for the tests (moto, in server mode) into the user's cache and prints the path of its program.
# usage: tools/s3server.sh
set -euo pipefail

version=5.1.4
target=${XDG_CACHE_HOME:-$HOME/.cache}/mshub/moto-$version

if [[ -x $target/bin/moto_server ]]; then
  echo "$target/bin/moto_server"
  exit 0
fi
if ! python3 -m venv --help >/dev/null 2>&1; then
  echo "s3server: python3 with venv is needed to install it" >&2
  exit 1
fi
echo "s3server: installing moto $version into $target, once" >&2
mkdir -p "$(dirname "$target")"
exec 9>"$target.lock"
flock 9 # tests of several packages may come at once
if [[ ! -x $target/bin/moto_server ]]; then
  rm -rf "$target"
  python3 -m venv "$target"
  "$target/bin/pip" install --quiet --disable-pip-version-check "moto[server,s3]==$version" >&2
fi
echo "$target/bin/moto_server"
