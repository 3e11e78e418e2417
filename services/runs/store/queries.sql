-- name: InsertRun :one
-- No row if the key was used before.
INSERT INTO runs.run (id, organisation_id, process, title, actor, idempotency_key, input_hash, input, steps, retried_from,
                      key, priority, schedule, permissions, queued, keepers)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)
ON CONFLICT (organisation_id, process, idempotency_key) WHERE idempotency_key IS NOT NULL DO NOTHING
RETURNING created_at;

-- name: RunByKey :one
SELECT * FROM runs.run WHERE organisation_id = $1 AND process = $2 AND idempotency_key = $3;

-- name: GetRun :one
SELECT * FROM runs.run WHERE id = $1;

-- name: GetRunWithHead :one
-- Row and head in one snapshot: a run that has ended is never shown without its end.
SELECT sqlc.embed(r), h.seq, h.state, h.step, h.done, h.total, h.unit, h.build, h.parked
FROM runs.run r JOIN events.run_head h ON h.run = r.id WHERE r.id = $1;

-- name: SetLaunched :many
-- Of runs that have ended nobody asks any more, but those that were terminated may have been so before they were launched. As
-- mshub_system.
WITH noted AS (
    UPDATE runs.run SET launched_at = clock_timestamp() WHERE id = ANY(sqlc.arg(runs)::uuid[]) AND launched_at IS NULL AND ended_at IS NULL
)
SELECT r.id FROM runs.run r WHERE r.id = ANY(sqlc.arg(runs)::uuid[]) AND r.outcome = 'TERMINATED';

-- name: SetTitle :exec
UPDATE runs.run SET title = $2 WHERE id = $1;

-- name: EndRun :one
-- Once; but what was believed lost may report its end after all. Its slot falls free, and nothing is decided in it any more.
UPDATE runs.run
SET ended_at = clock_timestamp(), outcome = $2, result = $3, error = $4, queued = false,
    keepers = CASE WHEN $2 = 'LOST' THEN keepers ELSE '{}' END
WHERE id = $1 AND (ended_at IS NULL OR outcome = 'LOST')
RETURNING *;

-- name: LockQueued :many
-- A run that waits for a slot, held until the transaction ends: admission passes it by.
SELECT * FROM runs.run WHERE id = $1 AND queued FOR UPDATE;

-- name: Unlaunched :many
-- Accepted, but Temporal may not have heard of it. As mshub_system.
SELECT * FROM runs.run
WHERE launched_at IS NULL AND ended_at IS NULL AND NOT queued
  AND created_at < sqlc.arg(before)::timestamptz AND coalesce(admitted_at, created_at) < sqlc.arg(before)::timestamptz
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
-- Under four eyes the starter is among those who may not decide; of a machine client those too who know its secret.
INSERT INTO runs.task (id, organisation_id, run, process, step, item, title, description, state, assignee, form_schema, context, due_at,
                       call, quorum, four_eyes, excluded, approve_label, reject_label, files, form_message)
SELECT sqlc.arg(id), r.organisation_id, r.id, r.process, sqlc.arg(step), sqlc.arg(item), sqlc.arg(title), sqlc.arg(description),
       'OPEN', sqlc.arg(assignee), sqlc.narg(form_schema), sqlc.narg(context), sqlc.narg(due_at),
       sqlc.arg(call)::text, sqlc.arg(quorum), sqlc.arg(four_eyes)::boolean,
       CASE WHEN sqlc.arg(four_eyes)::boolean THEN array_append(sqlc.arg(excluded)::text[], r.actor) || r.keepers ELSE sqlc.arg(excluded)::text[] END,
       sqlc.arg(approve_label), sqlc.arg(reject_label), sqlc.arg(files)::text[], sqlc.arg(form_message)
FROM runs.run r WHERE r.id = sqlc.arg(run)
ON CONFLICT (run, step, item) DO NOTHING;

-- name: SupersedeTask :exec
-- After a reset the step asks anew: what it asked before makes way.
UPDATE runs.task t
SET item = (SELECT least(min(o.item), 0) - 1 FROM runs.task o WHERE o.run = t.run AND o.step = t.step),
    state = CASE WHEN t.state = 'OPEN' THEN 'WITHDRAWN' ELSE t.state END,
    version = t.version + 1, acknowledged_at = coalesce(t.acknowledged_at, clock_timestamp())
WHERE t.run = $1 AND t.step = $2 AND t.item = $3 AND (t.call <> sqlc.arg(call)::text OR t.call IS NULL AND t.state <> 'OPEN');

