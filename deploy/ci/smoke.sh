#!/usr/bin/env bash
# smoke.sh ENVIRONMENT: asks the public address what a user would meet first.
set -euo pipefail
cd "$(dirname "$0")/../.."

environment=${1:?staging or prod}
address=$(sed -n 's/^ *- MSHUB_PUBLIC_URL=//p' "deploy/k8s/overlays/$environment/kustomization.yaml")

fetch() { curl --fail --silent --show-error --retry 10 --retry-delay 3 --retry-all-errors --max-time 10 "$address$1"; }

fetch /healthz >/dev/null
# The issuer must be the public address, or no client trusts a token.
fetch /.well-known/openid-configuration | grep -q "\"issuer\": *\"$address\""
fetch /openapi.json | grep -q '"openapi"'
fetch / | grep -qi '<!doctype html'
echo "$address answers"
