-- What a step has done, to be counted: once if all is well.

-- +goose Up
CREATE SCHEMA IF NOT EXISTS bench;
CREATE TABLE bench.effect (
    organisation_id uuid        NOT NULL,
    item            text        NOT NULL,
    time            timestamptz NOT NULL DEFAULT clock_timestamp()
);
CALL mshub.protect('bench.effect');
CALL mshub.idempotency('bench');

-- +goose Down
DROP SCHEMA bench CASCADE;