-- name: TaskOfStep :one
SELECT * FROM runs.task WHERE run = $1 AND step = $2 AND item = $3;

-- name: GetTask :one
SELECT * FROM runs.task WHERE id = $1;

-- name: LockTask :one
SELECT * FROM runs.task WHERE id = $1 FOR UPDATE;

-- name: SetClaim :one
UPDATE runs.task SET claimed_by = $2, version = version + 1 WHERE id = $1 RETURNING *;

-- name: Assign :one
-- Gives an open task to somebody else: delegated or taken back by a person, or escalated by the run.
UPDATE runs.task
SET assignee = sqlc.arg(assignee), delegated_by = sqlc.arg(delegated_by), delegated_from = sqlc.arg(delegated_from),
    escalated = sqlc.arg(escalated), claimed_by = '', version = version + 1
WHERE id = sqlc.arg(id) AND state = 'OPEN'
RETURNING *;

-- name: InsertVote :execrows
INSERT INTO runs.task_vote (task, organisation_id, actor, decision, reason) VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING;

-- name: Votes :many
SELECT * FROM runs.task_vote WHERE task = ANY(sqlc.arg(tasks)::uuid[]) ORDER BY task, voted_at;

-- name: KeepOpen :one
-- A vote that does not decide yet: others go on from a new version, and from the form that is filled in so far.
UPDATE runs.task SET claimed_by = '', form = coalesce(sqlc.narg(form), form), version = version + 1 WHERE id = $1 RETURNING *;

-- name: DecideTask :one
-- The row decides: whoever changes it from OPEN wins.
UPDATE runs.task
SET state = 'DECIDED', decision = sqlc.arg(decision), decided_by = sqlc.arg(decided_by), reason = sqlc.arg(reason),
    form = coalesce(sqlc.narg(form), form), decided_at = clock_timestamp(), version = version + 1
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
-- For the metrics: how many seconds ago the oldest run was accepted of which Temporal may not have heard; 0 = none for more
-- than the second that noting launches may take. As mshub_system.
SELECT coalesce(extract(epoch FROM clock_timestamp() - min(created_at)), 0)::float8 AS seconds
FROM runs.run WHERE launched_at IS NULL AND ended_at IS NULL AND NOT queued AND created_at < clock_timestamp() - interval '1 second';

-- name: OpenRuns :many
-- Runs that have not ended, oldest first: what a new workflow engine would have to go on with. As mshub_system.
SELECT id FROM runs.run WHERE ended_at IS NULL ORDER BY id LIMIT 1000;

-- name: OpenOf :many
-- For a singleton: the organisation's open run of the process.
SELECT id FROM runs.run WHERE organisation_id = mshub.org() AND process = $1 AND ended_at IS NULL AND id <> $2 ORDER BY id LIMIT 1;

-- name: LockAdmission :exec
-- One admission at a time of one process, until the transaction ends.
SELECT pg_advisory_xact_lock(hashtextextended('runs/admission/' || sqlc.arg(process)::text, 0));

-- name: LockSingleton :exec
SELECT pg_advisory_xact_lock(hashtextextended('runs/singleton/' || sqlc.arg(process)::text || mshub.org()::text, 0));

-- name: LockRetry :exec
-- One retry at a time of one run, until the transaction ends.
SELECT pg_advisory_xact_lock(hashtextextended('runs/retry/' || sqlc.arg(run)::uuid::text, 0));

-- name: OpenRetries :many
-- The open run that retries another one.
SELECT id FROM runs.run WHERE retried_from = $1 AND ended_at IS NULL AND id <> $2 LIMIT 1;

-- name: Held :one
-- How many slots of a process are taken, in the whole installation. As mshub_system.
SELECT count(*) FROM runs.run WHERE process = $1 AND ended_at IS NULL AND NOT queued;

