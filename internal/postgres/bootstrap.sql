-- Roles and procedures that every room's migration relies on. Safe to run again; runs before any migration.

DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'mshub_app') THEN
        CREATE ROLE mshub_app NOLOGIN NOINHERIT;
    END IF;
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'mshub_system') THEN
        CREATE ROLE mshub_system NOLOGIN NOINHERIT;
    END IF;
EXCEPTION WHEN duplicate_object OR unique_violation THEN
    NULL; -- roles belong to the whole cluster: another database's migration made them at the same moment
END $$;

CREATE SCHEMA IF NOT EXISTS mshub;
GRANT USAGE ON SCHEMA mshub TO mshub_app, mshub_system;

-- The active organisation of the transaction; an error if none was set.
CREATE OR REPLACE FUNCTION mshub.org() RETURNS uuid LANGUAGE sql STABLE PARALLEL SAFE
    RETURN current_setting('mshub.org')::uuid;

-- Puts a table with a column organisation_id behind the wall: mshub_app sees the active organisation's rows, mshub_system all.
CREATE OR REPLACE PROCEDURE mshub.protect(target regclass) LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', target);
    EXECUTE format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', target);
    EXECUTE format('CREATE POLICY tenant ON %s TO mshub_app USING (organisation_id = mshub.org()) WITH CHECK (organisation_id = mshub.org())', target);
    EXECUTE format('CREATE POLICY system ON %s TO mshub_system USING (true) WITH CHECK (true)', target);
END $$;

-- The table behind postgres.Once: answers of changes, kept for seven days.
CREATE OR REPLACE PROCEDURE mshub.idempotency(room name) LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format($f$
        CREATE TABLE %1$I.idempotency (
            organisation_id uuid        NOT NULL,
            caller          text        NOT NULL,
            key             text        NOT NULL,
            method          text        NOT NULL,
            request_hash    bytea       NOT NULL,
            response        bytea       NOT NULL,
            expires_at      timestamptz NOT NULL,
            PRIMARY KEY (organisation_id, caller, method, key)
        )$f$, room);
    EXECUTE format('CREATE INDEX ON %I.idempotency (expires_at)', room);
    EXECUTE format('CALL mshub.protect(%L)', format('%I.idempotency', room));
END $$;
