#!/bin/bash
# A replica set wants a key file that only mongod may read; mounts cannot promise that, so it is written here.
set -euo pipefail

install -m 0400 -o mongodb -g mongodb /dev/null /tmp/keyfile
printf '%s' "$MONGO_KEY" >/tmp/keyfile

exec docker-entrypoint.sh mongod --replSet rs0 --keyFile /tmp/keyfile --bind_ip_all