-- name: NextInLine :one
-- Who gets the next slot: by priority; then the organisation that holds fewest; then the one admitted longest ago; then the
-- oldest run. Only organisations, and within them keys, that are below their own limits (0 = none). As mshub_system.
WITH RECURSIVE organisation AS (
    (SELECT q.organisation_id FROM runs.run q WHERE q.process = sqlc.arg(process) AND q.queued ORDER BY q.organisation_id LIMIT 1)
    UNION ALL
    SELECT (SELECT q.organisation_id FROM runs.run q
            WHERE q.process = sqlc.arg(process) AND q.queued AND q.organisation_id > o.organisation_id
            ORDER BY q.organisation_id LIMIT 1)
    FROM organisation o WHERE o.organisation_id IS NOT NULL
)
SELECT first.id
FROM organisation o
CROSS JOIN LATERAL (
    SELECT count(*) AS slots FROM runs.run s
    WHERE s.process = sqlc.arg(process) AND s.organisation_id = o.organisation_id AND s.ended_at IS NULL AND NOT s.queued
) held
CROSS JOIN LATERAL (
    SELECT q.id, q.priority FROM runs.run q
    WHERE q.process = sqlc.arg(process) AND q.organisation_id = o.organisation_id AND q.queued
      AND (sqlc.arg(key_limit)::bigint = 0 OR q.key IS NULL OR sqlc.arg(key_limit)::bigint > (
          SELECT count(*) FROM runs.run k
          WHERE k.process = sqlc.arg(process) AND k.organisation_id = o.organisation_id AND k.key = q.key AND k.ended_at IS NULL AND NOT k.queued))
    ORDER BY q.priority, q.id LIMIT 1
) first
LEFT JOIN LATERAL (
    SELECT a.admitted_at FROM runs.run a
    WHERE a.process = sqlc.arg(process) AND a.organisation_id = o.organisation_id AND a.admitted_at IS NOT NULL
    ORDER BY a.admitted_at DESC LIMIT 1
) last ON true
WHERE sqlc.arg(organisation_limit)::bigint = 0 OR held.slots < sqlc.arg(organisation_limit)::bigint
ORDER BY first.priority, held.slots, last.admitted_at NULLS FIRST, first.id
LIMIT 1;

-- name: Admit :many
-- Gives a queued run its slot; nothing if it was cancelled meanwhile. As mshub_system.
UPDATE runs.run SET queued = false, admitted_at = clock_timestamp() WHERE id = $1 AND queued RETURNING *;

-- name: QueuedProcesses :many
-- Processes in which somebody waits. As mshub_system.
WITH RECURSIVE process AS (
    (SELECT q.process FROM runs.run q WHERE q.queued ORDER BY q.process LIMIT 1)
    UNION ALL
    SELECT (SELECT q.process FROM runs.run q WHERE q.queued AND q.process > p.process ORDER BY q.process LIMIT 1)
    FROM process p WHERE p.process IS NOT NULL
)
SELECT p.process::text AS process FROM process p WHERE p.process IS NOT NULL;

-- name: QueuePositions :many
-- Places in the organisation's own line of each process: organisations take turns, so others' lines do not count.
SELECT p.id, p.place FROM (
    SELECT q.id, row_number() OVER (PARTITION BY q.process ORDER BY q.priority, q.id) AS place
    FROM runs.run q WHERE q.organisation_id = mshub.org() AND q.queued AND q.process = ANY(sqlc.arg(processes)::text[])
) p WHERE p.id = ANY(sqlc.arg(runs)::uuid[]);

-- name: SetPriority :execrows
UPDATE runs.run SET priority = $2 WHERE id = $1 AND queued;

-- name: OpenByBuild :many
SELECT h.build, r.process, count(*) AS runs
FROM runs.run r JOIN events.run_head h ON h.run = r.id
WHERE r.organisation_id = mshub.org() AND r.ended_at IS NULL GROUP BY h.build, r.process ORDER BY h.build, r.process;

-- name: LoadOf :many
-- The organisation's open runs of the processes, with a slot and without.
SELECT r.process, count(*) FILTER (WHERE NOT r.queued) AS running, count(*) FILTER (WHERE r.queued) AS queued
FROM runs.run r WHERE r.organisation_id = mshub.org() AND r.ended_at IS NULL AND r.process = ANY(sqlc.arg(processes)::text[])
GROUP BY r.process;

-- name: InsertSubjects :exec
INSERT INTO runs.run_subject (organisation_id, run, subject)
SELECT r.organisation_id, r.id, unnest(sqlc.arg(subjects)::text[]) FROM runs.run r WHERE r.id = sqlc.arg(run)
ON CONFLICT DO NOTHING;

-- name: InsertSchedule :execrows
INSERT INTO runs.schedule (uid, organisation_id, id, title, process, input, cron, time_zone, overlap, catchup_seconds, actor, permissions,
                           created_at, updated_at, next_at, keepers)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $13, $14, $15)
ON CONFLICT (organisation_id, id) DO NOTHING;

