-- The authorization server's rows. Clients belong to an organisation and stand behind the wall; sessions, codes, tokens,
-- consents, keys and revocations belong to people or to the installation and have no tenant.
-- Nothing here is a secret that works: codes, tokens, cookies and client secrets are stored as SHA-256, keys sealed.

-- +goose Up
CREATE SCHEMA IF NOT EXISTS authserver;

CALL mshub.idempotency('authserver');

CREATE TABLE authserver.client (
    organisation_id     uuid        NOT NULL,
    id                  text        NOT NULL PRIMARY KEY, -- the OAuth2 client_id
    title               text        NOT NULL,
    kind                text        NOT NULL CONSTRAINT client_kind CHECK (kind IN ('machine', 'confidential', 'public')),
    redirect_uris       text[]      NOT NULL,
    scopes              text[]      NOT NULL,
    secret_hash         bytea,                            -- null for public clients
    previous_hash       bytea,                            -- the secret before, while it still works
    previous_expires_at timestamptz,
    created_at          timestamptz NOT NULL,
    used_at             timestamptz
);
CREATE INDEX client_list ON authserver.client (organisation_id, id);
CALL mshub.protect('authserver.client');

-- The one way through the wall: the protocol's endpoints know a client by its exact id before they know its organisation.
-- +goose StatementBegin
CREATE FUNCTION authserver.find_client(wanted text) RETURNS SETOF authserver.client
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ''
    AS $$ SELECT * FROM authserver.client WHERE id = wanted $$;
-- +goose StatementEnd
REVOKE ALL ON FUNCTION authserver.find_client(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION authserver.find_client(text) TO mshub_app;
GRANT CREATE ON SCHEMA authserver TO mshub_system; -- a function's owner must have it at the moment of the change
ALTER FUNCTION authserver.find_client(text) OWNER TO mshub_system;
REVOKE CREATE ON SCHEMA authserver FROM mshub_system;

-- A person signed in on one browser. Created by signing in; deleted by signing out, revoking, or housekeeping.
CREATE TABLE authserver.session (
    id               uuid        NOT NULL PRIMARY KEY, -- the name, shown; never the cookie
    secret_hash      bytea       NOT NULL CONSTRAINT session_secret UNIQUE,
    user_id          uuid        NOT NULL,
    remote_address   text        NOT NULL,
    user_agent       text        NOT NULL,
    created_at       timestamptz NOT NULL,
    authenticated_at timestamptz NOT NULL,
    used_at          timestamptz NOT NULL,
    expires_at       timestamptz NOT NULL -- however much it is used
);
CREATE INDEX session_by_user ON authserver.session (user_id);
CREATE INDEX session_expiry ON authserver.session (expires_at);

-- What a person allowed a third party: one row a client. Created by consent, deleted by taking it back.
CREATE TABLE authserver.consent (
    id           uuid        NOT NULL PRIMARY KEY,
    user_id      uuid        NOT NULL,
    client_id    text        NOT NULL,
    client_title text        NOT NULL, -- as the person saw it
    scopes       text[]      NOT NULL,
    created_at   timestamptz NOT NULL,
    used_at      timestamptz NOT NULL,
    CONSTRAINT consent_once UNIQUE (user_id, client_id)
);
CREATE INDEX consent_by_client ON authserver.consent (client_id);

-- An authorization request that a client pushed (RFC 9126). Used up when its code is issued.
CREATE TABLE authserver.pushed_request (
    uri_hash   bytea       NOT NULL PRIMARY KEY,
    client_id  text        NOT NULL,
    form       text        NOT NULL,
    expires_at timestamptz NOT NULL
);
CREATE INDEX pushed_request_expiry ON authserver.pushed_request (expires_at);

-- An authorization code: what PKCE, OpenID Connect and OAuth2 know about it in one row. Kept after its use, so that a
-- second use is noticed and takes the first one's tokens back.
CREATE TABLE authserver.code (
    signature   bytea       NOT NULL PRIMARY KEY,
    family_id   uuid        NOT NULL,
    client_id   text        NOT NULL,
    user_id     uuid        NOT NULL,
    request     jsonb       NOT NULL,
    expires_at  timestamptz NOT NULL,
    verified_at timestamptz, -- the verifier was looked at; a second look is refused
    used_at     timestamptz
);
CREATE INDEX code_expiry ON authserver.code (expires_at);

-- A refresh token. All that descend from one code are a family; a used one that comes again ends the family.
CREATE TABLE authserver.refresh_token (
    signature         bytea       NOT NULL PRIMARY KEY,
    family_id         uuid        NOT NULL,
    client_id         text        NOT NULL,
    user_id           uuid        NOT NULL,
    request           jsonb       NOT NULL,
    created_at        timestamptz NOT NULL,
    used_at           timestamptz,
    expires_at        timestamptz NOT NULL,
    family_expires_at timestamptz NOT NULL -- however often it is refreshed
);
CREATE INDEX refresh_token_family ON authserver.refresh_token (family_id);
CREATE INDEX refresh_token_by_user ON authserver.refresh_token (user_id, client_id);
CREATE INDEX refresh_token_by_client ON authserver.refresh_token (client_id);
CREATE INDEX refresh_token_expiry ON authserver.refresh_token (expires_at);

-- Signing keys: next (published, not yet used) -> active (signs) -> retiring (still verifies) -> retired (private half gone).
CREATE TABLE authserver.signing_key (
    kid         text        NOT NULL PRIMARY KEY,
    algorithm   text        NOT NULL,
    state       text        NOT NULL CONSTRAINT signing_key_state CHECK (state IN ('next', 'active', 'retiring', 'retired')),
    public      jsonb       NOT NULL,
    sealed      bytea,                -- AES-256-GCM under a key derived from MSHUB_SECRET_KEYS
    created_at  timestamptz NOT NULL,
    activate_at timestamptz NOT NULL, -- when it begins, or began, to sign
    retire_at   timestamptz           -- when it may be forgotten; set once retiring
);
CREATE UNIQUE INDEX signing_key_active ON authserver.signing_key (state) WHERE state = 'active';
CREATE UNIQUE INDEX signing_key_next ON authserver.signing_key (state) WHERE state = 'next';

-- Access taken back: tokens of the subject issued up to then are refused. Rows outlive the longest access token.
CREATE TABLE authserver.revocation (
    kind text        NOT NULL CONSTRAINT revocation_kind CHECK (kind IN ('sid', 'sub', 'client', 'jti')),
    id   text        NOT NULL,
    time timestamptz NOT NULL,
    PRIMARY KEY (kind, id)
);
CREATE INDEX revocation_time ON authserver.revocation (time);
