#!/usr/bin/env bash
# Writes .env for docker compose: .env.example with every empty secret filled from the system's random
# source. An existing .env keeps what it has; only secrets that are missing are added.
set -euo pipefail
cd "$(dirname "$0")/../.."

umask 077
[[ -f .env ]] || cp .env.example .env
chmod 600 .env

# fill NAME VALUE sets NAME unless it has a value.
fill() {
    if grep -Eq "^$1=.+" .env; then
        return
    fi
    sed -i.previous -E "/^#? ?$1=/d" .env && rm -f .env.previous
    printf '%s=%s\n' "$1" "$2" >>.env
    echo "$1 set"
}

password() { openssl rand -hex 24; }

fill MSHUB_SECRET_KEYS "$(openssl rand -base64 32)"
for name in POSTGRES_PASSWORD MSHUB_DATABASE_PASSWORD TEMPORAL_DATABASE_PASSWORD REDIS_PASSWORD MONGO_PASSWORD GRAFANA_PASSWORD; do
    fill "$name" "$(password)"
done
fill MONGO_KEY "$(openssl rand -hex 128)"
fill MSHUB_PUBLIC_URL "http://localhost:8080"
fill SMTP_URL "smtp://mail:1025"
fill COMPOSE_PROFILES "mongo,observability,dev"
mongo_password=$(sed -n 's/^MONGO_PASSWORD=//p' .env)
fill MONGODB_URI "mongodb://mshub:$mongo_password@mongo:27017/mshub?replicaSet=rs0&authSource=admin"
fill MSHUB_LOKI_URL "http://loki:3100/loki/api/v1/push"
echo ".env is ready"