-- name: KeepOwnSchedules :exec
-- A process's own schedule in each of the organisations, as the definition has it now; a pause stays.
INSERT INTO runs.schedule AS s (uid, organisation_id, id, title, process, input, cron, time_zone, overlap, catchup_seconds, actor, permissions,
                                created_at, updated_at, next_at)
SELECT gen_random_uuid(), o, sqlc.arg(process), sqlc.arg(title), sqlc.arg(process), '{}', sqlc.arg(cron), sqlc.arg(time_zone), 'SKIP',
       sqlc.arg(catchup_seconds), 'processes/' || sqlc.arg(process), sqlc.arg(permissions)::text[],
       sqlc.arg(now)::timestamptz, sqlc.arg(now)::timestamptz, sqlc.arg(next_at)
FROM unnest(sqlc.arg(organisations)::uuid[]) AS o
ON CONFLICT (organisation_id, id) DO UPDATE
SET title = excluded.title, cron = excluded.cron, time_zone = excluded.time_zone, permissions = excluded.permissions,
    updated_at = excluded.updated_at, next_at = CASE WHEN s.paused THEN NULL ELSE excluded.next_at END
WHERE s.actor = excluded.actor AND (s.title, s.cron, s.time_zone) IS DISTINCT FROM (excluded.title, excluded.cron, excluded.time_zone);

-- name: DropOwnSchedules :exec
-- Of processes that have none (any more). As mshub_system.
DELETE FROM runs.schedule WHERE actor LIKE 'processes/%' AND NOT process = ANY(sqlc.arg(kept)::text[]);

-- name: CountSchedules :one
-- The organisation's, beside those that the house keeps.
SELECT count(*) FROM runs.schedule WHERE organisation_id = mshub.org() AND actor NOT LIKE 'processes/%';

-- name: GetSchedule :one
SELECT * FROM runs.schedule WHERE organisation_id = mshub.org() AND id = $1;

-- name: LockSchedule :one
SELECT * FROM runs.schedule WHERE organisation_id = mshub.org() AND id = $1 FOR UPDATE;

-- name: ListSchedules :many
SELECT * FROM runs.schedule WHERE organisation_id = mshub.org() AND id > $1 ORDER BY id LIMIT $2;

-- name: UpdateSchedule :one
UPDATE runs.schedule
SET title = $2, input = $3, cron = $4, time_zone = $5, overlap = $6, catchup_seconds = $7, actor = $8, permissions = $9,
    updated_at = $10, next_at = $11, keepers = $12
WHERE uid = $1 RETURNING *;

-- name: SetSchedulePaused :one
UPDATE runs.schedule SET paused = $2, pause_reason = $3, next_at = $4, buffered_at = NULL, updated_at = $5 WHERE uid = $1 RETURNING *;

-- name: DeleteSchedule :exec
DELETE FROM runs.schedule WHERE uid = $1;

-- name: RecentRuns :many
SELECT id FROM runs.run WHERE organisation_id = mshub.org() AND schedule = $1 ORDER BY id DESC LIMIT 10;

-- name: OpenRunsOfSchedule :many
SELECT id FROM runs.run WHERE organisation_id = mshub.org() AND schedule = $1 AND ended_at IS NULL ORDER BY id;

-- name: DueSchedules :many
-- Whose time has come, or whose buffered time may begin. Organisations take turns: first one of each, then the second of each.
-- As mshub_system.
SELECT d.organisation_id, d.id FROM (
    SELECT s.organisation_id, s.id, least(s.next_at, s.buffered_at) AS due_at,
           row_number() OVER (PARTITION BY s.organisation_id ORDER BY least(s.next_at, s.buffered_at), s.id) AS turn
    FROM runs.schedule s
    WHERE s.next_at <= sqlc.arg(now)::timestamptz
       OR s.buffered_at IS NOT NULL AND NOT EXISTS (
          SELECT 1 FROM runs.run r WHERE r.organisation_id = s.organisation_id AND r.schedule = s.id AND r.ended_at IS NULL)
) d
ORDER BY d.turn, d.due_at LIMIT sqlc.arg(most);

-- name: MoveSchedule :exec
UPDATE runs.schedule SET next_at = $2, buffered_at = $3, skipped = skipped + sqlc.arg(passed)::bigint WHERE uid = $1;

-- name: ActiveOrganisations :many
-- Organisations that have runs. As mshub_system.
WITH RECURSIVE organisation AS (
    (SELECT r.organisation_id FROM runs.run r ORDER BY r.organisation_id LIMIT 1)
    UNION ALL
    SELECT (SELECT r.organisation_id FROM runs.run r WHERE r.organisation_id > o.organisation_id ORDER BY r.organisation_id LIMIT 1)
    FROM organisation o WHERE o.organisation_id IS NOT NULL
)
SELECT o.organisation_id::uuid AS organisation_id FROM organisation o WHERE o.organisation_id IS NOT NULL;

