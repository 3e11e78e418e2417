-- Imports that replace, delete, and can be undone; rejects as records.

-- +goose Up

-- Where a dataset's documents lie. A REPLACE fills another shelf and then changes this.
ALTER TABLE records.dataset ADD COLUMN shelf_id uuid;
ALTER TABLE records.dataset NO FORCE ROW LEVEL SECURITY;
UPDATE records.dataset SET shelf_id = id;
ALTER TABLE records.dataset FORCE ROW LEVEL SECURITY;
ALTER TABLE records.dataset ALTER COLUMN shelf_id SET NOT NULL;

-- Shelves that no dataset has any more: housekeeping removes their documents, a while later for the sake of readers.
CREATE TABLE records.cleared_shelf (
    organisation_id uuid        NOT NULL,
    shelf_id        uuid        NOT NULL,
    clear_time      timestamptz NOT NULL,
    PRIMARY KEY (organisation_id, shelf_id)
);
CALL mshub.protect('records.cleared_shelf');

ALTER TABLE records.import
    ADD COLUMN shelf_id    uuid,                             -- where its documents go
    ADD COLUMN format      jsonb,                            -- as the door has it: given, and found out
    ADD COLUMN max_rejects bigint  NOT NULL DEFAULT 0,
    ADD COLUMN rejects_of  uuid,                             -- the import whose rejects it reads, in place of a source
    ADD COLUMN source_name text    NOT NULL DEFAULT '',
    ADD COLUMN source_size bigint  NOT NULL DEFAULT 0,       -- packed bytes
    ADD COLUMN source_tag  text    NOT NULL DEFAULT '',      -- ETag, or the time it was changed last
    ADD COLUMN undo        boolean NOT NULL DEFAULT false,   -- there may be rows in import_undo
    ADD COLUMN deleted     bigint  NOT NULL DEFAULT 0;       -- REPLACE: the records that were there
ALTER TABLE records.import NO FORCE ROW LEVEL SECURITY;
UPDATE records.import SET shelf_id = dataset_id,
    format = jsonb_build_object('kind', 'CSV', 'encoding', 'utf-8', 'quote', '"', 'delimiter', delimiter, 'nullTokens', coalesce(null_tokens, '{}'));
ALTER TABLE records.import FORCE ROW LEVEL SECURITY;
ALTER TABLE records.import ALTER COLUMN shelf_id SET NOT NULL, ALTER COLUMN format SET NOT NULL,
    DROP COLUMN delimiter, DROP COLUMN null_tokens,
    DROP CONSTRAINT import_mode_check, ADD CONSTRAINT import_mode_check CHECK (mode IN ('INSERT', 'UPSERT', 'REPLACE', 'DELETE')),
    DROP CONSTRAINT import_state_check, ADD CONSTRAINT import_state_check CHECK (state IN ('planned', 'finished', 'aborted', 'undoing', 'undone'));
DROP INDEX records.import_dataset;
CREATE INDEX import_dataset ON records.import (organisation_id, dataset_id) WHERE state IN ('planned', 'undoing');
CREATE UNIQUE INDEX import_replay ON records.import (organisation_id, rejects_of) WHERE state IN ('planned', 'undoing');
CREATE INDEX import_undone ON records.import (organisation_id, id) WHERE undo;

ALTER TABLE records.import_chunk
    ADD COLUMN deleted bigint NOT NULL DEFAULT 0,
    ADD COLUMN written timestamptz;                          -- the create_time of the documents it made

ALTER TABLE records.import_reject
    ADD COLUMN number    bigint,                             -- of the file, from 1 behind the header; it names the reject
    ADD COLUMN faults    jsonb,                              -- [{column, value, reason}]; value is cut to 200 characters
    ADD COLUMN cells     jsonb   NOT NULL DEFAULT '{}',      -- {column of the file: text}; null is left out
    ADD COLUMN corrected boolean NOT NULL DEFAULT false,
    ADD COLUMN replayed  boolean NOT NULL DEFAULT false;
ALTER TABLE records.import_reject NO FORCE ROW LEVEL SECURITY;
UPDATE records.import_reject SET number = line,
    faults = jsonb_build_array(jsonb_build_object('column', column_name, 'value', value, 'reason', reason));
ALTER TABLE records.import_reject FORCE ROW LEVEL SECURITY;
ALTER TABLE records.import_reject ALTER COLUMN number SET NOT NULL, ALTER COLUMN faults SET NOT NULL,
    DROP COLUMN column_name, DROP COLUMN value, DROP COLUMN reason,
    DROP CONSTRAINT import_reject_pkey, ADD PRIMARY KEY (organisation_id, import_id, number);

-- Documents as they were before an import changed or deleted them, while it is open (on the PostgreSQL store). New
-- documents need none: they are known by their time.
CREATE TABLE records.import_undo (
    organisation_id uuid        NOT NULL,
    import_id       uuid        NOT NULL,
    chunk           integer     NOT NULL,
    id              uuid        NOT NULL,
    revision        integer     NOT NULL,
    data            jsonb       NOT NULL,
    create_time     timestamptz NOT NULL,
    update_time     timestamptz NOT NULL,
    PRIMARY KEY (organisation_id, import_id, chunk, id)
);
CALL mshub.protect('records.import_undo');

-- +goose Down
DROP TABLE records.import_undo, records.cleared_shelf;
DELETE FROM records.import_reject;
ALTER TABLE records.import_reject ADD COLUMN column_name text NOT NULL, ADD COLUMN value text NOT NULL, ADD COLUMN reason text NOT NULL,
    DROP CONSTRAINT import_reject_pkey, DROP COLUMN number, DROP COLUMN faults, DROP COLUMN cells, DROP COLUMN corrected, DROP COLUMN replayed,
    ADD PRIMARY KEY (organisation_id, import_id, line);
ALTER TABLE records.import_chunk DROP COLUMN deleted, DROP COLUMN written;
DELETE FROM records.import WHERE mode IN ('REPLACE', 'DELETE') OR state IN ('undoing', 'undone');
DROP INDEX records.import_dataset, records.import_replay, records.import_undone;
ALTER TABLE records.import ADD COLUMN delimiter text NOT NULL DEFAULT ',', ADD COLUMN null_tokens text[],
    DROP COLUMN shelf_id, DROP COLUMN format, DROP COLUMN max_rejects, DROP COLUMN rejects_of, DROP COLUMN source_name,
    DROP COLUMN source_size, DROP COLUMN source_tag, DROP COLUMN undo, DROP COLUMN deleted;
CREATE INDEX import_dataset ON records.import (organisation_id, dataset_id) WHERE state = 'planned';
ALTER TABLE records.dataset DROP COLUMN shelf_id;
