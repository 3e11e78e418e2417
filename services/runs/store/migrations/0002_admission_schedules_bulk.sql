-- Admission, schedules, votes, bulk commands, rates, search, and which runs concern whom.

-- +goose Up
ALTER TABLE runs.run
    ADD COLUMN key         text,                                -- business key: limited together, found together
    ADD COLUMN priority    smallint    NOT NULL DEFAULT 3 CHECK (priority BETWEEN 1 AND 5),
    ADD COLUMN schedule    text,                                -- id of the schedule that started it
    ADD COLUMN permissions text[]      NOT NULL DEFAULT '{}',   -- the starter's, when it started: what a bulk run may command
    ADD COLUMN queued      boolean     NOT NULL DEFAULT false,  -- waits for a slot; Temporal has not heard of it
    ADD COLUMN admitted_at timestamptz;                         -- got its slot after it was queued

-- A slot is a row: an open run that is not queued. So a crash leaks none.
CREATE INDEX run_slot ON runs.run (process, organisation_id, key) WHERE ended_at IS NULL AND NOT queued;
CREATE INDEX run_queue ON runs.run (process, organisation_id, priority, id) WHERE queued;
-- Whose turn it is: the organisation that was admitted longest ago.
CREATE INDEX run_admitted ON runs.run (process, organisation_id, admitted_at) WHERE admitted_at IS NOT NULL;
DROP INDEX runs.run_launch;
CREATE INDEX run_launch ON runs.run (created_at) WHERE launched_at IS NULL AND ended_at IS NULL AND NOT queued;

CREATE INDEX run_key ON runs.run (organisation_id, key, id) WHERE key IS NOT NULL;
CREATE INDEX run_schedule ON runs.run (organisation_id, schedule, id) WHERE schedule IS NOT NULL;
CREATE INDEX run_head_parked ON events.run_head (organisation_id, run) WHERE parked;

-- The words by which people find a run. Anything that is no letter or digit divides them: "flights.csv" is two.
-- +goose StatementBegin
CREATE FUNCTION runs.words(title text, key text, process text) RETURNS tsvector LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
    RETURN to_tsvector('simple', regexp_replace(title || ' ' || coalesce(key, '') || ' ' || process, '[^[:alnum:]]+', ' ', 'g'));
END $$;
-- +goose StatementEnd
-- Every word wanted, each may be cut short at its end; null if the text has no word.
CREATE FUNCTION runs.wanted(search text) RETURNS tsquery LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN to_tsquery('simple', (SELECT string_agg(word || ':*', ' & ') FROM regexp_split_to_table(search, '[^[:alnum:]]+') AS word WHERE word <> ''));
ALTER TABLE runs.run ADD COLUMN words tsvector NOT NULL GENERATED ALWAYS AS (runs.words(title, key, process)) STORED;
CREATE INDEX run_words ON runs.run USING gin (words) WITH (gin_pending_list_limit = 256);