-- name: ReserveRate :one
-- Takes the next place in a line (GCRA) and says how many milliseconds it is away. One statement: places are never given twice.
INSERT INTO runs.rate AS r (organisation_id, name, next_at)
VALUES (mshub.org(), sqlc.arg(name), clock_timestamp() + sqlc.arg(spacing)::float8 * interval '1 second')
ON CONFLICT (organisation_id, name) DO UPDATE
SET next_at = greatest(r.next_at, clock_timestamp()) + sqlc.arg(spacing)::float8 * interval '1 second'
RETURNING (greatest(extract(epoch FROM next_at - clock_timestamp()) - sqlc.arg(spacing)::float8 * (1 + sqlc.arg(beyond)::float8), 0) * 1000)::float8 AS wait;

-- name: InsertBulk :execrows
INSERT INTO runs.bulk (run, organisation_id, command, reason, dry_run, runs, batches) VALUES ($1, $2, $3, $4, $5, 0, 0) ON CONFLICT DO NOTHING;

-- name: SetBulkSize :exec
UPDATE runs.bulk SET runs = $2, batches = $3 WHERE run = $1;

-- name: GetBulk :one
SELECT * FROM runs.bulk WHERE run = $1;

-- name: BulkBatch :many
SELECT * FROM runs.bulk_item WHERE bulk = $1 AND batch = $2 ORDER BY target;

-- name: BeginBulkItems :exec
UPDATE runs.bulk_item SET state = 'BEGUN' WHERE bulk = $1 AND batch = $2 AND state = 'PLANNED';

-- name: EndBulkItem :exec
UPDATE runs.bulk_item SET state = $4, reason = $5, message = $6 WHERE bulk = $1 AND batch = $2 AND target = $3;

-- name: CountBulk :one
SELECT count(*) FILTER (WHERE state = 'DONE') AS done, count(*) FILTER (WHERE state = 'FAILED') AS failed FROM runs.bulk_item WHERE bulk = $1;

-- name: BulkFailures :many
SELECT target, reason, message FROM runs.bulk_item WHERE bulk = $1 AND state = 'FAILED' ORDER BY batch, target;

-- name: SummariseTasks :many
SELECT id, title, process, assignee, due_at, created_at FROM runs.task
WHERE organisation_id = mshub.org() AND state = 'OPEN' ORDER BY due_at NULLS LAST, id LIMIT $1;

-- name: CountOpenTasks :one
SELECT count(*) FROM runs.task WHERE organisation_id = mshub.org() AND state = 'OPEN';

-- name: SummariseFailures :many
SELECT id, title, process, actor, ended_at, error FROM runs.run
WHERE organisation_id = mshub.org() AND outcome IN ('FAILED', 'TIMED_OUT', 'LOST') AND ended_at >= sqlc.arg(since)::timestamptz
ORDER BY ended_at DESC LIMIT sqlc.arg(most);

-- name: CountFailures :one
SELECT count(*) FROM runs.run
WHERE organisation_id = mshub.org() AND outcome IN ('FAILED', 'TIMED_OUT', 'LOST') AND ended_at >= sqlc.arg(since)::timestamptz;

-- name: RunsAbout :many
-- Runs that concern one of the subjects, the calling one left out.
SELECT DISTINCT r.id, (r.ended_at IS NOT NULL)::boolean AS ended FROM runs.run_subject s JOIN runs.run r ON r.id = s.run
WHERE s.organisation_id = mshub.org() AND s.subject = ANY(sqlc.arg(subjects)::text[]) AND r.id <> sqlc.arg(caller)
ORDER BY r.id;

-- name: BlankRuns :exec
-- What remains is a tombstone: that there was such a run, when, and how it ended.
UPDATE runs.run
SET title = 'erased', input = '{}', input_hash = '', result = NULL, key = NULL,
    error = CASE WHEN error IS NULL THEN NULL ELSE (error - 'message') || '{"message": "erased"}' END,
    idempotency_key = CASE WHEN idempotency_key IS NULL THEN NULL ELSE 'erased/' || id END
WHERE id = ANY(sqlc.arg(runs)::uuid[]);

