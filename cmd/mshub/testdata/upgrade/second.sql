-- What the tables that came after the first migrations hold, in the same house.

INSERT INTO identity.bulks (organisation_id, run, action, role, reason, dry_run, lifetime, batches, people, state, created_at) VALUES
    ('01930000-0000-7000-8000-00000000000a', '01930000-0000-7000-8000-000000000211', 'ADD_ROLE', 'viewer', 'spring', false, 0, 1, 1, 'FINISHED', now());
INSERT INTO identity.bulk_lines (organisation_id, run, line, batch, user_id, email, display_name, role, outcome, before, after) VALUES
    ('01930000-0000-7000-8000-00000000000a', '01930000-0000-7000-8000-000000000211', 1, 1, '01930000-0000-7000-8000-000000000101', 'ada@example.com', 'Ada', 'viewer', 'DONE', '{admin}', '{admin,viewer}');

INSERT INTO notify.webhook (organisation_id, id, title, url, events, state, secret, creator, created_at, updated_at) VALUES
    ('01930000-0000-7000-8000-00000000000a', '01930000-0000-7000-8000-000000000711', 'Chat', 'https://chat.example/hook', '{runs.run.*}', 'ENABLED', '\x01', 'users/01930000-0000-7000-8000-000000000101', now(), now());
INSERT INTO notify.delivery (organisation_id, id, webhook, fact, event, data, happened_at, state, attempts, last_status, created_at, last_attempt_at, next_attempt_at) VALUES
    ('01930000-0000-7000-8000-00000000000a', '01930000-0000-7000-8000-000000000712', '01930000-0000-7000-8000-000000000711', NULL, 'ping', '{}', now(), 'DELIVERED', 1, 204, now(), now(), NULL),
    ('01930000-0000-7000-8000-00000000000a', '01930000-0000-7000-8000-000000000713', '01930000-0000-7000-8000-000000000711', '01930000-0000-7000-8000-000000000901', 'runs.run.completed', '{"run": "runs/1"}', now(), 'PENDING', 2, 503, now(), now(), now() + interval '1 hour');

INSERT INTO records.cleared_shelf VALUES ('01930000-0000-7000-8000-00000000000a', '01930000-0000-7000-8000-000000000821', now());
INSERT INTO records.import_undo VALUES
    ('01930000-0000-7000-8000-00000000000a', '01930000-0000-7000-8000-000000000204', 1, '01930000-0000-7000-8000-000000000811', 1, '{"name": "Oslo", "people": 1}', now(), now());
INSERT INTO records.export (organisation_id, id, dataset_id, shelf_id, filter, columns, format, compression, null_token, state, parts, rows, bytes, sha256, create_time, end_time) VALUES
    ('01930000-0000-7000-8000-00000000000a', '01930000-0000-7000-8000-000000000212', '01930000-0000-7000-8000-000000000801', '01930000-0000-7000-8000-000000000801', '', '{name}', 'CSV', 'NONE', '', 'finished', 1, 2, 17, repeat('cd', 32), now(), now());
INSERT INTO records.export_part (organisation_id, export_id, part, after, until, done, rows, bytes) VALUES
    ('01930000-0000-7000-8000-00000000000a', '01930000-0000-7000-8000-000000000212', 1, '00000000-0000-0000-0000-000000000000', 'ffffffff-ffff-ffff-ffff-ffffffffffff', true, 2, 17);

INSERT INTO runs.schedule (uid, organisation_id, id, title, process, input, cron, time_zone, overlap, catchup_seconds, actor, permissions, created_at, updated_at, next_at) VALUES
    ('01930000-0000-7000-8000-000000000311', '01930000-0000-7000-8000-00000000000a', 'nightly', 'Nightly', 'recordimport', '{}', '0 2 * * *', 'Europe/Oslo', 'SKIP', 3600, 'users/01930000-0000-7000-8000-000000000101', '{*}', now(), now(), now() + interval '1 day');
INSERT INTO runs.rate VALUES ('01930000-0000-7000-8000-00000000000a', 'erp', now());
INSERT INTO runs.run (id, organisation_id, process, title, actor, input_hash, input, steps, key, priority, schedule, permissions, launched_at, ended_at, outcome) VALUES
    ('01930000-0000-7000-8000-000000000213', '01930000-0000-7000-8000-00000000000a', 'runbulk', 'Pause them', 'users/01930000-0000-7000-8000-000000000101', '\x06', '{}', '{"steps": []}', 'k', 4, 'nightly', '{*}', now(), now(), 'COMPLETED');
SELECT events.append(r.organisation_id, r.id, e.id, NULL, e.event::jsonb, e.state, false, 0, 0, '') FROM runs.run r, (VALUES
    ('run/started', '{"kind": "run.started", "build": "abc"}', 'STARTING'), ('run/end', '{"kind": "run.completed", "build": "abc"}', 'COMPLETED')) AS e (id, event, state)
WHERE r.id = '01930000-0000-7000-8000-000000000213';
INSERT INTO runs.bulk VALUES ('01930000-0000-7000-8000-000000000213', '01930000-0000-7000-8000-00000000000a', 'PAUSE', 'maintenance', false, 1, 1);
INSERT INTO runs.bulk_item VALUES
    ('01930000-0000-7000-8000-000000000213', 1, '01930000-0000-7000-8000-000000000204', '01930000-0000-7000-8000-00000000000a', 'DONE', '', '');
