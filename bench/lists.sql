-- $1 runs of organisation $2, the newest of now and five seconds between two of them, with as many tasks; $3 is one of its
-- users. One in twenty waits for a decision. Open runs are dated forward, so that nobody misses their workflows.
INSERT INTO runs.run (id, organisation_id, process, title, actor, input_hash, input, steps, key, created_at, launched_at, ended_at, outcome, result)
SELECT uuid_of(i, at), $2, process,
       CASE process WHEN 'onboarding' THEN format('ada.lovelace%s@example.org', i) ELSE format('flights-%s.csv.gz', i % 5000) END,
       CASE WHEN i % 500 = 0 THEN 'users/' || $3 ELSE 'users/' || uuid_of(i % 200, 'epoch') END,
       '\x00', jsonb_build_object('file', 'files/' || uuid_of(i, at), 'dataset', 'datasets/flights', 'mode', 'UPSERT'),
       '{"steps":[{"name":"file","title":"Find the file","kind":"ACTIVITY"},{"name":"plan","title":"Read and divide it","kind":"ACTIVITY","after":["file"]},{"name":"chunks","title":"Write the rows","kind":"EACH","after":["plan"]},{"name":"finish","title":"Sum up","kind":"ACTIVITY","after":["chunks"]},{"name":"rejects","title":"Keep the rejected rows","kind":"ACTIVITY","after":["finish"],"optional":true}]}',
       CASE WHEN i % 2 = 0 THEN 'order-' || i END,
       at, CASE WHEN open THEN now() + interval '1 year' ELSE at END, CASE WHEN NOT open THEN at + interval '3 seconds' END,
       CASE WHEN NOT open THEN state END, CASE WHEN NOT open THEN '{"read":"1000","inserted":"1000"}'::jsonb END
FROM made($1);

INSERT INTO events.run_head (run, organisation_id, seq, state, step, done, total, unit, updated_at)
SELECT uuid_of(i, at), $2, 9, state, 'chunks', 1000, 1000, 'rows', CASE WHEN open THEN now() + interval '1 year' ELSE at END
FROM made($1);

INSERT INTO runs.task (id, organisation_id, run, process, step, item, title, description, state, assignee, decision, decided_by, reason,
                       context, created_at, due_at, decided_at, acknowledged_at)
SELECT uuid_of(i, at), $2, uuid_of(i, at), process, 'approve', 0, 'Approve the import of file ' || i, 'Looks like last week''s.',
       CASE WHEN open THEN 'OPEN' ELSE 'DECIDED' END,
       CASE WHEN i % 1000 = 20 THEN 'users/' || $3 WHEN i % 100 < 60 THEN 'roles/approver' WHEN i % 100 < 80 THEN 'roles/operator' ELSE 'users/' || uuid_of(i % 200, 'epoch') END,
       CASE WHEN open THEN '' ELSE 'APPROVE' END, CASE WHEN open THEN '' ELSE 'users/' || uuid_of(i % 200, 'epoch') END, '',
       '{"rows":"1000","file":"flights.csv.gz"}', at, at + interval '3 days', CASE WHEN NOT open THEN at END, CASE WHEN NOT open THEN at END
FROM made($1);
