-- Many people at once, invitations that need no further decision, and the role of who is being brought in.

-- +goose Up

-- Whoever accepts such an invitation has its role at once; of others a run decides.
ALTER TABLE identity.invitations ADD COLUMN joins boolean NOT NULL DEFAULT false;

-- A bulk change is a run's: it has the run's id. It is made by PlanUserBulk and forgotten after 90 days.
CREATE TABLE identity.bulks (
    organisation_id uuid        NOT NULL,
    run             uuid        NOT NULL,
    action          text        NOT NULL CHECK (action IN ('INVITE', 'DISABLE', 'ENABLE', 'ADD_ROLE', 'REMOVE_ROLE')),
    role            text        NOT NULL, -- to give or take away
    reason          text        NOT NULL,
    dry_run         boolean     NOT NULL,
    lifetime        bigint      NOT NULL, -- of invitations, in seconds
    batches         integer     NOT NULL,
    people          bigint      NOT NULL,
    state           text        NOT NULL CHECK (state IN ('PLANNED', 'FINISHED', 'UNDONE')),
    list_size       bigint      NOT NULL DEFAULT 0,
    list_sha256     text        NOT NULL DEFAULT '',
    created_at      timestamptz NOT NULL,
    PRIMARY KEY (organisation_id, run)
);
CREATE INDEX bulks_age ON identity.bulks (created_at);

-- A line is a person of a bulk change, and once tried the ledger of what became of it.
CREATE TABLE identity.bulk_lines (
    organisation_id uuid    NOT NULL,
    run             uuid    NOT NULL,
    line            bigint  NOT NULL, -- of the file; of a filter's people the place
    batch           integer NOT NULL, -- from 1; 0 = failed when it was planned
    user_id         uuid,             -- null: nobody, or not invited yet
    email           text    NOT NULL,
    display_name    text    NOT NULL,
    role            text    NOT NULL,
    outcome         text    NOT NULL CHECK (outcome IN ('PLANNED', 'DONE', 'UNCHANGED', 'FAILED', 'UNDONE', 'KEPT')),
    reason          text    NOT NULL DEFAULT '', -- of a failure, for machines
    message         text    NOT NULL DEFAULT '', -- for people
    before          text[]  NOT NULL DEFAULT '{}', -- the roles or the state, to be put back
    after           text[]  NOT NULL DEFAULT '{}', -- undone only while it is still so
    invitation      uuid,
    PRIMARY KEY (organisation_id, run, line),
    FOREIGN KEY (organisation_id, run) REFERENCES identity.bulks (organisation_id, run) ON DELETE CASCADE
);
CREATE INDEX bulk_lines_batch ON identity.bulk_lines (organisation_id, run, batch);
CREATE INDEX bulk_lines_email ON identity.bulk_lines (organisation_id, lower(email));

CALL mshub.protect('identity.bulks');
CALL mshub.protect('identity.bulk_lines');

-- Organisations that are there already get the new built-in role. No policy is for the owner, so the wall stands aside.
ALTER TABLE identity.roles NO FORCE ROW LEVEL SECURITY;
INSERT INTO identity.roles (organisation_id, slug, title, permissions, builtin)
SELECT id, 'newcomer', 'Newcomer', '{files.write,tasks.decide,tasks.read}', true FROM identity.organisations
ON CONFLICT DO NOTHING;
-- Who decides sees the documents that belong to the decision.
UPDATE identity.roles SET permissions = '{files.read,runs.read,tasks.*}' WHERE slug = 'approver' AND builtin;
ALTER TABLE identity.roles FORCE ROW LEVEL SECURITY;
