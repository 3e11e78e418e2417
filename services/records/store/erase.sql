-- Erasure of what imports refused.

-- name: RejectsNaming :many
-- Rejected rows behind a place that may name an address (in lower case), in any import.
SELECT import_id, number, line, faults, cells FROM records.import_reject
WHERE organisation_id = mshub.org() AND (import_id, number) > (@import_id::uuid, @number::bigint)
  AND (strpos(lower(cells::text), @email::text) > 0 OR strpos(lower(faults::text), @email::text) > 0)
ORDER BY import_id, number LIMIT @page;

-- name: BlankReject :exec
UPDATE records.import_reject SET cells = '{}', faults = @faults WHERE organisation_id = mshub.org() AND import_id = @import_id AND number = @number;
