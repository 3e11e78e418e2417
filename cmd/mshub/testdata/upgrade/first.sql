-- A database of the first migrations, as a house had filled it that was in the middle of its work: the upgrade test loads
-- it and migrates on. Every table has a row.

-- People: organisation A is the world's own, B stands for everybody else.
INSERT INTO identity.organisations VALUES
    ('01930000-0000-7000-8000-00000000000a', 'Northwind', now() - interval '40 days'),
    ('01930000-0000-7000-8000-00000000000b', 'Southwind', now() - interval '30 days');
INSERT INTO identity.users (id, email, email_norm, display_name, state, email_verified, invited_by, created_at, updated_at, signed_in_at) VALUES
    ('01930000-0000-7000-8000-000000000101', 'Ada@example.com', 'ada@example.com', 'Ada', 'ACTIVE', true, NULL, now() - interval '40 days', now(), now()),
    ('01930000-0000-7000-8000-000000000102', 'bob@example.com', 'bob@example.com', 'Bob', 'INVITED', false, '01930000-0000-7000-8000-000000000402', now(), now(), NULL),
    ('01930000-0000-7000-8000-000000000103', 'eve@example.com', 'eve@example.com', 'Eve', 'ACTIVE', true, NULL, now(), now(), NULL);
INSERT INTO identity.credentials VALUES
    ('01930000-0000-7000-8000-000000000101', 'password', '$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHRzYWx0c2FsdA$aGFzaGhhc2hoYXNoaGFzaGhhc2hoYXNoaGFzaGhhc2g', now());
INSERT INTO identity.sign_in_attempts VALUES ('\x01', '192.0.2.1', 2, now(), now() - interval '1 day');
INSERT INTO identity.belongings VALUES
    ('01930000-0000-7000-8000-000000000101', '01930000-0000-7000-8000-00000000000a', now(), now()),
    ('01930000-0000-7000-8000-000000000103', '01930000-0000-7000-8000-00000000000b', now(), NULL);
INSERT INTO identity.memberships VALUES
    ('01930000-0000-7000-8000-00000000000a', '01930000-0000-7000-8000-000000000111', '01930000-0000-7000-8000-000000000101', '{admin}', now()),
    ('01930000-0000-7000-8000-00000000000b', '01930000-0000-7000-8000-000000000113', '01930000-0000-7000-8000-000000000103', '{admin}', now());
-- B has a role of its own by the name that a built-in one will get.
INSERT INTO identity.roles
SELECT o.id, r.slug, r.title, r.permissions, true FROM identity.organisations o, (VALUES
    ('admin', 'Administrator', '{*}'::text[]),
    ('operator', 'Operator', '{audit.read,files.*,identity.read,notify.read,records.*,runs.*,tasks.*}'),
    ('approver', 'Approver', '{runs.read,tasks.*}'),
    ('member', 'Member', '{files.*,records.*,runs.read,runs.write,tasks.read}'),
    ('viewer', 'Viewer', '{files.read,records.read,runs.read,tasks.read}')) AS r (slug, title, permissions);
INSERT INTO identity.roles VALUES
    ('01930000-0000-7000-8000-00000000000a', 'dispatcher', 'Dispatcher', '{runs.read}', false),
    ('01930000-0000-7000-8000-00000000000b', 'newcomer', 'New here', '{*}', false);
INSERT INTO identity.invitations VALUES
    ('01930000-0000-7000-8000-00000000000a', '01930000-0000-7000-8000-000000000401', '01930000-0000-7000-8000-000000000101', 'ada@example.com', 'Ada', 'admin', NULL, 'ACCEPTED', now(), now()),
    ('01930000-0000-7000-8000-00000000000a', '01930000-0000-7000-8000-000000000402', '01930000-0000-7000-8000-000000000102', 'bob@example.com', 'Bob', 'member', '01930000-0000-7000-8000-000000000202', 'PENDING', now(), now() + interval '14 days');
INSERT INTO identity.links (id, hash, kind, account, user_id, organisation_id, invitation_id, created_at, expires_at) VALUES
    ('01930000-0000-7000-8000-000000000411', '\x0a', 'INVITATION', NULL, '01930000-0000-7000-8000-000000000102', '01930000-0000-7000-8000-00000000000a', '01930000-0000-7000-8000-000000000402', now(), now() + interval '14 days');
INSERT INTO identity.access_changes VALUES ('01930000-0000-7000-8000-000000000421', '01930000-0000-7000-8000-000000000101', 'ROLES', now());
INSERT INTO identity.idempotency VALUES ('01930000-0000-7000-8000-00000000000a', 'users/1', 'k', 'm', '\x01', '\x02', now() + interval '7 days');

