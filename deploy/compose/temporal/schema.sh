#!/bin/sh
# Creates Temporal's databases or brings them to this release; run before each start of the server.
set -eu

export SQL_PASSWORD="$TEMPORAL_DATABASE_PASSWORD"

tool() {
    database=$1
    shift
    temporal-sql-tool --plugin postgres12 --ep postgres -p 5432 -u temporal --db "$database" "$@"
}

prepare() {
    database=$1
    versions=/etc/temporal/schema/postgresql/v12/$2/versioned
    # An update succeeds only on a database that has been set up.
    if ! tool "$database" update-schema -d "$versions"; then
        tool "$database" create
        tool "$database" setup-schema -v 0.0
        tool "$database" update-schema -d "$versions"
    fi
}

prepare temporal temporal
prepare temporal_visibility visibility
