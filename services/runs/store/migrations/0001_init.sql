-- Runs and tasks. A run's state while it lives is in events.run_head, which every event of its journal moves; what it was
-- started with and how it ended is here.

-- +goose Up
CREATE SCHEMA IF NOT EXISTS runs;

CREATE TABLE runs.run (
    id              uuid        PRIMARY KEY, -- UUIDv7: the order of the list; also Temporal's workflow id
    organisation_id uuid        NOT NULL,
    process         text        NOT NULL,
    title           text        NOT NULL,
    actor           text        NOT NULL, -- "users/ID", "clients/ID", "facts/ID"
    idempotency_key text,
    input_hash      bytea       NOT NULL, -- of the decoded input: the same key with another input is refused
    input           jsonb       NOT NULL, -- as ProtoJSON
    steps           jsonb       NOT NULL, -- snapshot of the definition: old runs are drawn as they were
    retried_from    uuid,
    created_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    launched_at     timestamptz,          -- Temporal has it
    checked_at      timestamptz,          -- the reconciler last asked Temporal about it
    ended_at        timestamptz,
    outcome         text,                 -- the state it ended in; LOST may be taken back by the run itself
    result          jsonb,
    error           jsonb                 -- RunError
);
CREATE UNIQUE INDEX run_idempotency ON runs.run (organisation_id, process, idempotency_key) WHERE idempotency_key IS NOT NULL;
CREATE INDEX run_list ON runs.run (organisation_id, id);
CREATE INDEX run_process ON runs.run (organisation_id, process, id);
CREATE INDEX run_actor ON runs.run (organisation_id, actor, id);
CREATE INDEX run_launch ON runs.run (created_at) WHERE launched_at IS NULL AND ended_at IS NULL;
CREATE INDEX run_open ON runs.run (id) WHERE ended_at IS NULL;
CREATE INDEX run_ended ON runs.run (ended_at) WHERE ended_at IS NOT NULL;
CALL mshub.protect('runs.run');

-- What waits for a person. The row decides; the workflow obeys it.
CREATE TABLE runs.task (
    id              uuid        PRIMARY KEY, -- UUIDv7
    organisation_id uuid        NOT NULL,
    run             uuid        NOT NULL REFERENCES runs.run ON DELETE CASCADE,
    process         text        NOT NULL,
    step            text        NOT NULL,
    item            integer     NOT NULL,
    title           text        NOT NULL,
    description     text        NOT NULL,
    state           text        NOT NULL CHECK (state IN ('OPEN', 'DECIDED', 'EXPIRED', 'WITHDRAWN')),
    assignee        text        NOT NULL, -- "users/ID" or "roles/NAME"
    claimed_by      text        NOT NULL DEFAULT '',
    decision        text        NOT NULL DEFAULT '',
    decided_by      text        NOT NULL DEFAULT '',
    reason          text        NOT NULL DEFAULT '',
    form            jsonb,
    form_schema     jsonb,
    context         jsonb,
    created_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    due_at          timestamptz,
    decided_at      timestamptz,
    acknowledged_at timestamptz,          -- the run knows
    version         bigint      NOT NULL DEFAULT 1,
    UNIQUE (run, step, item)
);
CREATE INDEX task_list ON runs.task (organisation_id, id);
CREATE INDEX task_inbox ON runs.task (organisation_id, assignee, id) WHERE state = 'OPEN';
CREATE INDEX task_state ON runs.task (organisation_id, state, id);
CREATE INDEX task_untold ON runs.task (decided_at) WHERE state = 'DECIDED' AND acknowledged_at IS NULL;
CALL mshub.protect('runs.task');

CALL mshub.idempotency('runs');

-- +goose Down
DROP SCHEMA runs CASCADE;