-- Signing in.
INSERT INTO authserver.client VALUES
    ('01930000-0000-7000-8000-00000000000a', 'nightly', 'Nightly', 'machine', '{}', '{runs:write}', '\x01', NULL, NULL, now(), now());
INSERT INTO authserver.session VALUES
    ('01930000-0000-7000-8000-000000000501', '\x01', '01930000-0000-7000-8000-000000000101', '192.0.2.1', 'Firefox', now(), now(), now(), now() + interval '30 days');
INSERT INTO authserver.consent VALUES
    ('01930000-0000-7000-8000-000000000502', '01930000-0000-7000-8000-000000000101', 'app', 'App', '{openid}', now(), now());
INSERT INTO authserver.pushed_request VALUES ('\x01', 'app', 'scope=openid', now() + interval '1 minute');
INSERT INTO authserver.code VALUES
    ('\x01', '01930000-0000-7000-8000-000000000503', 'app', '01930000-0000-7000-8000-000000000101', '{"scope": "openid"}', now() + interval '1 minute', NULL, NULL);
INSERT INTO authserver.refresh_token VALUES
    ('\x02', '01930000-0000-7000-8000-000000000503', 'app', '01930000-0000-7000-8000-000000000101', '{"scope": "openid"}', now(), NULL, now() + interval '30 days', now() + interval '90 days');
INSERT INTO authserver.signing_key VALUES ('k1', 'ES256', 'active', '{"kty": "EC"}', '\x01', now(), now(), NULL);
INSERT INTO authserver.revocation VALUES ('sid', '01930000-0000-7000-8000-000000000509', now());
INSERT INTO authserver.idempotency VALUES ('01930000-0000-7000-8000-00000000000a', 'users/1', 'k', 'm', '\x01', '\x02', now() + interval '7 days');

-- Files and mail.
INSERT INTO files.file VALUES
    ('01930000-0000-7000-8000-00000000000a', '01930000-0000-7000-8000-000000000601', 'cities.csv', 42, repeat('ab', 32), 'text/csv', 'ready', 42, repeat('ab', 32), 'text/csv', 'users/01930000-0000-7000-8000-000000000101', now()),
    ('01930000-0000-7000-8000-00000000000a', '01930000-0000-7000-8000-000000000602', 'half.csv', 0, '', '', 'uploading', NULL, NULL, NULL, 'clients/nightly', now());
INSERT INTO files.idempotency VALUES ('01930000-0000-7000-8000-00000000000a', 'users/1', 'k', 'm', '\x01', '\x02', now() + interval '7 days');
INSERT INTO notify.messages VALUES
    ('01930000-0000-7000-8000-00000000000a', '01930000-0000-7000-8000-000000000701', 'a@hub', '\x01', 'invitation', 'bob@example.com', '01930000-0000-7000-8000-000000000202', 'SENT', '', now(), now(), now()),
    ('01930000-0000-7000-8000-00000000000a', '01930000-0000-7000-8000-000000000702', 'b@hub', '\x01', 'reminder', 'bob@example.com', '01930000-0000-7000-8000-000000000202', 'FAILED', 'no such mailbox', now(), now(), NULL);
INSERT INTO notify.captured VALUES ('01930000-0000-7000-8000-000000000703', 'a@hub', 'hub@hub.example', 'bob@example.com', 'Welcome', 'Hello', '<p>Hello', now());

-- Datasets. The import of run …203 is over and has rejects; the one of …204 has written its first chunk of two.
INSERT INTO records.dataset VALUES
    ('01930000-0000-7000-8000-00000000000a', '01930000-0000-7000-8000-000000000801', 'cities', 'Cities',
     '{"type": "object", "properties": {"name": {"type": "string"}, "people": {"type": "integer"}}}', '{}', false, now(), now());
INSERT INTO records.document (organisation_id, dataset_id, id, data) VALUES
    ('01930000-0000-7000-8000-00000000000a', '01930000-0000-7000-8000-000000000801', '01930000-0000-7000-8000-000000000811', '{"name": "Oslo", "people": 700000}'),
    ('01930000-0000-7000-8000-00000000000a', '01930000-0000-7000-8000-000000000801', '01930000-0000-7000-8000-000000000812', '{"name": "Bergen"}');
INSERT INTO records.import (organisation_id, id, dataset_id, mode, delimiter, null_tokens, header, fresh, state, chunks, rows, create_time, end_time) VALUES
    ('01930000-0000-7000-8000-00000000000a', '01930000-0000-7000-8000-000000000203', '01930000-0000-7000-8000-000000000801', 'INSERT', ',', NULL, '{name,people}', true, 'finished', 1, 3, now() - interval '1 day', now() - interval '1 day'),
    ('01930000-0000-7000-8000-00000000000a', '01930000-0000-7000-8000-000000000204', '01930000-0000-7000-8000-000000000801', 'INSERT', ';', '{-}', '{name,people}', false, 'planned', 2, 3, now(), NULL);
