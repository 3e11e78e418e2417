#!/usr/bin/env bash
# rollback.sh ENVIRONMENT: back to the image that ran before a failed deploy. The note in mshub-release is
# written at the end of a good deploy, so after a failed one its `current` is the image to return to; called
# again on a healthy environment (TO=previous) it goes back one release. The schema stays: a release runs on
# the next one's schema.
set -euo pipefail
cd "$(dirname "$0")/../.."

environment=${1:?staging or prod}
image=$(kubectl get configmap mshub-release --namespace "mshub-$environment" --ignore-not-found --output "jsonpath={.data.${TO:-current}}")
[[ -n $image ]] || { echo "$environment has no release to return to" >&2; exit 1; }

MIGRATE=0 deploy/ci/deploy.sh "$environment" "$image"
