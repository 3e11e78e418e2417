-- Exports: a dataset becomes parts in scratch space, the parts become one file.

-- +goose Up

-- An export is a run's: it has the run's id. Its parts lie in the scratch bucket as organisation_id/id.export.PART while
-- the state is planned.
CREATE TABLE records.export (
    organisation_id uuid        NOT NULL,
    id              uuid        NOT NULL,
    dataset_id      uuid        NOT NULL,
    shelf_id        uuid        NOT NULL, -- where the documents lay when it was planned
    filter          text        NOT NULL,
    columns         text[]      NOT NULL, -- in the file's order
    format          text        NOT NULL CHECK (format IN ('CSV', 'NDJSON', 'PARQUET')),
    compression     text        NOT NULL CHECK (compression IN ('NONE', 'GZIP', 'ZSTD')),
    null_token      text        NOT NULL, -- CSV: what null is written as
    state           text        NOT NULL CHECK (state IN ('planned', 'finished', 'aborted')),
    parts           integer     NOT NULL,
    rows            bigint      NOT NULL, -- that the filter matched when it was planned
    bytes           bigint      NOT NULL DEFAULT 0,  -- of the file, once it is made
    sha256          text        NOT NULL DEFAULT '',
    create_time     timestamptz NOT NULL,
    end_time        timestamptz,
    PRIMARY KEY (organisation_id, id)
);
CREATE INDEX export_age ON records.export (create_time);
CALL mshub.protect('records.export');

-- A part is a range of record ids; once done it is the ledger of what its blob holds.
CREATE TABLE records.export_part (
    organisation_id uuid    NOT NULL,
    export_id       uuid    NOT NULL,
    part            integer NOT NULL, -- from 1
    after           uuid    NOT NULL, -- not in the part
    until           uuid    NOT NULL, -- in the part
    done            boolean NOT NULL DEFAULT false,
    rows            bigint  NOT NULL DEFAULT 0,
    bytes           bigint  NOT NULL DEFAULT 0, -- of the blob
    ambiguous       bigint  NOT NULL DEFAULT 0, -- cells of a CSV part that do not read back as they were
    PRIMARY KEY (organisation_id, export_id, part),
    FOREIGN KEY (organisation_id, export_id) REFERENCES records.export ON DELETE CASCADE
);
CALL mshub.protect('records.export_part');

-- +goose Down
DROP TABLE records.export_part, records.export;
