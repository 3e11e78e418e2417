#!/usr/bin/env bash
# Rehearses the pipeline's scripts against stand-ins for docker, aws, kubectl and curl that note how they
# are called. It shows what the scripts do and in which order, not what a cluster makes of it.
set -euo pipefail
cd "$(dirname "$0")/../.."

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp -r deploy "$work/"
mkdir "$work/bin"
export NOTES=$work/notes REAL_KUBECTL
REAL_KUBECTL=$(command -v kubectl)

stand_in() {
    {
        printf '#!/usr/bin/env bash\n'
        cat
    } >"$work/bin/$1"
    chmod +x "$work/bin/$1"
}
stand_in docker <<'BASH'
echo "docker $*" >>"$NOTES"
case $1 in
login) [[ $(cat) == ecr-password ]] ;;
image) echo "registry.example/mshub@sha256:$(printf 'a%.0s' {1..64})" ;;
esac
BASH
stand_in aws <<'BASH'
echo "aws $*" >>"$NOTES"
echo ecr-password
BASH
stand_in git <<'BASH'
case $1 in
rev-parse) echo 0123456789abcdef ;;
describe) echo v1.2.3 ;;
esac
BASH
stand_in curl <<'BASH'
case ${*: -1} in
*openid-configuration) echo '{"issuer": "https://staging.mshub.example.com"}' ;;
*openapi.json) echo '{"openapi": "3.0.3"}' ;;
*) echo '<!doctype html>' ;;
esac
BASH
stand_in kubectl <<'BASH'
[[ $1 == kustomize ]] && exec "$REAL_KUBECTL" "$@"
echo "kubectl $*" >>"$NOTES"
case "$*" in
*"get configmap mshub-release"*data.current*) cat "$NOTES.current" 2>/dev/null || true ;;
*"get configmap mshub-release"*data.previous*) echo "registry.example/mshub@sha256:$(printf 'b%.0s' {1..64})" ;;
*"get deployments"*) echo deployment.apps/mshub-runs ;;
*"wait job"*) [[ -z ${MIGRATION_FAILS:-} ]] ;;
*"rollout status"*) [[ -z ${ROLLOUT_FAILS:-} ]] ;;
esac
exit_status=$?
[[ $* == *"--filename -"* ]] && cat >/dev/null
exit $exit_status
BASH

cd "$work"
export PATH=$work/bin:$PATH MSHUB_REGISTRY=registry.example AWS_REGION=eu-central-1
digest=registry.example/mshub@sha256:$(printf 'a%.0s' {1..64})

expect() {
    if ! grep -qF -- "$1" "$NOTES"; then
        echo "expected: $1"
        cat "$NOTES"
        exit 1
    fi
}
refuse() {
    if grep -qF -- "$1" "$NOTES"; then
        echo "did not expect: $1"
        cat "$NOTES"
        exit 1
    fi
}

deploy/ci/image.sh
expect "--build-arg VERSION=v1.2.3"
deploy/ci/push.sh
expect "docker push registry.example/mshub:v1.2.3"
[[ $(<build/image.txt) == "$digest" ]]

deploy/ci/deploy.sh staging
expect "kubectl wait job/mshub-migrate --namespace mshub-staging"
expect "--from-literal=current=$digest"
# The migration is over before the first role is touched.
migrated=$(grep -n 'wait job' "$NOTES" | cut -d: -f1)
rolled=$(grep -n 'component notin' "$NOTES" | cut -d: -f1)
((migrated < rolled))

echo "A migration that fails leaves the roles alone."
: >"$NOTES"
if MIGRATION_FAILS=1 deploy/ci/deploy.sh staging; then exit 1; fi
refuse "component notin"
refuse "create configmap mshub-release"

echo "A roll-out that fails is not noted as a release, and the rollback returns without migrating."
: >"$NOTES"
printf '%s' "$digest" >"$NOTES.current"
if ROLLOUT_FAILS=1 deploy/ci/deploy.sh staging "registry.example/mshub@sha256:$(printf 'c%.0s' {1..64})"; then exit 1; fi
refuse "create configmap mshub-release"
: >"$NOTES"
deploy/ci/rollback.sh staging
refuse "wait job"
expect "--from-literal=current=$digest"

echo "Tags and unknown environments are refused."
if deploy/ci/deploy.sh staging mshub:latest; then exit 1; fi
if deploy/ci/deploy.sh nowhere "$digest"; then exit 1; fi
leftover=$(find deploy/k8s/overlays -name '.deploy-*')
[[ -z $leftover ]]
