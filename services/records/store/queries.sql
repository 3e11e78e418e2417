-- Datasets and imports. Documents are in jsonb.go and mongo.go, where the shape of a query depends on the dataset.

-- name: InsertDataset :exec
INSERT INTO records.dataset (organisation_id, id, shelf_id, slug, title, schema, key, create_time, update_time)
VALUES (mshub.org(), @id, @shelf_id, @slug, @title, @schema, @key, @now, @now);

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

-- name: HoldShelf :exec
-- Until the transaction ends the dataset keeps its shelf.
SELECT pg_advisory_xact_lock_shared(hashtextextended(@dataset_id::text, 0));

-- name: LockShelf :exec
-- Waits for those who hold it.
SELECT pg_advisory_xact_lock(hashtextextended(@dataset_id::text, 0));

-- name: ShelfOf :one
SELECT shelf_id FROM records.dataset WHERE organisation_id = mshub.org() AND id = @id AND NOT deleting;

-- name: MoveDataset :exec
UPDATE records.dataset SET shelf_id = @shelf_id, update_time = @now WHERE organisation_id = mshub.org() AND id = @id;

-- name: ClearShelf :exec
INSERT INTO records.cleared_shelf (organisation_id, shelf_id, clear_time) VALUES (mshub.org(), @shelf_id, @clear_time) ON CONFLICT DO NOTHING;

-- name: ClearedShelves :many
-- For housekeeping, across organisations.
SELECT organisation_id, shelf_id FROM records.cleared_shelf WHERE clear_time <= @now ORDER BY clear_time LIMIT @batch;

-- name: ForgetShelf :exec
DELETE FROM records.cleared_shelf WHERE organisation_id = mshub.org() AND shelf_id = @shelf_id;

-- name: OpenImports :one
SELECT count(*) AS imports, count(*) FILTER (WHERE mode = 'REPLACE') AS replacing
FROM records.import WHERE organisation_id = mshub.org() AND dataset_id = @dataset_id AND id <> @besides AND state IN ('planned', 'undoing');

-- name: InsertImport :execrows
-- 0 rows: another call planned it first.
INSERT INTO records.import (organisation_id, id, dataset_id, shelf_id, mode, format, header, fresh, undo, max_rejects, rejects_of,
    source_name, source_size, source_tag, scratch, state, chunks, rows, create_time)
VALUES (mshub.org(), @id, @dataset_id, @shelf_id, @mode, @format, @header, @fresh, @undo, @max_rejects, @rejects_of,
    @source_name, @source_size, @source_tag, @scratch, 'planned', @chunks, @rows, @now)
ON CONFLICT (organisation_id, id) DO NOTHING;

-- name: InsertChunks :exec
INSERT INTO records.import_chunk (organisation_id, import_id, chunk, start, length, first_line, first_row, rows, duplicates)
SELECT mshub.org(), @import_id, unnest(@chunks::integer[]), unnest(@starts::bigint[]), unnest(@lengths::bigint[]),
    unnest(@first_lines::bigint[]), unnest(@first_rows::bigint[]), unnest(@rows::bigint[]), unnest(@duplicates::bytea[]);

-- name: ImportByID :one
SELECT * FROM records.import WHERE organisation_id = mshub.org() AND id = @id;

-- name: Chunk :one
SELECT * FROM records.import_chunk WHERE organisation_id = mshub.org() AND import_id = @import_id AND chunk = @chunk;

-- name: HoldImport :one
-- Until the transaction ends the import stays in its state.
SELECT state FROM records.import WHERE organisation_id = mshub.org() AND id = @id FOR SHARE;

-- name: LockChunk :one
SELECT done FROM records.import_chunk WHERE organisation_id = mshub.org() AND import_id = @import_id AND chunk = @chunk FOR UPDATE;

-- name: FinishChunk :exec
UPDATE records.import_chunk SET done = true, inserted = @inserted, updated = @updated, unchanged = @unchanged, rejected = @rejected, deleted = @deleted, written = now()
WHERE organisation_id = mshub.org() AND import_id = @import_id AND chunk = @chunk;

-- name: ChunkTotals :one
SELECT count(*) AS chunks, coalesce(sum(rows), 0)::bigint AS read, coalesce(sum(inserted), 0)::bigint AS inserted,
    coalesce(sum(updated), 0)::bigint AS updated, coalesce(sum(unchanged), 0)::bigint AS unchanged, coalesce(sum(rejected), 0)::bigint AS rejected,
    coalesce(sum(deleted), 0)::bigint AS deleted
FROM records.import_chunk WHERE organisation_id = mshub.org() AND import_id = @import_id AND done;

-- name: InsertRejects :exec
INSERT INTO records.import_reject (organisation_id, import_id, number, line, faults, cells)
SELECT mshub.org(), @import_id, unnest(@numbers::bigint[]), unnest(@lines::bigint[]), unnest(@faults::text[])::jsonb, unnest(@cells::text[])::jsonb;

-- name: Rejects :many
SELECT number, line, faults, cells, corrected, replayed FROM records.import_reject
WHERE organisation_id = mshub.org() AND import_id = @import_id AND number > @after AND (NOT replayed OR NOT @open::boolean) ORDER BY number LIMIT @page;

