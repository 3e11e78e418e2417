-- +goose Up
CREATE SCHEMA IF NOT EXISTS files;

-- A file is a row here and a blob under the key organisation_id/id.
--   uploading: made by CreateUpload; the declared size and hash wait for the bytes. After a day housekeeping removes it.
--   ready:     the bytes are there; size, sha256 and content_type tell of them.
--   deleting:  nobody sees it any more; the row goes when the blob is gone.
CREATE TABLE files.file (
    organisation_id uuid        NOT NULL,
    id              uuid        NOT NULL,
    file_name       text        NOT NULL,
    size            bigint      NOT NULL DEFAULT 0,  -- bytes; while uploading what was declared, 0 = left open
    sha256          text        NOT NULL DEFAULT '', -- hex; while uploading what was declared, '' = left open
    content_type    text        NOT NULL DEFAULT '',
    state           text        NOT NULL CHECK (state IN ('uploading', 'ready', 'deleting')),
    received_size   bigint,                          -- of the bytes that came through our own link
    received_sha256 text,
    received_type   text,
    creator         text        NOT NULL,            -- users/ID, clients/ID or runs/ID
    create_time     timestamptz NOT NULL,
    PRIMARY KEY (organisation_id, id)
);
CREATE INDEX file_unfinished ON files.file (create_time) WHERE state <> 'ready';
CALL mshub.protect('files.file');
CALL mshub.idempotency('files');

-- +goose Down
DROP TABLE files.file;
DROP TABLE files.idempotency;
