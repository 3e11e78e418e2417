#!/usr/bin/env bash
# Builds the one image and names it for this commit; build/image.name tells the later steps its name.
set -euo pipefail
cd "$(dirname "$0")/../.."

commit=$(git rev-parse HEAD)
version=${VERSION:-$(git describe --tags --always --dirty)}
name=${MSHUB_IMAGE:-mshub}:$version

docker build --file deploy/docker/Dockerfile \
    --build-arg "VERSION=$version" --build-arg "COMMIT=$commit" \
    --tag "$name" .

mkdir -p build
printf '%s\n' "$name" >build/image.name
echo "built $name"
