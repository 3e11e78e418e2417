-- Decisions from before there were votes become votes: by them erasure finds where a person decided. And runs are filed under
-- an address that is their title, as new ones are.

-- +goose Up
-- No policy is for the owner, so the wall stands aside.
ALTER TABLE runs.task NO FORCE ROW LEVEL SECURITY;
ALTER TABLE runs.task_vote NO FORCE ROW LEVEL SECURITY;
INSERT INTO runs.task_vote (task, organisation_id, actor, decision, reason, voted_at)
SELECT t.id, t.organisation_id, t.decided_by, t.decision, t.reason, t.decided_at
FROM runs.task t WHERE t.state = 'DECIDED' AND t.decided_by <> '' AND t.decided_at IS NOT NULL
ON CONFLICT DO NOTHING;
ALTER TABLE runs.task_vote FORCE ROW LEVEL SECURITY;
ALTER TABLE runs.task FORCE ROW LEVEL SECURITY;

ALTER TABLE runs.run NO FORCE ROW LEVEL SECURITY;
ALTER TABLE runs.run_subject NO FORCE ROW LEVEL SECURITY;
INSERT INTO runs.run_subject (organisation_id, run, subject)
SELECT r.organisation_id, r.id, lower(btrim(r.title)) FROM runs.run r
WHERE btrim(r.title) ~* '^([^@[:space:]]+@[^@[:space:]]+|users/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})$' AND length(r.title) <= 254
ON CONFLICT DO NOTHING;
ALTER TABLE runs.run_subject FORCE ROW LEVEL SECURITY;
ALTER TABLE runs.run FORCE ROW LEVEL SECURITY;

-- +goose Down
-- Nothing: what was added is true of the older tables too.
SELECT 1;
