#!/usr/bin/env bash
# Checks every artefact of deployment and observability with a real tool. `make verify` calls it.
#
#   DEEP=1    also builds the image for real, with buildah; minutes and gigabytes the first time
#   CI=true   a tool that is missing and cannot be had is a failure, not a skip
#
# Works offline once warm: what it builds lies in the user's cache directory, never in the checkout.
set -euo pipefail
cd "$(dirname "$0")/.."

cache=${XDG_CACHE_HOME:-$HOME/.cache}/mshub/verify
kubernetes=v1.34.2 # the release whose schemas the manifests are held against
groovylint=15.2.1  # the last that runs on Node 20
mkdir -p "$cache"

failed=()
skipped=()

# check NAME COMMAND… runs one check; its output is shown only if it fails. No `if` around the command:
# inside a condition bash forgets errexit, and a function would pass by its last line alone.
check() {
    local name=$1 output status started=$SECONDS
    shift
    set +e
    output=$(
        set -e
        "$@" 2>&1
    )
    status=$?
    set -e
    if ((status == 0)); then
        printf '  ok    %-42s %ss\n' "$name" $((SECONDS - started))
    else
        printf '  FAIL  %s\n%s\n' "$name" "$output"
        failed+=("$name")
    fi
}

# skip NAME REASON: said aloud, and a failure where nothing may be skipped.
skip() {
    printf '  skip  %s: %s\n' "$1" "$2"
    if [[ ${CI:-} == true ]]; then failed+=("$1 (skipped)"); else skipped+=("$1"); fi
}

# have COMMAND [PACKAGE]: is it there, or can Debian's package be installed?
have() {
    command -v "$1" >/dev/null && return
    [[ $EUID -eq 0 && -n ${2:-} ]] && command -v apt-get >/dev/null || return 1
    DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$2" >"$cache/apt.log" 2>&1 && command -v "$1" >/dev/null
}

tools() {
    (
        cd tools/deploycheck
        nice go build -o "$cache/deploycheck" .
        nice go build -o "$cache/kubeconform" github.com/yannh/kubeconform/cmd/kubeconform
    )
}

deploycheck_test() { (cd tools/deploycheck && nice go test ./...); }

# schemas fetches Kubernetes' module once; its OpenAPI document holds every field of every kind.
schemas() {
    [[ -f $cache/schemas-$kubernetes/.done ]] && return
    local directory
    directory=$(cd "$cache" && GOFLAGS=-mod=mod go mod download -json "k8s.io/kubernetes@$kubernetes" | sed -n 's/^\t"Dir": "\(.*\)",\?$/\1/p')
    "$cache/deploycheck" schemas -swagger "$directory/api/openapi-spec/swagger.json" -out "$cache/schemas-$kubernetes"
    touch "$cache/schemas-$kubernetes/.done"
}

# manifests OVERLAY: renders, then schemas, then what schemas cannot say. An unknown kind is a failure.
manifests() {
    kubectl kustomize "deploy/k8s/overlays/$1" >"$cache/$1.yaml"
    "$cache/kubeconform" -strict -summary -kubernetes-version "${kubernetes#v}" \
        -schema-location "$cache/schemas-$kubernetes/{{.ResourceKind}}{{.KindSuffix}}.json" "$cache/$1.yaml"
    "$cache/deploycheck" manifests <"$cache/$1.yaml"
}

prometheus() {
    promtool check config observability/prometheus/prometheus.yml
    promtool check rules --lint=all observability/prometheus/rules/*.yml
    promtool test rules observability/prometheus/tests/*.yml
}

scripts() {
    local files
    mapfile -t files < <(git ls-files '*.sh')
    shellcheck "${files[@]}"
}

terraform_format() { terraform fmt -check -recursive -diff deploy/terraform; }

# jenkinsfile: syntax and style by npm-groovy-lint, then the house's own rules.
jenkinsfile() {
    local lint=$cache/groovylint-$groovylint seen copy
    # It takes half a minute, so a file that has passed is not read again.
    seen=$lint/passed-$(cat Jenkinsfile deploy/ci/groovylint.json | sha256sum | cut -c1-16)
    [[ ! -f $seen ]] || return 0
    [[ -d $lint/node_modules ]] || npm install --prefix "$lint" --no-audit --no-fund "npm-groovy-lint@$groovylint"
    copy=$(mktemp -d)
    cp Jenkinsfile deploy/ci/groovylint.json "$copy/"
    "$lint/node_modules/.bin/npm-groovy-lint" --noserver --config "$copy/groovylint.json" --failon warning --files "**/Jenkinsfile" --path "$copy"
    rm -rf "$copy"
    touch "$seen"
}

echo "Tools"
check "deploycheck and kubeconform" tools
check "deploycheck finds faults" deploycheck_test

echo "Observability"
if have promtool prometheus; then check "Prometheus: configuration, rules, tests" prometheus; else skip "Prometheus" "no promtool"; fi
check "queries and the list of metrics" "$cache/deploycheck" metrics
check "alerts, runbooks and their tests" "$cache/deploycheck" runbooks
check "dashboards as generated" go run ./observability/grafana/generate -check
check "dashboards: structure" "$cache/deploycheck" dashboards

echo "Deployment"
check "Dockerfile" "$cache/deploycheck" dockerfile
check "docker-compose.yml" "$cache/deploycheck" compose
check "routes: compose, Ingress, doors" "$cache/deploycheck" routes
if have caddy caddy; then
    check "Caddyfile" caddy validate --config deploy/compose/caddy/Caddyfile --adapter caddyfile
else
    skip "Caddyfile" "no caddy"
fi
check "Kubernetes' schemas ($kubernetes)" schemas
if have kubectl; then
    for overlay in dev staging prod; do check "manifests: $overlay" manifests "$overlay"; done
else
    skip "manifests" "no kubectl"
fi
if have terraform; then
    check "Terraform: format" terraform_format
    check "Terraform: valid by AWS's schema" deploy/terraform/validate.sh "$cache"
else
    skip "Terraform" "no terraform"
fi

echo "Pipeline"
if have shellcheck shellcheck; then check "shell scripts" scripts; else skip "shell scripts" "no shellcheck"; fi
check "Jenkinsfile: stages and make targets" "$cache/deploycheck" jenkinsfile
if have npm && have java; then check "Jenkinsfile: syntax and style" jenkinsfile; else skip "Jenkinsfile: syntax and style" "needs npm and Java"; fi
check "pipeline scripts against stand-ins" deploy/ci/rehearse.sh

if [[ ${DEEP:-} == 1 ]]; then
    echo "Deep"
    if [[ $EUID -eq 0 ]] && have buildah buildah && have debootstrap debootstrap; then
        check "image: a real build" deploy/docker/rehearse.sh "$cache/image"
    else
        skip "image: a real build" "needs root, buildah, debootstrap"
    fi
fi

if ((${#failed[@]})); then
    printf '\nverify: %d failed: %s\n' "${#failed[@]}" "$(IFS=,; echo "${failed[*]}")"
    exit 1
fi
printf '\nverify: all good in %ss' "$SECONDS"
if ((${#skipped[@]})); then printf ', skipped: %s' "$(IFS=,; echo "${skipped[*]}")"; fi
echo
