#!/usr/bin/env bash
# Pushes the image of deploy/ci/image.sh to ECR and writes build/image.txt: REPOSITORY@DIGEST. From here on
# the image is known by its digest alone.
#
#   MSHUB_REGISTRY   ACCOUNT.dkr.ecr.REGION.amazonaws.com
#   AWS_REGION
set -euo pipefail
cd "$(dirname "$0")/../.."

: "${MSHUB_REGISTRY:?the address of the registry}" "${AWS_REGION:?the region of the registry}"
name=$(<build/image.name)
target=$MSHUB_REGISTRY/mshub:${name##*:}

aws ecr get-login-password --region "$AWS_REGION" |
    docker login --username AWS --password-stdin "$MSHUB_REGISTRY"
docker tag "$name" "$target"
docker push "$target"

docker image inspect --format '{{index .RepoDigests 0}}' "$target" >build/image.txt
grep -Eq '@sha256:[0-9a-f]{64}$' build/image.txt || {
    echo "the registry gave no digest for $target" >&2
    exit 1
}
echo "pushed $(<build/image.txt)"