INSERT INTO records.import_chunk (organisation_id, import_id, chunk, start, length, first_line, first_row, rows, duplicates, done, inserted, rejected) VALUES
    ('01930000-0000-7000-8000-00000000000a', '01930000-0000-7000-8000-000000000203', 1, 12, 40, 2, 1, 3, '', true, 1, 2),
    ('01930000-0000-7000-8000-00000000000a', '01930000-0000-7000-8000-000000000204', 1, 12, 10, 2, 1, 1, '', true, 1, 0),
    ('01930000-0000-7000-8000-00000000000a', '01930000-0000-7000-8000-000000000204', 2, 22, 17, 3, 2, 2, '', false, 0, 0);
INSERT INTO records.import_reject VALUES
    ('01930000-0000-7000-8000-00000000000a', '01930000-0000-7000-8000-000000000203', 3, 'people', 'many', 'is no integer'),
    ('01930000-0000-7000-8000-00000000000a', '01930000-0000-7000-8000-000000000203', 4, '', '', 'has 3 cells, the header has 2');
INSERT INTO records.idempotency VALUES ('01930000-0000-7000-8000-00000000000a', 'users/1', 'k', 'm', '\x01', '\x02', now() + interval '7 days');

-- Runs: …201 completed with a decision of Ada's, …202 waits for one, …203 completed, …204 runs, …205 is B's and failed. The
-- hash of …201 is that of its input.
INSERT INTO runs.run (id, organisation_id, process, title, actor, idempotency_key, input_hash, input, steps, created_at, launched_at, ended_at, outcome, result, error)
SELECT ('01930000-0000-7000-8000-000000000' || r.id)::uuid, ('01930000-0000-7000-8000-00000000000' || r.organisation)::uuid, r.process, r.title,
       'users/01930000-0000-7000-8000-000000000101', r.key, sha256(r.wire), r.input::jsonb, CASE r.process WHEN 'onboarding' THEN
       '{"steps": [{"name": "invite", "title": "Invite", "kind": "ACTIVITY"}, {"name": "approval", "title": "Approve", "kind": "TASK", "after": ["invite"]}]}'::jsonb ELSE
       '{"steps": [{"name": "plan", "title": "Plan", "kind": "ACTIVITY"}, {"name": "rows", "title": "Write the rows", "kind": "EACH", "after": ["plan"]}]}' END,
       now() - interval '2 days', now() - interval '2 days', CASE WHEN r.outcome IS NOT NULL THEN now() - interval '1 day' END, r.outcome, r.result::jsonb, r.error::jsonb
FROM (VALUES
    ('201', 'a', 'onboarding', 'Bring in Grace Hopper', 'first', '\x0a116772616365406578616d706c652e636f6d120c477261636520486f707065721a066d656d626572222a75736572732f30313933303030302d303030302d373030302d383030302d303030303030303030313031'::bytea, '{"email": "grace@example.com", "displayName": "Grace Hopper", "role": "member", "approver": "users/01930000-0000-7000-8000-000000000101"}', 'COMPLETED', '{"state": "ACTIVE"}', NULL),
    ('202', 'a', 'onboarding', 'bob@example.com', NULL, '\x02', '{"email": "Bob@example.com", "displayName": "Bob", "role": "member", "approver": "roles/admin"}', NULL, NULL, NULL),
    ('203', 'a', 'recordimport', 'cities-2013.csv', NULL, '\x03', '{"dataset": "datasets/cities", "file": "files/01930000-0000-7000-8000-000000000601"}', 'COMPLETED', '{"read": "3"}', NULL),
    ('204', 'a', 'recordimport', 'more cities.csv', NULL, '\x04', '{"dataset": "datasets/cities", "file": "files/01930000-0000-7000-8000-000000000601"}', NULL, NULL, NULL),
    ('205', 'b', 'onboarding', 'Somebody else', NULL, '\x05', '{"email": "zoe@example.com", "displayName": "Zoe", "role": "member"}', 'FAILED', NULL, '{"code": "failed_precondition", "message": "no", "reason": "REJECTED", "step": "approval"}')
) AS r (id, organisation, process, title, key, wire, input, outcome, result, error);
INSERT INTO runs.task (id, organisation_id, run, process, step, item, title, description, state, assignee, decision, decided_by, reason, form_schema, context, decided_at, acknowledged_at, version) VALUES
    ('01930000-0000-7000-8000-000000000301', '01930000-0000-7000-8000-00000000000a', '01930000-0000-7000-8000-000000000201', 'onboarding', 'approval', 0, 'Bring in Grace Hopper?', '', 'DECIDED', 'users/01930000-0000-7000-8000-000000000101', 'APPROVE', 'users/01930000-0000-7000-8000-000000000101', 'known for years', NULL, '{"email": "grace@example.com"}', now() - interval '1 day', now() - interval '1 day', 2),
    ('01930000-0000-7000-8000-000000000302', '01930000-0000-7000-8000-00000000000a', '01930000-0000-7000-8000-000000000202', 'onboarding', 'approval', 0, 'Bring in Bob?', 'Bob has accepted.', 'OPEN', 'roles/admin', '', '', '', '{"type": "object", "properties": {"note": {"type": "string"}}}', '{"email": "bob@example.com"}', NULL, NULL, 1);