-- name: BlankTasks :execrows
UPDATE runs.task
SET title = 'erased', description = '', reason = '', form = NULL, context = NULL, files = '{}'
WHERE run = ANY(sqlc.arg(runs)::uuid[]);

-- name: BlankVotes :exec
UPDATE runs.task_vote v SET reason = '' FROM runs.task t WHERE t.id = v.task AND t.run = ANY(sqlc.arg(runs)::uuid[]);

-- name: CountTasksOf :one
SELECT count(*) FROM runs.task WHERE run = ANY(sqlc.arg(runs)::uuid[]);

-- name: DropSubjects :exec
-- A blanked run concerns nobody any more.
DELETE FROM runs.run_subject WHERE run = ANY(sqlc.arg(runs)::uuid[]);

-- name: HideAddress :exec
-- The run that erases does not keep the address that it was started with.
WITH dropped AS (DELETE FROM runs.run_subject s WHERE s.run = sqlc.arg(run) AND s.subject = sqlc.arg(address)::text)
UPDATE runs.run r
SET input = regexp_replace(r.input::text, sqlc.arg(pattern)::text, sqlc.arg(nobody)::text, 'gi')::jsonb,
    key = regexp_replace(r.key, sqlc.arg(pattern)::text, sqlc.arg(nobody)::text, 'gi')
WHERE r.id = sqlc.arg(run);

-- name: RunsBy :many
-- Ended runs in which the person acted: started them, alone or behind a client, or decided their tasks.
SELECT r.id FROM runs.run r WHERE r.organisation_id = mshub.org() AND r.actor = sqlc.arg(actor) AND r.ended_at IS NOT NULL
UNION
SELECT t.run FROM runs.task_vote v JOIN runs.task t ON t.id = v.task JOIN runs.run r ON r.id = t.run
WHERE v.organisation_id = mshub.org() AND v.actor = sqlc.arg(actor) AND r.ended_at IS NOT NULL
UNION
SELECT t.run FROM runs.task t JOIN runs.run r ON r.id = t.run
WHERE t.organisation_id = mshub.org() AND sqlc.arg(actor)::text = ANY (t.excluded) AND r.ended_at IS NOT NULL;

-- name: AnonymiseRuns :exec
UPDATE runs.run SET actor = sqlc.arg(nobody) WHERE organisation_id = mshub.org() AND actor = sqlc.arg(actor) AND ended_at IS NOT NULL;

-- name: AnonymiseTasks :exec
UPDATE runs.task
SET assignee = CASE WHEN assignee = sqlc.arg(actor) THEN sqlc.arg(nobody) ELSE assignee END,
    claimed_by = CASE WHEN claimed_by = sqlc.arg(actor) THEN sqlc.arg(nobody) ELSE claimed_by END,
    delegated_by = CASE WHEN delegated_by = sqlc.arg(actor) THEN sqlc.arg(nobody) ELSE delegated_by END,
    delegated_from = CASE WHEN delegated_from = sqlc.arg(actor) THEN sqlc.arg(nobody) ELSE delegated_from END,
    reason = CASE WHEN decided_by = sqlc.arg(actor) THEN '' ELSE reason END,
    decided_by = CASE WHEN decided_by = sqlc.arg(actor) THEN sqlc.arg(nobody) ELSE decided_by END,
    excluded = array_replace(excluded, sqlc.arg(actor)::text, sqlc.arg(nobody)::text)
WHERE run = ANY(sqlc.arg(runs)::uuid[]);

-- name: AnonymiseVotes :exec
UPDATE runs.task_vote v SET actor = sqlc.arg(nobody), reason = '' FROM runs.task t
WHERE t.id = v.task AND v.actor = sqlc.arg(actor) AND t.run = ANY(sqlc.arg(runs)::uuid[]);

-- name: AnonymiseSchedules :exec
-- A schedule whose maker is gone waits for somebody to answer for it.
UPDATE runs.schedule
SET actor = sqlc.arg(nobody), permissions = '{}', paused = true, pause_reason = 'its maker has left; change it to go on',
    next_at = NULL, buffered_at = NULL, updated_at = sqlc.arg(now)::timestamptz
WHERE organisation_id = mshub.org() AND actor = sqlc.arg(actor);

-- name: AnonymiseKeepers :exec
-- A client's schedule goes on without one of those who know its secret.
UPDATE runs.schedule SET keepers = array_replace(keepers, sqlc.arg(actor)::text, sqlc.arg(nobody)::text)
WHERE organisation_id = mshub.org() AND sqlc.arg(actor)::text = ANY (keepers);
