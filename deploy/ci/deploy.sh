#!/usr/bin/env bash
# deploy.sh ENVIRONMENT [REPOSITORY@DIGEST]: brings an environment to an image (default: build/image.txt).
# Configuration and migration first; the roles follow only when the migration has succeeded. The image that
# ran before is noted in the config map mshub-release, which deploy/ci/rollback.sh reads.
#
#   MIGRATE=0   leaves the migration out (a rollback: an older binary runs on the newer schema)
set -euo pipefail
cd "$(dirname "$0")/../.."

environment=${1:?staging or prod}
image=${2:-$(<build/image.txt)}
namespace=mshub-$environment
overlay=deploy/k8s/overlays/$environment

[[ -d $overlay ]] || { echo "there is no environment $environment" >&2; exit 2; }
[[ $image =~ ^[^@]+@sha256:[0-9a-f]{64}$ ]] || { echo "$image: an image is deployed by its digest" >&2; exit 2; }

# A throw-away overlay sets the digest; the committed ones stay as they are.
work=$(mktemp -d deploy/k8s/overlays/.deploy-XXXXXX)
trap 'rm -rf "$work"' EXIT
cat >"$work/kustomization.yaml" <<YAML
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
resources: [../$environment]
images:
  - name: mshub
    newName: ${image%@*}
    digest: ${image#*@}
YAML
kubectl kustomize "$work" >"$work/all.yaml"

released() { kubectl get configmap mshub-release --namespace "$namespace" --ignore-not-found --output "jsonpath={.data.$1}"; }
previous=$(released current)
# A second deploy of the same image must not forget what ran before it.
[[ $previous != "$image" ]] || previous=$(released previous)

if [[ ${MIGRATE:-1} == 1 ]]; then
    # The pipeline is master in the namespace, not of namespaces: it makes one only where it may.
    kubectl get namespace "$namespace" >/dev/null 2>&1 ||
        kubectl apply --filename "$work/all.yaml" --selector app.kubernetes.io/component=namespace
    # What belongs to no role: policies, configuration, routes.
    kubectl apply --filename "$work/all.yaml" --selector '!app.kubernetes.io/component'
    kubectl delete job mshub-migrate --namespace "$namespace" --ignore-not-found
    kubectl apply --filename "$work/all.yaml" --selector app.kubernetes.io/component=migrate
    kubectl wait job/mshub-migrate --namespace "$namespace" --for=condition=complete --timeout=15m
fi

kubectl apply --filename "$work/all.yaml" --selector 'app.kubernetes.io/component notin (migrate,namespace)'
for deployment in $(kubectl get deployments --namespace "$namespace" --selector app.kubernetes.io/part-of=mshub --output name); do
    kubectl rollout status "$deployment" --namespace "$namespace" --timeout=10m
done

deploy/ci/smoke.sh "$environment"

kubectl create configmap mshub-release --namespace "$namespace" --dry-run=client --output yaml \
    --from-literal=current="$image" --from-literal=previous="$previous" |
    kubectl apply --filename -
echo "$environment runs $image"
