-- What was mailed: to whom, which template, when, and whether it left. Never the text, and never a link.

-- +goose Up
CREATE SCHEMA IF NOT EXISTS notify;

-- The organisation of zeros holds the installation's own mails (sign-up, reset), which no tenant sees.
CREATE TABLE notify.messages (
    organisation_id uuid        NOT NULL,
    id              uuid        NOT NULL, -- UUIDv7: the order of the list
    message_id      text        NOT NULL, -- the mail's Message-ID, made of the call's idempotency key
    request_hash    bytea       NOT NULL, -- so that another mail under the same key is refused
    template        text        NOT NULL,
    recipient       text        NOT NULL,
    run             uuid,
    state           text        NOT NULL CHECK (state IN ('SENDING', 'SENT', 'FAILED')),
    error           text        NOT NULL DEFAULT '',
    claimed_at      timestamptz NOT NULL, -- when the last attempt began
    created_at      timestamptz NOT NULL,
    sent_at         timestamptz,
    PRIMARY KEY (organisation_id, id),
    UNIQUE (organisation_id, message_id)
);
CREATE INDEX messages_age ON notify.messages (created_at);
CALL mshub.protect('notify.messages');

-- Whole mails, texts and links included, in place of a mail server: under `mshub up` alone. It is the machine's own post
-- box and has no tenant. Deleted after seven days.
CREATE TABLE notify.captured (
    id         uuid        PRIMARY KEY, -- UUIDv7
    message_id text        NOT NULL UNIQUE,
    sender     text        NOT NULL,
    recipient  text        NOT NULL,
    subject    text        NOT NULL,
    text       text        NOT NULL,
    html       text        NOT NULL,
    created_at timestamptz NOT NULL
);
CREATE INDEX captured_recipient ON notify.captured (lower(recipient), id);
