-- Webhooks: who asked to be told of what, and every telling.

-- +goose Up
CREATE TABLE notify.webhook (
    organisation_id  uuid        NOT NULL,
    id               uuid        NOT NULL, -- UUIDv7: the order of the list
    title            text        NOT NULL,
    url              text        NOT NULL,
    events           text[]      NOT NULL, -- kinds of facts, or "runs.run.*"
    state            text        NOT NULL CHECK (state IN ('ENABLED', 'DISABLED')),
    disabled_reason  text        NOT NULL DEFAULT '',
    secret           bytea       NOT NULL, -- sealed by the installation's keys: it must be read to sign
    old_secret       bytea,                -- signs too, until old_secret_until
    old_secret_until timestamptz,
    failing_since    timestamptz,          -- every attempt since has failed
    creator          text        NOT NULL,
    created_at       timestamptz NOT NULL,
    updated_at       timestamptz NOT NULL,
    PRIMARY KEY (organisation_id, id)
);
CALL mshub.protect('notify.webhook');

-- One fact for one webhook. The row decides: a run of `webhookdelivery` makes the attempts that it allows.
CREATE TABLE notify.delivery (
    organisation_id uuid        NOT NULL,
    id              uuid        NOT NULL, -- UUIDv7; the header webhook-id
    webhook         uuid        NOT NULL,
    fact            uuid,                 -- null: a ping
    event           text        NOT NULL,
    data            jsonb       NOT NULL,
    happened_at     timestamptz NOT NULL,
    state           text        NOT NULL CHECK (state IN ('PENDING', 'DELIVERED', 'FAILED')),
    attempts        integer     NOT NULL DEFAULT 0,
    last_status     integer     NOT NULL DEFAULT 0, -- 0 = no answer
    latency_ms      integer     NOT NULL DEFAULT 0,
    error           text        NOT NULL DEFAULT '',
    claimed_until   timestamptz,          -- an attempt is under way
    created_at      timestamptz NOT NULL,
    last_attempt_at timestamptz,
    next_attempt_at timestamptz,          -- null once it has ended
    PRIMARY KEY (organisation_id, id),
    UNIQUE (organisation_id, webhook, fact),
    FOREIGN KEY (organisation_id, webhook) REFERENCES notify.webhook ON DELETE CASCADE
);
CREATE INDEX delivery_of ON notify.delivery (organisation_id, webhook, id);
CREATE INDEX delivery_due ON notify.delivery (next_attempt_at) WHERE state = 'PENDING';
CREATE INDEX delivery_age ON notify.delivery (created_at);
CALL mshub.protect('notify.delivery');

-- +goose Down
DROP TABLE notify.delivery, notify.webhook;
