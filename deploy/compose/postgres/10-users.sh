#!/bin/sh
# Runs once, when the volume is new: a login for the product and one for Temporal, each with its own
# database. `mshub migrate` works as the superuser and gives the product's login its roles.
set -eu

psql --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname postgres \
    --set mshub_password="$MSHUB_DATABASE_PASSWORD" --set temporal_password="$TEMPORAL_DATABASE_PASSWORD" <<'SQL'
CREATE ROLE mshub LOGIN PASSWORD :'mshub_password';
CREATE DATABASE mshub OWNER mshub;
CREATE ROLE temporal LOGIN CREATEDB PASSWORD :'temporal_password';
SQL
