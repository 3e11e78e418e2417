#!/usr/bin/env bash
# rehearse.sh CACHE: really builds deploy/docker/Dockerfile, with buildah and without a daemon, and runs what
# came out. Base images that cannot be pulled are made here from Debian's packages and this machine's own Go
# and Node: then the Dockerfile is proved, its base images are not.
#
# Needs root, buildah and debootstrap; takes minutes and some gigabytes of CACHE the first time.
set -euo pipefail
cd "$(dirname "$0")/../.."

cache=${1:?where layers and look-alikes are kept}
export BUILDAH_ISOLATION=chroot
engine=(nice buildah --root "$cache/buildah" --runroot "$cache/buildah-run" --storage-driver vfs)
tool() { "${engine[@]}" "$@"; }
mkdir -p "$cache"

# debian CONTAINER: a bookworm root with certificates, made once.
debian() {
    local root=$cache/bookworm
    if [[ ! -f $root/.done ]]; then
        rm -rf "$root"
        debootstrap --variant=minbase --include=ca-certificates,libstdc++6 bookworm "$root" "${DEBIAN_MIRROR:-http://deb.debian.org/debian}" >"$cache/debootstrap.log"
        # Certificates that this machine trusts beside Debian's.
        cp /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/"
        touch "$root/.done"
    fi
    tool copy --quiet "$1" "$root" /
    tool config --env NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt "$1"
}

look_alike() {
    local image=$1 container
    container=$(tool from scratch)
    case ${image#localhost/} in
    golang:*)
        debian "$container"
        tool copy --quiet "$container" "$(go env GOROOT)" /usr/local/go
        # Modules come from this machine's own download cache.
        tool config --env PATH=/usr/local/go/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
            --env GOPATH=/go --env GOPROXY=file:///modules --env GOSUMDB=off "$container"
        ;;
    node:*)
        debian "$container"
        tool copy --quiet "$container" "$(readlink -f "$(command -v node)")" /usr/local/bin/node
        tool copy --quiet "$container" "$(npm root --global)/npm" /usr/local/lib/npm
        printf '#!/bin/sh\nexec node /usr/local/lib/npm/bin/npm-cli.js "$@"\n' >"$cache/npm"
        tool copy --quiet --chmod 0755 "$container" "$cache/npm" /usr/local/bin/npm
        tool config --env "npm_config_registry=$(npm config get registry 2>/dev/null)" "$container"
        ;;
    *distroless/static*)
        printf 'nonroot:x:65532:65532:nonroot:/home/nonroot:/sbin/nologin\n' >"$cache/passwd"
        tool copy --quiet "$container" "$cache/passwd" /etc/passwd
        tool copy --quiet "$container" /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
        tool config --env PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin --user 65532 "$container"
        ;;
    *)
        echo "no look-alike for $image" >&2
        return 1
        ;;
    esac
    tool commit --quiet --rm "$container" "$image"
}

arguments=()
while read -r name image; do
    if ! tool inspect --type image "$image" >/dev/null 2>&1 && ! timeout 60 "${engine[@]}" pull --quiet "$image" >/dev/null 2>&1; then
        echo "making a look-alike of $image"
        look_alike "localhost/$image" >/dev/null
    fi
    if tool inspect --type image "localhost/$image" >/dev/null 2>&1; then image=localhost/$image; fi
    arguments+=(--build-arg "$name=$image")
done < <(sed -n 's/^ARG \([A-Z]*_IMAGE\)=\(.*\)/\1 \2/p' deploy/docker/Dockerfile)

tool bud --pull-never --file deploy/docker/Dockerfile --volume "$(go env GOMODCACHE)/cache/download:/modules:ro" \
    "${arguments[@]}" --build-arg VERSION=v0.0.0-rehearsal --build-arg COMMIT="$(git rev-parse HEAD)" --tag localhost/mshub:rehearsal .

container=$(tool from localhost/mshub:rehearsal)
trap 'tool rm "$container" >/dev/null' EXIT
tool run "$container" -- mshub version | grep -F v0.0.0-rehearsal
[[ $(tool inspect --type image --format '{{.OCIv1.Config.User}}' localhost/mshub:rehearsal) == 65532:65532 ]]
[[ $(tool run "$container" -- mshub health 2>&1) == *"nobody answers"* ]]
root=$(tool mount "$container")
[[ $(stat -c %u "$root/data") == 65532 && ! -e $root/bin/sh ]]
echo "the image holds $(du -sh "$root" | cut -f1)"
