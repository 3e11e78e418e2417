-- People and organisations.
--
-- A person is one account in the whole installation, so users and what belongs to them alone have no tenant: users,
-- credentials, links, belongings, sign_in_attempts, access_changes. Organisations are the tenants themselves. What an
-- organisation knows about people lies behind the wall: memberships, roles, invitations. A query about users therefore
-- goes through memberships or invitations; users of other organisations do not exist for it.

-- +goose Up
CREATE SCHEMA IF NOT EXISTS identity;

CREATE TABLE identity.users (
    id             uuid        PRIMARY KEY,
    email          text        NOT NULL, -- as the person writes it; mail goes here
    email_norm     text        NOT NULL, -- what makes it unique: see email.go
    display_name   text        NOT NULL,
    state          text        NOT NULL CHECK (state IN ('INVITED', 'ACTIVE', 'DISABLED')),
    email_verified boolean     NOT NULL DEFAULT false,
    invited_by     uuid,                 -- the invitation that the account was created for, if one
    created_at     timestamptz NOT NULL,
    updated_at     timestamptz NOT NULL,
    signed_in_at   timestamptz,
    CONSTRAINT users_email UNIQUE (email_norm)
);

CREATE TABLE identity.credentials (
    user_id    uuid        NOT NULL REFERENCES identity.users ON DELETE CASCADE,
    kind       text        NOT NULL CHECK (kind IN ('password')),
    secret     text        NOT NULL, -- argon2id in PHC form
    updated_at timestamptz NOT NULL,
    PRIMARY KEY (user_id, kind)
);

-- Failures are counted by account and network address, for unknown accounts too: the answer to a wrong password costs
-- the same work whether the account exists or not. Rows are forgotten a while after their last use.
CREATE TABLE identity.sign_in_attempts (
    account        bytea       NOT NULL, -- SHA-256 of the normalised address
    remote_address text        NOT NULL, -- IPv4 address or IPv6 /64
    failures       integer     NOT NULL DEFAULT 0, -- since the last success
    failed_at      timestamptz,
    succeeded_at   timestamptz,          -- known addresses are spared when strangers guess
    PRIMARY KEY (account, remote_address)
);
CREATE INDEX sign_in_attempts_age ON identity.sign_in_attempts (greatest(failed_at, succeeded_at));

CREATE TABLE identity.organisations (
    id           uuid        PRIMARY KEY,
    display_name text        NOT NULL,
    created_at   timestamptz NOT NULL
);

-- Which organisations a person may enter: what has to be known before the wall can be passed. Kept in step with
-- memberships by the statements that write those.
CREATE TABLE identity.belongings (
    user_id         uuid        NOT NULL REFERENCES identity.users ON DELETE CASCADE,
    organisation_id uuid        NOT NULL REFERENCES identity.organisations ON DELETE CASCADE,
    created_at      timestamptz NOT NULL,
    used_at         timestamptz, -- when a token was last issued for it
    PRIMARY KEY (user_id, organisation_id)
);

CREATE TABLE identity.memberships (
    organisation_id uuid        NOT NULL,
    id              uuid        NOT NULL,
    user_id         uuid        NOT NULL,
    roles           text[]      NOT NULL CHECK (cardinality(roles) > 0),
    created_at      timestamptz NOT NULL,
    PRIMARY KEY (organisation_id, id),
    UNIQUE (organisation_id, user_id),
    FOREIGN KEY (user_id, organisation_id) REFERENCES identity.belongings (user_id, organisation_id) ON DELETE CASCADE
);

CREATE TABLE identity.roles (
    organisation_id uuid   NOT NULL,
    slug            text   NOT NULL,
    title           text   NOT NULL,
    permissions     text[] NOT NULL,
    builtin         boolean NOT NULL DEFAULT false,
    PRIMARY KEY (organisation_id, slug)
);

-- A question to a person. It outlives an account that was removed with it by 90 days, so that people see how it ended.
-- A verified sign-up leaves one as well: accepted, without a run.
CREATE TABLE identity.invitations (
    organisation_id uuid        NOT NULL,
    id              uuid        NOT NULL,
    user_id         uuid        NOT NULL,
    email           text        NOT NULL,
    display_name    text        NOT NULL,
    role            text        NOT NULL, -- what the person will get after approval
    run             uuid,                 -- the run that waits for the answer
    state           text        NOT NULL CHECK (state IN ('PENDING', 'ACCEPTED', 'WITHDRAWN')),
    created_at      timestamptz NOT NULL,
    expires_at      timestamptz NOT NULL,
    PRIMARY KEY (organisation_id, id)
);
CREATE INDEX invitations_user ON identity.invitations (organisation_id, user_id);

-- One-time links. The token is derived from the id with a key that is not in the database, and only its SHA-256 is kept.
CREATE TABLE identity.links (
    id              uuid        PRIMARY KEY,
    hash            bytea       NOT NULL UNIQUE,
    kind            text        NOT NULL CHECK (kind IN ('INVITATION', 'VERIFICATION', 'RESET', 'ADMINISTRATOR')),
    account         bytea,      -- SHA-256 of the normalised address that asked: how often it may
    user_id         uuid        REFERENCES identity.users ON DELETE CASCADE, -- null: for nobody, see links.go
    organisation_id uuid,       -- of the invitation
    invitation_id   uuid,
    created_at      timestamptz NOT NULL,
    expires_at      timestamptz NOT NULL,
    used_at         timestamptz
);
CREATE INDEX links_user ON identity.links (user_id);
CREATE INDEX links_account ON identity.links (account, created_at);
CREATE INDEX links_age ON identity.links (expires_at);

-- Whose tokens became wrong, for the authorization server. Kept for a day.
CREATE TABLE identity.access_changes (
    id      uuid        PRIMARY KEY,
    user_id uuid        NOT NULL,
    kind    text        NOT NULL CHECK (kind IN ('ROLES', 'REMOVED', 'PASSWORD')),
    time    timestamptz NOT NULL
);
CREATE INDEX access_changes_time ON identity.access_changes (time, id);

CALL mshub.protect('identity.memberships');
CALL mshub.protect('identity.roles');
CALL mshub.protect('identity.invitations');
CALL mshub.idempotency('identity');
