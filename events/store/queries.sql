-- name: AppendEvent :one
-- Last in its transaction, one run a transaction: it holds the run's head until the commit.
SELECT place::bigint AS seq, fresh::boolean AS fresh
FROM events.append(
    sqlc.arg(organisation_id), sqlc.arg(run), sqlc.arg(event_id), sqlc.arg(progress_id), sqlc.arg(event)::jsonb,
    sqlc.arg(state), sqlc.arg(soft), sqlc.arg(done), sqlc.arg(total), sqlc.arg(unit));

-- name: ReadEvents :many
SELECT seq, payload FROM events.run_event WHERE run = $1 AND seq > $2 ORDER BY seq LIMIT $3;

-- name: RunHead :one
SELECT run, organisation_id, seq, state, step, done, total, unit, build, parked, updated_at FROM events.run_head WHERE run = $1;

-- name: RunTops :many
-- Where the journals of the watched runs end, across organisations. As mshub_system.
SELECT run, seq FROM events.run_head WHERE run = ANY(sqlc.arg(runs)::uuid[]);

-- name: DeleteRuns :execrows
-- The journal goes with the run (retention, erasure). As mshub_system.
DELETE FROM events.run_head WHERE run = ANY(sqlc.arg(runs)::uuid[]);

-- name: InsertFact :exec
INSERT INTO events.fact (id, organisation_id, kind, run, payload, fanned_at)
VALUES (sqlc.arg(id), mshub.org(), sqlc.arg(kind), sqlc.arg(run), sqlc.arg(payload), CASE WHEN sqlc.arg(inside)::boolean THEN clock_timestamp() END);

-- name: ClaimFacts :many
-- Due facts, the oldest first, passing by what another node holds. A fact that nobody finishes comes back: after half a
-- minute, then twice as long each time, at most an hour.
UPDATE events.fact f
SET attempts = attempts + 1,
    next_attempt_at = clock_timestamp() + least(interval '30 seconds' * (2 ^ least(attempts, 10)), interval '1 hour')
WHERE id IN (
    SELECT due.id FROM events.fact due
    WHERE due.processed_at IS NULL AND due.next_attempt_at <= clock_timestamp()
    ORDER BY due.id LIMIT $1
    FOR UPDATE SKIP LOCKED)
RETURNING id, organisation_id, kind, run, payload, created_at, attempts;

-- name: FinishFact :exec
UPDATE events.fact SET processed_at = clock_timestamp(), failure = '' WHERE id = $1;

-- name: FinishFacts :exec
UPDATE events.fact SET processed_at = clock_timestamp(), failure = '' WHERE id = ANY(sqlc.arg(ids)::uuid[]);

-- name: FailFact :exec
UPDATE events.fact SET failure = $2 WHERE id = $1;

-- name: ForgetFacts :execrows
-- As mshub_system.
DELETE FROM events.fact WHERE id IN (SELECT old.id FROM events.fact old WHERE old.processed_at < $1 AND old.fanned_at IS NOT NULL LIMIT $2);

-- name: UntoldFacts :many
-- Facts that no webhook was told of, the oldest first, passing by what another node holds. As mshub_system.
SELECT id, organisation_id, kind, run, payload, created_at FROM events.fact
WHERE fanned_at IS NULL ORDER BY id LIMIT $1 FOR UPDATE SKIP LOCKED;

-- name: ToldFacts :exec
UPDATE events.fact SET fanned_at = clock_timestamp() WHERE id = ANY(sqlc.arg(ids)::uuid[]);

-- name: BlankFacts :execrows
-- Erasure: told facts whose payload names one of the words.
UPDATE events.fact SET payload = '{}'
WHERE organisation_id = mshub.org() AND processed_at IS NOT NULL AND fanned_at IS NOT NULL
  AND EXISTS (SELECT FROM unnest(sqlc.arg(words)::text[]) AS w (word) WHERE position(lower(w.word) IN lower(payload::text)) > 0);

-- name: BlankEvents :execrows
-- Erasure: what happened stays, what people said about it goes.
UPDATE events.run_event SET payload = payload - 'message' - 'actor'
WHERE run = ANY(sqlc.arg(runs)::uuid[]) AND (payload -> 'message' IS NOT NULL OR payload -> 'actor' IS NOT NULL);

-- name: CountEvents :one
SELECT count(*) FROM events.run_event
WHERE run = ANY(sqlc.arg(runs)::uuid[]) AND (payload -> 'message' IS NOT NULL OR payload -> 'actor' IS NOT NULL);

-- name: AnonymiseEvents :execrows
-- Erasure: what somebody did stays, who it was and why goes.
UPDATE events.run_event SET payload = (payload - 'message') || jsonb_build_object('actor', sqlc.arg(nobody)::text)
WHERE run = ANY(sqlc.arg(runs)::uuid[]) AND payload ->> 'actor' = sqlc.arg(actor)::text;
