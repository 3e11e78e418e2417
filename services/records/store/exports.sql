-- Exports. What they read is in jsonb_export.go and mongo_export.go.

-- name: InsertExport :execrows
-- 0 rows: another call planned it first.
INSERT INTO records.export (organisation_id, id, dataset_id, shelf_id, filter, columns, format, compression, null_token, state, parts, rows, create_time)
VALUES (mshub.org(), @id, @dataset_id, @shelf_id, @filter, @columns, @format, @compression, @null_token, 'planned', @parts, @rows, @now)
ON CONFLICT DO NOTHING;

-- name: InsertExportParts :exec
INSERT INTO records.export_part (organisation_id, export_id, part, after, until)
SELECT mshub.org(), @export_id, unnest(@parts::integer[]), unnest(@afters::uuid[]), unnest(@untils::uuid[]);

-- name: Export :one
SELECT * FROM records.export WHERE organisation_id = mshub.org() AND id = @id;

-- name: HoldExport :one
-- Keeps the export in its state until the transaction ends.
SELECT state FROM records.export WHERE organisation_id = mshub.org() AND id = @id FOR SHARE;

-- name: ExportPart :one
SELECT * FROM records.export_part WHERE organisation_id = mshub.org() AND export_id = @export_id AND part = @part;

-- name: ExportParts :many
SELECT * FROM records.export_part WHERE organisation_id = mshub.org() AND export_id = @export_id ORDER BY part;

-- name: EndExportPart :exec
UPDATE records.export_part SET done = true, rows = @rows, bytes = @bytes, ambiguous = @ambiguous
WHERE organisation_id = mshub.org() AND export_id = @export_id AND part = @part;

-- name: NoteExportFile :exec
UPDATE records.export SET bytes = @bytes, sha256 = @sha256 WHERE organisation_id = mshub.org() AND id = @id;

-- name: EndExport :execrows
UPDATE records.export SET state = @state, end_time = @now WHERE organisation_id = mshub.org() AND id = @id AND state = 'planned';

-- name: OldExports :many
-- For housekeeping, across organisations.
SELECT organisation_id, id FROM records.export WHERE create_time < @before ORDER BY create_time LIMIT @batch;

-- name: DeleteExport :exec
DELETE FROM records.export WHERE organisation_id = mshub.org() AND id = @id;
