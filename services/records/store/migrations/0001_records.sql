-- Datasets, their records, and imports.

-- +goose Up
CREATE SCHEMA IF NOT EXISTS records;

CREATE TABLE records.dataset (
    organisation_id uuid        NOT NULL,
    id              uuid        NOT NULL, -- of its documents; a new dataset under an old slug has a new one
    slug            text        NOT NULL,
    title           text        NOT NULL,
    schema          jsonb       NOT NULL, -- JSON Schema, as the door has it
    key             text[]      NOT NULL,
    deleting        boolean     NOT NULL DEFAULT false, -- invisible; housekeeping removes its documents, then the row
    create_time     timestamptz NOT NULL,
    update_time     timestamptz NOT NULL,
    PRIMARY KEY (organisation_id, id)
);
CREATE UNIQUE INDEX dataset_slug ON records.dataset (organisation_id, slug) WHERE NOT deleting;
CALL mshub.protect('records.dataset');

-- The documents of all datasets: the one table of a tenant without row-level security, because COPY FROM, by which imports
-- write, refuses such tables. Privileges are its wall: mshub_app may only insert, and not say for whom (the organisation is
-- the transaction's, by default); whatever else it does goes through the view records.record, which shows and changes the
-- active organisation's rows alone. It is no security_barrier: the planner would then neither read it in the order of the
-- primary key nor stop at a page's end, and whoever could bring a leaking function into a query could as well say to be
-- another organisation. Filters of people are compiled from fixed operators, their literals travel as arguments.
CREATE TABLE records.document (
    organisation_id uuid        NOT NULL DEFAULT mshub.org(),
    dataset_id      uuid        NOT NULL,
    id              uuid        NOT NULL, -- from the key, else of the row or time; see schema.KeyID
    revision        integer     NOT NULL DEFAULT 1,
    data            jsonb       NOT NULL,
    create_time     timestamptz NOT NULL DEFAULT now(),
    update_time     timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (organisation_id, dataset_id, id)
);
REVOKE ALL ON records.document FROM mshub_app;
GRANT INSERT (dataset_id, id, data) ON records.document TO mshub_app;

CREATE VIEW records.record WITH (check_option = cascaded) AS
    SELECT organisation_id, dataset_id, id, revision, data, create_time, update_time
    FROM records.document WHERE organisation_id = mshub.org();

-- An import is a run's: it has the run's id. Its inflated source lies in the scratch bucket as organisation_id/id while
-- the state is planned.
CREATE TABLE records.import (
    organisation_id uuid        NOT NULL,
    id              uuid        NOT NULL,
    dataset_id      uuid        NOT NULL,
    mode            text        NOT NULL CHECK (mode IN ('INSERT', 'UPSERT')),
    delimiter       text        NOT NULL,
    null_tokens     text[],                   -- null: the default rule
    header          text[]      NOT NULL,     -- the file's columns, in its order
    fresh           boolean     NOT NULL,     -- the dataset had no record when the import was planned
    state           text        NOT NULL CHECK (state IN ('planned', 'finished', 'aborted')),
    chunks          integer     NOT NULL,
    rows            bigint      NOT NULL,
    rejects_size    bigint      NOT NULL DEFAULT 0,
    rejects_sha256  text        NOT NULL DEFAULT '',
    create_time     timestamptz NOT NULL,
    end_time        timestamptz,
    PRIMARY KEY (organisation_id, id)
);
CREATE INDEX import_dataset ON records.import (organisation_id, dataset_id) WHERE state = 'planned';
CREATE INDEX import_age ON records.import (create_time);
CALL mshub.protect('records.import');

-- A chunk is a range of the scratch blob; once done it is the ledger of what became of its rows (on the PostgreSQL store).
CREATE TABLE records.import_chunk (
    organisation_id uuid    NOT NULL,
    import_id       uuid    NOT NULL,
    chunk           integer NOT NULL, -- from 1
    start           bigint  NOT NULL, -- first byte
    length          bigint  NOT NULL, -- bytes
    first_line      bigint  NOT NULL, -- line of the file, from 1
    first_row       bigint  NOT NULL, -- row of the file, from 1 behind the header
    rows            bigint  NOT NULL,
    duplicates      bytea   NOT NULL, -- rows whose key stands further up; see duplicates.go
    done            boolean NOT NULL DEFAULT false,
    inserted        bigint  NOT NULL DEFAULT 0,
    updated         bigint  NOT NULL DEFAULT 0,
    unchanged       bigint  NOT NULL DEFAULT 0,
    rejected        bigint  NOT NULL DEFAULT 0,
    PRIMARY KEY (organisation_id, import_id, chunk)
);
CALL mshub.protect('records.import_chunk');

-- Rows that were not written, and why (on the PostgreSQL store).
CREATE TABLE records.import_reject (
    organisation_id uuid   NOT NULL,
    import_id       uuid   NOT NULL,
    line            bigint NOT NULL,
    column_name     text   NOT NULL, -- '' if the fault is not in one cell
    value           text   NOT NULL, -- cut to 200 characters
    reason          text   NOT NULL,
    PRIMARY KEY (organisation_id, import_id, line)
);
CALL mshub.protect('records.import_reject');

CALL mshub.idempotency('records');

-- +goose Down
DROP VIEW records.record;
DROP TABLE records.import_reject, records.import_chunk, records.import, records.document, records.dataset, records.idempotency;