INSERT INTO runs.idempotency VALUES ('01930000-0000-7000-8000-00000000000a', 'users/1', 'k', 'm', '\x01', '\x02', now() + interval '7 days');

-- Their journals, as the first release wrote them.
SELECT events.append(r.organisation_id, r.id, 'run/started', NULL, '{"kind": "run.started"}', 'STARTING', false, 0, 0, '') FROM runs.run r ORDER BY r.id;
SELECT events.append(r.organisation_id, r.id, s.name || '/1/started', NULL, jsonb_build_object('kind', 'step.started', 'step', s.name, 'attempt', 1), 'RUNNING', true, 0, 0, '')
FROM runs.run r, LATERAL (SELECT r.steps #>> '{steps,0,name}') AS s (name) ORDER BY r.id;
SELECT events.append(r.organisation_id, r.id, s.name || '/1/succeeded', s.name || '/1', jsonb_build_object('kind', 'step.succeeded', 'step', s.name, 'attempt', 1), 'RUNNING', true,
    CASE r.process WHEN 'recordimport' THEN 1 ELSE 0 END, CASE r.process WHEN 'recordimport' THEN 3 ELSE 0 END, CASE r.process WHEN 'recordimport' THEN 'rows' ELSE '' END)
FROM runs.run r, LATERAL (SELECT r.steps #>> '{steps,0,name}') AS s (name) ORDER BY r.id;
SELECT events.append(r.organisation_id, r.id, 'approval/1/waiting', NULL, '{"kind": "step.waiting", "step": "approval", "attempt": 1, "message": "waits for a decision"}', 'WAITING', true, 0, 0, '')
FROM runs.run r WHERE r.process = 'onboarding' ORDER BY r.id;
SELECT events.append(r.organisation_id, r.id, 'approval/1/succeeded', NULL, '{"kind": "step.succeeded", "step": "approval", "attempt": 1}', 'RUNNING', true, 0, 0, '')
FROM runs.run r WHERE r.process = 'onboarding' AND r.outcome = 'COMPLETED';
SELECT events.append(r.organisation_id, r.id, 'run/end', NULL, jsonb_build_object('kind', 'run.' || lower(r.outcome)), r.outcome, false, 0, 0, '')
FROM runs.run r WHERE r.outcome IS NOT NULL ORDER BY r.id;
INSERT INTO events.fact (id, organisation_id, kind, run, payload, processed_at) VALUES
    ('01930000-0000-7000-8000-000000000901', '01930000-0000-7000-8000-00000000000a', 'identity.invitation.accepted', '01930000-0000-7000-8000-000000000201', '{"user": "users/1"}', now()),
    ('01930000-0000-7000-8000-000000000902', '01930000-0000-7000-8000-00000000000a', 'identity.user.signed_up', NULL, '{"user": "users/2"}', NULL);

-- The trail: sealed, and a last entry that is not yet.
SELECT audit.append(('01930000-0000-7000-8000-00000000a' || a.id)::uuid, ('01930000-0000-7000-8000-00000000000' || a.organisation)::uuid,
    'users/01930000-0000-7000-8000-000000000101', NULL, a.action, a.target, '{}', '{"roles": ["member"]}', '192.0.2.1', a.reason)
FROM (VALUES
    ('001', 'a', 'services.identity.v1.IdentityService/CreateRole', 'roles/dispatcher', ''),
    ('002', 'a', 'services.runs.v1.RunsService/StartRun', 'runs/01930000-0000-7000-8000-000000000201', ''),
    ('003', 'a', 'services.runs.v1.RunsService/DecideTask', 'tasks/01930000-0000-7000-8000-000000000301', 'known for years'),
    ('004', 'b', 'services.runs.v1.RunsService/StartRun', 'runs/01930000-0000-7000-8000-000000000205', '')) AS a (id, organisation, action, target, reason);
SELECT audit.seal(100);
SELECT audit.append('01930000-0000-7000-8000-00000000a005', '01930000-0000-7000-8000-00000000000a', 'users/01930000-0000-7000-8000-000000000101', NULL,
    'services.records.v1.RecordsService/PlanImport', 'runs/01930000-0000-7000-8000-000000000204', '{}', '{}', '', '');
