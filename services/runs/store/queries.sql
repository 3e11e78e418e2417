-- name: InsertRun :execrows
INSERT INTO runs.run (id, organisation_id, process, title, actor, idempotency_key, input_hash, input, steps, retried_from)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
ON CONFLICT (organisation_id, process, idempotency_key) WHERE idempotency_key IS NOT NULL DO NOTHING;

-- name: RunByKey :one
SELECT * FROM runs.run WHERE organisation_id = $1 AND process = $2 AND idempotency_key = $3;

-- name: GetRun :one
SELECT * FROM runs.run WHERE id = $1;

-- name: GetRunWithHead :one
-- Row and head in one snapshot: a run that has ended is never shown without its end.
SELECT sqlc.embed(r), h.seq, h.state, h.step, h.done, h.total, h.unit
FROM runs.run r JOIN events.run_head h ON h.run = r.id WHERE r.id = $1;

-- name: SetLaunched :exec
UPDATE runs.run SET launched_at = clock_timestamp() WHERE id = $1 AND launched_at IS NULL;

-- name: SetTitle :exec
UPDATE runs.run SET title = $2 WHERE id = $1;

-- name: EndRun :execrows
-- Once; but what was believed lost may report its end after all.
UPDATE runs.run SET ended_at = clock_timestamp(), outcome = $2, result = $3, error = $4
WHERE id = $1 AND (ended_at IS NULL OR outcome = 'LOST');

-- name: Unlaunched :many
-- Accepted, but Temporal may not have heard of it. As mshub_system.
SELECT * FROM runs.run
WHERE launched_at IS NULL AND ended_at IS NULL AND created_at < sqlc.arg(before)::timestamptz
ORDER BY created_at LIMIT sqlc.arg(most);

-- name: Silent :many
-- Open runs without a word for a while, not asked about for as long. As mshub_system; the one cross-schema read.
SELECT r.id, r.organisation_id FROM runs.run r JOIN events.run_head h ON h.run = r.id
WHERE r.ended_at IS NULL AND r.launched_at IS NOT NULL
  AND greatest(h.updated_at, r.launched_at, r.checked_at) < sqlc.arg(before)::timestamptz
ORDER BY r.id LIMIT sqlc.arg(most);

-- name: SetChecked :exec
UPDATE runs.run SET checked_at = clock_timestamp() WHERE id = $1;

-- name: Forgettable :many
-- Runs that ended long ago. As mshub_system.
SELECT id FROM runs.run WHERE ended_at < sqlc.arg(before)::timestamptz ORDER BY ended_at LIMIT sqlc.arg(most);

-- name: DeleteRuns :exec
DELETE FROM runs.run WHERE id = ANY(sqlc.arg(runs)::uuid[]);

-- name: InsertTask :execrows
INSERT INTO runs.task (id, organisation_id, run, process, step, item, title, description, state, assignee, form_schema, context, due_at)
SELECT sqlc.arg(id), r.organisation_id, r.id, r.process, sqlc.arg(step), sqlc.arg(item), sqlc.arg(title), sqlc.arg(description),
       'OPEN', sqlc.arg(assignee), sqlc.narg(form_schema), sqlc.narg(context), sqlc.narg(due_at)
FROM runs.run r WHERE r.id = sqlc.arg(run)
ON CONFLICT (run, step, item) DO NOTHING;

-- name: TaskOfStep :one
SELECT * FROM runs.task WHERE run = $1 AND step = $2 AND item = $3;

-- name: GetTask :one
SELECT * FROM runs.task WHERE id = $1;

-- name: LockTask :one
SELECT * FROM runs.task WHERE id = $1 FOR UPDATE;

-- name: SetClaim :one
UPDATE runs.task SET claimed_by = $2, version = version + 1 WHERE id = $1 RETURNING *;

-- name: DecideTask :one
-- The row decides: whoever changes it from OPEN wins.
UPDATE runs.task
SET state = 'DECIDED', decision = sqlc.arg(decision), decided_by = sqlc.arg(decided_by), reason = sqlc.arg(reason),
    form = sqlc.narg(form), decided_at = clock_timestamp(), version = version + 1
WHERE id = sqlc.arg(id) AND state = 'OPEN' AND version = sqlc.arg(version)
RETURNING *;

-- name: CloseTask :one
-- The deadline's or the cancel's conditional update: EXPIRED or WITHDRAWN, unless a decision was faster.
UPDATE runs.task
SET state = CASE WHEN state = 'OPEN' THEN sqlc.arg(state) ELSE state END,
    version = CASE WHEN state = 'OPEN' THEN version + 1 ELSE version END,
    acknowledged_at = coalesce(acknowledged_at, clock_timestamp())
WHERE id = sqlc.arg(id) AND run = sqlc.arg(run)
RETURNING *;

-- name: WithdrawTasks :many
-- What is still open when the run ends, and decisions that nobody waits for any more.
UPDATE runs.task
SET state = CASE WHEN state = 'OPEN' THEN 'WITHDRAWN' ELSE state END, version = version + 1, acknowledged_at = clock_timestamp()
WHERE run = $1 AND (state = 'OPEN' OR acknowledged_at IS NULL)
RETURNING *;

-- name: Untold :many
-- Decisions that their runs have not acknowledged. As mshub_system.
SELECT * FROM runs.task
WHERE state = 'DECIDED' AND acknowledged_at IS NULL AND decided_at < sqlc.arg(before)::timestamptz
ORDER BY decided_at LIMIT sqlc.arg(most);

-- name: CountOpen :many
-- For the metrics: open runs by state. As mshub_system.
SELECT h.state, count(*) AS runs FROM runs.run r JOIN events.run_head h ON h.run = r.id WHERE r.ended_at IS NULL GROUP BY h.state;

-- name: OldestUnlaunched :one
-- For the metrics: how many seconds ago the oldest run was accepted of which Temporal may not have heard; 0 = none. As mshub_system.
SELECT coalesce(extract(epoch FROM clock_timestamp() - min(created_at)), 0)::float8 AS seconds
FROM runs.run WHERE launched_at IS NULL AND ended_at IS NULL;

-- name: OpenRuns :many
-- Runs that have not ended, oldest first: what a new workflow engine would have to go on with. As mshub_system.
SELECT id FROM runs.run WHERE ended_at IS NULL ORDER BY id LIMIT 1000;