-- Whom a run concerns: addresses ("ada@example.org", in lower case) and "users/ID" in its input, title and key. Who acted
-- is in the rows themselves.
CREATE TABLE runs.run_subject (
    organisation_id uuid NOT NULL,
    run             uuid NOT NULL REFERENCES runs.run ON DELETE CASCADE,
    subject         text NOT NULL,
    PRIMARY KEY (run, subject)
);
CREATE INDEX run_subject_of ON runs.run_subject (organisation_id, subject, run);
CALL mshub.protect('runs.run_subject');
INSERT INTO runs.run_subject (organisation_id, run, subject)
SELECT DISTINCT r.organisation_id, r.id, lower(v.value #>> '{}')
FROM runs.run r, jsonb_path_query(r.input, 'strict $.**') AS v (value)
WHERE jsonb_typeof(v.value) = 'string'
  AND v.value #>> '{}' ~* '^([^@[:space:]]+@[^@[:space:]]+|users/[0-9a-f-]{36})$';

ALTER TABLE runs.task
    ADD COLUMN call          text,                              -- idempotency key of its making; after a reset the step asks anew
    ADD COLUMN quorum        integer NOT NULL DEFAULT 1,
    ADD COLUMN four_eyes     boolean NOT NULL DEFAULT false,
    ADD COLUMN excluded      text[]  NOT NULL DEFAULT '{}',     -- who may not decide; the starter too, under four eyes
    ADD COLUMN approve_label text    NOT NULL DEFAULT '',
    ADD COLUMN reject_label  text    NOT NULL DEFAULT '',
    ADD COLUMN files         text[]  NOT NULL DEFAULT '{}',
    ADD COLUMN form_message  text    NOT NULL DEFAULT '',       -- full name of the message that the form fills
    ADD COLUMN delegated_by  text    NOT NULL DEFAULT '',
    ADD COLUMN escalated     boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN runs.task.item IS 'below 0: of a try of the step that a reset took back';
CREATE INDEX task_process ON runs.task (organisation_id, process, id);

-- One vote a person and task; enough of them decide.
CREATE TABLE runs.task_vote (
    task            uuid        NOT NULL REFERENCES runs.task ON DELETE CASCADE,
    organisation_id uuid        NOT NULL,
    actor           text        NOT NULL,
    decision        text        NOT NULL,
    reason          text        NOT NULL,
    voted_at        timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (task, actor)
);
CREATE INDEX task_vote_actor ON runs.task_vote (organisation_id, actor);
CALL mshub.protect('runs.task_vote');

-- When runs start by themselves (ADR 0010).
CREATE TABLE runs.schedule (
    uid             uuid        PRIMARY KEY, -- part of its runs' idempotency keys: a schedule made anew has times of its own
    organisation_id uuid        NOT NULL,
    id              text        NOT NULL,    -- "nightly-import"
    title           text        NOT NULL,
    process         text        NOT NULL,
    input           jsonb       NOT NULL,    -- as it was written; fits the process's Input
    cron            text        NOT NULL,
    time_zone       text        NOT NULL,
    overlap         text        NOT NULL,
    catchup_seconds bigint      NOT NULL,
    paused          boolean     NOT NULL DEFAULT false,
    pause_reason    text        NOT NULL DEFAULT '',
    actor           text        NOT NULL,    -- in whose name its runs act
    permissions     text[]      NOT NULL DEFAULT '{}', -- the actor's, when it was made or last changed
    created_at      timestamptz NOT NULL,
    updated_at      timestamptz NOT NULL,
    next_at         timestamptz,             -- null while paused
    buffered_at     timestamptz,             -- the time that waits for the open run's end (BUFFER_ONE)
    skipped         bigint      NOT NULL DEFAULT 0,
    UNIQUE (organisation_id, id)
);
CREATE INDEX schedule_due ON runs.schedule (next_at) WHERE next_at IS NOT NULL;
CREATE INDEX schedule_buffered ON runs.schedule (buffered_at) WHERE buffered_at IS NOT NULL;
CALL mshub.protect('runs.schedule');

-- Lines to outside systems that bear only so many calls.
CREATE TABLE runs.rate (
    organisation_id uuid        NOT NULL,
    name            text        NOT NULL,
    next_at         timestamptz NOT NULL, -- the first free place, were there no bursts
    PRIMARY KEY (organisation_id, name)
) WITH (fillfactor = 60);
CALL mshub.protect('runs.rate');

-- One command to many runs, for a run of `runbulk`.
CREATE TABLE runs.bulk (
    run             uuid    PRIMARY KEY REFERENCES runs.run ON DELETE CASCADE,
    organisation_id uuid    NOT NULL,
    command         text    NOT NULL,
    reason          text    NOT NULL,
    dry_run         boolean NOT NULL,
    runs            bigint  NOT NULL,
    batches         integer NOT NULL
);
CALL mshub.protect('runs.bulk');

CREATE TABLE runs.bulk_item (
    bulk            uuid    NOT NULL REFERENCES runs.bulk ON DELETE CASCADE,
    batch           integer NOT NULL, -- from 1
    target          uuid    NOT NULL,
    organisation_id uuid    NOT NULL,
    state           text    NOT NULL DEFAULT 'PLANNED' CHECK (state IN ('PLANNED', 'BEGUN', 'DONE', 'FAILED')),
    reason          text    NOT NULL DEFAULT '', -- of the refusal
    message         text    NOT NULL DEFAULT '',
    PRIMARY KEY (bulk, batch, target)
);
CALL mshub.protect('runs.bulk_item');

-- +goose Down
DROP TABLE runs.bulk_item, runs.bulk, runs.rate, runs.schedule, runs.task_vote, runs.run_subject;
DROP INDEX runs.task_process, runs.run_words, runs.run_schedule, runs.run_key, runs.run_admitted, runs.run_queue, runs.run_slot,
    runs.run_launch, events.run_head_parked;
ALTER TABLE runs.run DROP COLUMN words;
DROP FUNCTION runs.words, runs.wanted;
CREATE INDEX run_launch ON runs.run (created_at) WHERE launched_at IS NULL AND ended_at IS NULL;
ALTER TABLE runs.task DROP COLUMN call, DROP COLUMN quorum, DROP COLUMN four_eyes, DROP COLUMN excluded,
    DROP COLUMN approve_label, DROP COLUMN reject_label, DROP COLUMN files, DROP COLUMN form_message, DROP COLUMN delegated_by,
    DROP COLUMN escalated;
ALTER TABLE runs.run DROP COLUMN key, DROP COLUMN priority, DROP COLUMN schedule, DROP COLUMN permissions, DROP COLUMN queued,
    DROP COLUMN admitted_at;