-- name: Reject :one
SELECT number, line, faults, cells, corrected, replayed FROM records.import_reject
WHERE organisation_id = mshub.org() AND import_id = @import_id AND number = @number;

-- name: CorrectReject :execrows
UPDATE records.import_reject SET cells = @cells, corrected = true
WHERE organisation_id = mshub.org() AND import_id = @import_id AND number = @number AND NOT replayed;

-- name: MarkReplayed :exec
UPDATE records.import_reject SET replayed = @replayed WHERE organisation_id = mshub.org() AND import_id = @import_id AND number = ANY(@numbers::bigint[]);

-- name: UndoInserts :exec
-- Documents that a chunk made and nobody has changed since.
DELETE FROM records.record r USING records.import_chunk c
WHERE c.organisation_id = mshub.org() AND c.import_id = @import_id AND c.chunk = @chunk AND c.done
    AND r.dataset_id = @shelf_id AND r.id = ANY(@ids::uuid[]) AND r.revision = 1 AND r.create_time = c.written;

-- name: UndoUpdates :exec
-- Documents that a chunk changed and nobody has changed since.
UPDATE records.record r SET data = u.data, revision = r.revision + 1, update_time = u.update_time FROM records.import_undo u
WHERE u.organisation_id = mshub.org() AND u.import_id = @import_id AND u.chunk = @chunk
    AND r.dataset_id = @shelf_id AND r.id = u.id AND r.revision = u.revision + 1;

-- name: UndoDeletes :exec
-- Documents that a chunk deleted and nobody has made anew since.
INSERT INTO records.record (organisation_id, dataset_id, id, revision, data, create_time, update_time)
SELECT mshub.org(), @shelf_id, u.id, u.revision + 1, u.data, u.create_time, u.update_time FROM records.import_undo u
WHERE u.organisation_id = mshub.org() AND u.import_id = @import_id AND u.chunk = @chunk
ON CONFLICT DO NOTHING;

-- name: ReopenChunk :exec
WITH undone AS (DELETE FROM records.import_undo u WHERE u.organisation_id = mshub.org() AND u.import_id = @import_id AND u.chunk = @chunk)
UPDATE records.import_chunk c SET done = false, inserted = 0, updated = 0, unchanged = 0, rejected = 0, deleted = 0
WHERE c.organisation_id = mshub.org() AND c.import_id = @import_id AND c.chunk = @chunk;

-- name: ForgetUndo :execrows
DELETE FROM records.import_undo u WHERE u.organisation_id = mshub.org() AND u.import_id = @import_id
    AND (u.chunk, u.id) IN (SELECT x.chunk, x.id FROM records.import_undo x WHERE x.organisation_id = mshub.org() AND x.import_id = @import_id LIMIT @batch);

-- name: EndImport :execrows
UPDATE records.import SET state = @state, deleted = @deleted, rejects_size = @rejects_size, rejects_sha256 = @rejects_sha256, end_time = @now
WHERE organisation_id = mshub.org() AND id = @id AND state = 'planned';

-- name: NoteRejects :exec
UPDATE records.import SET rejects_size = @size, rejects_sha256 = @sha256 WHERE organisation_id = mshub.org() AND id = @id AND state = 'finished';

-- name: BeginUndo :execrows
-- Waits for the chunks under way; none is written after it.
UPDATE records.import SET state = 'undoing' WHERE organisation_id = mshub.org() AND id = @id AND state = 'planned';

-- name: EndUndo :execrows
UPDATE records.import SET state = 'undone', undo = false, end_time = @now WHERE organisation_id = mshub.org() AND id = @id AND state = 'undoing';

-- name: ImportsWithUndo :many
-- For housekeeping, across organisations: imports that are over and hold old documents.
SELECT organisation_id, id FROM records.import WHERE undo AND state NOT IN ('planned', 'undoing') LIMIT @batch;

-- name: UndoForgotten :exec
UPDATE records.import SET undo = false WHERE organisation_id = mshub.org() AND id = @id;

-- name: OldImports :many
-- For housekeeping, across organisations.
SELECT organisation_id, id, shelf_id, mode, state FROM records.import WHERE create_time < @before ORDER BY create_time LIMIT @batch;

-- name: DeleteImport :exec
WITH chunks AS (DELETE FROM records.import_chunk c WHERE c.organisation_id = mshub.org() AND c.import_id = @id),
    rejects AS (DELETE FROM records.import_reject r WHERE r.organisation_id = mshub.org() AND r.import_id = @id),
    undo AS (DELETE FROM records.import_undo u WHERE u.organisation_id = mshub.org() AND u.import_id = @id)
DELETE FROM records.import i WHERE i.organisation_id = mshub.org() AND i.id = @id;

-- name: DeletingDatasets :many
-- For housekeeping, across organisations.
SELECT organisation_id, id, shelf_id FROM records.dataset WHERE deleting LIMIT @batch;

-- name: DeleteDatasetRow :exec
DELETE FROM records.dataset WHERE organisation_id = mshub.org() AND id = @id AND deleting;
