-- The audit trail: entries that are never changed, their erasable details, and the head of each organisation's chain.
--
-- Who may do what is said by grants and policies, not by good manners: mshub_app appends and reads its own
-- organisation; mshub_system sees all, seals what is unsealed, and erases details. Nobody rewrites a sealed entry.
-- The organisation of zeros is the installation itself (the first administrator, signing keys): no tenant sees its chain.

-- +goose Up
CREATE SCHEMA IF NOT EXISTS audit;

-- What the chain covers. A person appears by id alone; everything that could be about one lies in audit.detail.
CREATE TABLE audit.entry (
    organisation_id uuid        NOT NULL,
    id              uuid        NOT NULL, -- UUIDv7: the order of the list
    time            timestamptz NOT NULL,
    actor           text        NOT NULL, -- "users/ID", "clients/ID", "services/authserver"
    run             uuid,
    action          text        NOT NULL, -- "services.identity.v1.IdentityService/DisableUser"
    target          text        NOT NULL, -- "users/ID"
    digest          bytea       NOT NULL, -- of the salted details
    position        bigint,               -- from 1 without gaps, in each organisation; null until sealed
    hash            bytea,                -- of the previous hash and this entry; null until sealed
    PRIMARY KEY (organisation_id, id)
);
CREATE UNIQUE INDEX entry_chain ON audit.entry (organisation_id, position);
CREATE INDEX entry_unsealed ON audit.entry (organisation_id, id) WHERE position IS NULL;
CREATE INDEX entry_actor ON audit.entry (organisation_id, actor, id);
CREATE INDEX entry_target ON audit.entry (organisation_id, target, id);
CREATE INDEX entry_run ON audit.entry (organisation_id, run, id) WHERE run IS NOT NULL;

-- What erasure deletes. Without the salt the digest in the entry tells nothing, and the chain still verifies.
CREATE TABLE audit.detail (
    organisation_id uuid  NOT NULL,
    entry_id        uuid  NOT NULL,
    salt            bytea NOT NULL,
    before          jsonb NOT NULL,
    after           jsonb NOT NULL,
    remote_address  text  NOT NULL,
    reason          text  NOT NULL,
    PRIMARY KEY (organisation_id, entry_id)
);

-- The last link of each chain: an entry cut off the end is missed.
CREATE TABLE audit.chain (
    organisation_id uuid   NOT NULL PRIMARY KEY,
    position        bigint NOT NULL,
    hash            bytea  NOT NULL
);

ALTER TABLE audit.entry ENABLE ROW LEVEL SECURITY;
ALTER TABLE audit.entry FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_read ON audit.entry FOR SELECT TO mshub_app USING (organisation_id = mshub.org());
CREATE POLICY tenant_append ON audit.entry FOR INSERT TO mshub_app WITH CHECK (organisation_id = mshub.org() AND position IS NULL AND hash IS NULL);
CREATE POLICY system_read ON audit.entry FOR SELECT TO mshub_system USING (true);
CREATE POLICY system_append ON audit.entry FOR INSERT TO mshub_system WITH CHECK (position IS NULL AND hash IS NULL);
CREATE POLICY system_seal ON audit.entry FOR UPDATE TO mshub_system USING (position IS NULL) WITH CHECK (position IS NOT NULL AND hash IS NOT NULL);
REVOKE UPDATE, DELETE ON audit.entry FROM mshub_app, mshub_system;
GRANT UPDATE (position, hash) ON audit.entry TO mshub_system;

CALL mshub.protect('audit.detail');
REVOKE UPDATE, DELETE ON audit.detail FROM mshub_app;
REVOKE UPDATE ON audit.detail FROM mshub_system;

CALL mshub.protect('audit.chain');
REVOKE INSERT, UPDATE, DELETE ON audit.chain FROM mshub_app;
REVOKE DELETE ON audit.chain FROM mshub_system;

-- The digest that binds an entry to its details.
-- +goose StatementBegin
CREATE FUNCTION audit.digest(salt bytea, before jsonb, after jsonb, remote_address text, reason text) RETURNS bytea
    LANGUAGE sql IMMUTABLE
    RETURN sha256(salt || convert_to(jsonb_build_array(before, after, remote_address, reason)::text, 'UTF8'));
-- +goose StatementEnd

-- The hash of one link. A JSON array keeps the borders between fields; time is in microseconds.
-- +goose StatementBegin
CREATE FUNCTION audit.link(previous bytea, place bigint, organisation uuid, id uuid, at timestamptz, actor text, run uuid, action text, target text, digest bytea) RETURNS bytea
    LANGUAGE sql IMMUTABLE
    RETURN sha256(previous || convert_to(jsonb_build_array(
        place, organisation, id, (extract(epoch FROM at) * 1000000)::bigint, actor, run, action, target, encode(digest, 'hex'))::text, 'UTF8'));
-- +goose StatementEnd

-- Writes one entry in the caller's transaction: as any role, whichever organisation the transaction is in, or in none.
-- The transaction's organisation is the same before and after.
-- +goose StatementBegin
CREATE FUNCTION audit.append(id uuid, organisation uuid, actor text, run uuid, action text, target text, before jsonb, after jsonb, remote_address text, reason text) RETURNS void
    LANGUAGE plpgsql AS $$
DECLARE
    active text := coalesce(current_setting('mshub.org', true), '');
    salt   bytea := uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid());
BEGIN
    PERFORM set_config('mshub.org', organisation::text, true);
    INSERT INTO audit.entry (organisation_id, id, time, actor, run, action, target, digest)
        VALUES (organisation, id, clock_timestamp(), actor, run, action, target, audit.digest(salt, before, after, remote_address, reason));
    INSERT INTO audit.detail (organisation_id, entry_id, salt, before, after, remote_address, reason)
        VALUES (organisation, id, salt, before, after, remote_address, reason);
    PERFORM set_config('mshub.org', active, true);
END $$;
-- +goose StatementEnd

-- Chains at most `batch` unsealed entries of each organisation and returns how many. As mshub_system. The lock on the
-- head makes a second sealer wait, so a chain never forks.
-- +goose StatementBegin
CREATE FUNCTION audit.seal(batch integer) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    org    uuid;
    head   audit.chain;
    e      audit.entry;
    sealed bigint := 0;
BEGIN
    FOR org IN SELECT DISTINCT u.organisation_id FROM audit.entry u WHERE u.position IS NULL ORDER BY 1 LOOP
        INSERT INTO audit.chain (organisation_id, position, hash) VALUES (org, 0, '') ON CONFLICT DO NOTHING;
        SELECT * INTO head FROM audit.chain c WHERE c.organisation_id = org FOR UPDATE;
        FOR e IN SELECT * FROM audit.entry u WHERE u.organisation_id = org AND u.position IS NULL ORDER BY u.id LIMIT batch LOOP
            head.position := head.position + 1;
            head.hash := audit.link(head.hash, head.position, org, e.id, e.time, e.actor, e.run, e.action, e.target, e.digest);
            UPDATE audit.entry u SET position = head.position, hash = head.hash WHERE u.organisation_id = org AND u.id = e.id;
            sealed := sealed + 1;
        END LOOP;
        UPDATE audit.chain c SET position = head.position, hash = head.hash WHERE c.organisation_id = org;
    END LOOP;
    RETURN sealed;
END $$;
-- +goose StatementEnd
