-- Datasets and imports. Documents are in jsonb.go and mongo.go, where the shape of a query depends on the dataset.

-- name: InsertDataset :exec
INSERT INTO records.dataset (organisation_id, id, slug, title, schema, key, create_time, update_time)
VALUES (mshub.org(), @id, @slug, @title, @schema, @key, @now, @now);

-- name: Dataset :one
SELECT * FROM records.dataset WHERE organisation_id = mshub.org() AND slug = @slug AND NOT deleting;

-- name: DatasetByID :one
SELECT * FROM records.dataset WHERE organisation_id = mshub.org() AND id = @id AND NOT deleting;

-- name: LockDataset :one
SELECT * FROM records.dataset WHERE organisation_id = mshub.org() AND slug = @slug AND NOT deleting FOR UPDATE;

-- name: ListDatasets :many
SELECT * FROM records.dataset WHERE organisation_id = mshub.org() AND NOT deleting AND slug > @after ORDER BY slug LIMIT @page;

-- name: UpdateDataset :exec
UPDATE records.dataset SET title = @title, schema = @schema, update_time = @now WHERE organisation_id = mshub.org() AND id = @id;

-- name: MarkDatasetDeleting :exec
UPDATE records.dataset SET deleting = true WHERE organisation_id = mshub.org() AND id = @id;

-- name: OpenImports :one
SELECT count(*) FROM records.import WHERE organisation_id = mshub.org() AND dataset_id = @dataset_id AND state = 'planned';

-- name: InsertImport :execrows
-- 0 rows: another call planned it first.
INSERT INTO records.import (organisation_id, id, dataset_id, mode, delimiter, null_tokens, header, fresh, state, chunks, rows, create_time)
VALUES (mshub.org(), @id, @dataset_id, @mode, @delimiter, @null_tokens, @header, @fresh, 'planned', @chunks, @rows, @now)
ON CONFLICT DO NOTHING;

-- name: InsertChunks :exec
INSERT INTO records.import_chunk (organisation_id, import_id, chunk, start, length, first_line, first_row, rows, duplicates)
SELECT mshub.org(), @import_id, unnest(@chunks::integer[]), unnest(@starts::bigint[]), unnest(@lengths::bigint[]),
    unnest(@first_lines::bigint[]), unnest(@first_rows::bigint[]), unnest(@rows::bigint[]), unnest(@duplicates::bytea[]);

-- name: ImportByID :one
SELECT * FROM records.import WHERE organisation_id = mshub.org() AND id = @id;

-- name: Chunk :one
SELECT * FROM records.import_chunk WHERE organisation_id = mshub.org() AND import_id = @import_id AND chunk = @chunk;

-- name: LockChunk :one
SELECT done FROM records.import_chunk WHERE organisation_id = mshub.org() AND import_id = @import_id AND chunk = @chunk FOR UPDATE;

-- name: FinishChunk :exec
UPDATE records.import_chunk SET done = true, inserted = @inserted, updated = @updated, unchanged = @unchanged, rejected = @rejected
WHERE organisation_id = mshub.org() AND import_id = @import_id AND chunk = @chunk;

-- name: ChunkTotals :one
SELECT count(*) AS chunks, coalesce(sum(rows), 0)::bigint AS read, coalesce(sum(inserted), 0)::bigint AS inserted,
    coalesce(sum(updated), 0)::bigint AS updated, coalesce(sum(unchanged), 0)::bigint AS unchanged, coalesce(sum(rejected), 0)::bigint AS rejected
FROM records.import_chunk WHERE organisation_id = mshub.org() AND import_id = @import_id AND done;

-- name: InsertRejects :exec
INSERT INTO records.import_reject (organisation_id, import_id, line, column_name, value, reason)
SELECT mshub.org(), @import_id, unnest(@lines::bigint[]), unnest(@columns::text[]), unnest(@values::text[]), unnest(@reasons::text[]);

-- name: Rejects :many
SELECT line, column_name, value, reason FROM records.import_reject
WHERE organisation_id = mshub.org() AND import_id = @import_id AND line > @after ORDER BY line LIMIT @page;

-- name: EndImport :execrows
UPDATE records.import SET state = @state, rejects_size = @rejects_size, rejects_sha256 = @rejects_sha256, end_time = @now
WHERE organisation_id = mshub.org() AND id = @id AND state = 'planned';

-- name: OldImports :many
-- For housekeeping, across organisations.
SELECT organisation_id, id FROM records.import WHERE create_time < @before ORDER BY create_time LIMIT @batch;

-- name: DeleteImport :exec
WITH chunks AS (DELETE FROM records.import_chunk c WHERE c.organisation_id = mshub.org() AND c.import_id = @id),
    rejects AS (DELETE FROM records.import_reject r WHERE r.organisation_id = mshub.org() AND r.import_id = @id)
DELETE FROM records.import i WHERE i.organisation_id = mshub.org() AND i.id = @id;

-- name: DeletingDatasets :many
-- For housekeeping, across organisations.
SELECT organisation_id, id FROM records.dataset WHERE deleting LIMIT @batch;

-- name: DeleteDatasetRow :exec
DELETE FROM records.dataset WHERE organisation_id = mshub.org() AND id = @id AND deleting;
