-- What came after webhooks, exports and bulk commands, in the same house.

INSERT INTO authserver.client (organisation_id, id, title, kind, redirect_uris, scopes, secret_hash, created_at, keepers) VALUES
    ('01930000-0000-7000-8000-00000000000a', '01930000-0000-7000-8000-000000000611', 'Planner', 'machine', '{}', '{runs:write}', '\x02', now(), '{users/01930000-0000-7000-8000-000000000101}');

INSERT INTO notify.idempotency VALUES ('01930000-0000-7000-8000-00000000000a', 'users/01930000-0000-7000-8000-000000000101', 'k', 'm', '\x01', '\x02', now() + interval '7 days');

INSERT INTO runs.schedule (uid, organisation_id, id, title, process, input, cron, time_zone, overlap, catchup_seconds, actor, permissions, created_at, updated_at, next_at, keepers) VALUES
    ('01930000-0000-7000-8000-000000000312', '01930000-0000-7000-8000-00000000000a', 'weekly', 'Weekly', 'recordimport', '{}', '0 2 * * 1', 'UTC', 'SKIP', 3600, 'clients/01930000-0000-7000-8000-000000000611', '{runs.write}', now(), now(), now() + interval '7 days', '{users/01930000-0000-7000-8000-000000000101}');
UPDATE runs.run SET keepers = '{users/01930000-0000-7000-8000-000000000101}' WHERE id = '01930000-0000-7000-8000-000000000202'; -- open
INSERT INTO runs.task (id, organisation_id, run, process, step, item, title, description, state, assignee, call, four_eyes, excluded, delegated_by, delegated_from) VALUES
    ('01930000-0000-7000-8000-000000000303', '01930000-0000-7000-8000-00000000000a', '01930000-0000-7000-8000-000000000201', 'onboarding', 'second-approval', 0, 'Raise the limit?', '', 'WITHDRAWN', 'users/01930000-0000-7000-8000-000000000102', 'c', true, '{users/01930000-0000-7000-8000-000000000101}', 'users/01930000-0000-7000-8000-000000000101', 'roles/approver');
