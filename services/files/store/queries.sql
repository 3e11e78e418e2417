-- Queries of services/files. Every one runs behind the wall of its organisation, but Unfinished (housekeeping).

-- name: InsertFile :exec
INSERT INTO files.file (organisation_id, id, file_name, size, sha256, content_type, state, creator, create_time)
VALUES (@organisation_id, @id, @file_name, @size, @sha256, @content_type, 'uploading', @creator, @create_time);

-- name: File :one
SELECT * FROM files.file WHERE organisation_id = mshub.org() AND id = @id AND state <> 'deleting';

-- name: LockFile :one
SELECT * FROM files.file WHERE organisation_id = mshub.org() AND id = @id AND state <> 'deleting' FOR UPDATE;

-- name: Receive :execrows
UPDATE files.file SET received_size = @size, received_sha256 = @sha256, received_type = @content_type
WHERE organisation_id = mshub.org() AND id = @id AND state = 'uploading';

-- name: Complete :one
UPDATE files.file SET state = 'ready', size = @size, sha256 = @sha256, content_type = @content_type
WHERE organisation_id = mshub.org() AND id = @id
RETURNING *;

-- name: ListFiles :many
-- Newest first: ids are UUIDv7.
SELECT * FROM files.file
WHERE organisation_id = mshub.org() AND state = 'ready' AND (sqlc.narg(before)::uuid IS NULL OR id < sqlc.narg(before))
ORDER BY id DESC LIMIT @page;

-- name: MarkDeleting :execrows
UPDATE files.file SET state = 'deleting' WHERE organisation_id = mshub.org() AND id = @id AND state <> 'deleting';

-- name: DeleteRow :exec
DELETE FROM files.file WHERE organisation_id = @organisation_id AND id = @id AND state = 'deleting';

-- name: Unfinished :many
-- Uploads that nobody completed become files to delete; those are returned too. For housekeeping, across organisations.
UPDATE files.file f SET state = 'deleting'
FROM (
    SELECT u.organisation_id, u.id FROM files.file u
    WHERE u.state = 'deleting' OR (u.state = 'uploading' AND u.create_time < @before)
    ORDER BY u.create_time LIMIT @batch FOR UPDATE SKIP LOCKED) AS due
WHERE f.organisation_id = due.organisation_id AND f.id = due.id
RETURNING f.organisation_id, f.id;

-- name: CountFilesOf :one
SELECT count(*) AS files, coalesce(sum(size), 0)::bigint AS bytes FROM files.file
WHERE organisation_id = mshub.org() AND creator = @creator AND state <> 'deleting';

-- name: DeleteFilesOf :many
-- They become files to delete; housekeeping removes what is left of them.
UPDATE files.file SET state = 'deleting' WHERE organisation_id = mshub.org() AND creator = @creator AND state <> 'deleting' RETURNING id, size;

-- name: ForgetCreator :many
UPDATE files.file SET creator = 'erased' WHERE organisation_id = mshub.org() AND creator = @creator AND state <> 'deleting' RETURNING id, size;
