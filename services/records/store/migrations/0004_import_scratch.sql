-- Each planning of an import has a working copy of its own: one that comes late can't touch the copy that is used.

-- +goose Up
ALTER TABLE records.import ADD COLUMN scratch text NOT NULL DEFAULT ''; -- key of the blob; '' is organisation_id/id

-- +goose Down
ALTER TABLE records.import DROP COLUMN scratch;
