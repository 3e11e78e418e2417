-- The journal of runs, and the facts that start processes.
--
-- A run's place in the journal comes from a counter in its head row, raised in the transaction of the change that the
-- event reports. So (run, seq) has no gaps, is in commit order, and an event without its change can't exist. A sequence
-- could promise none of that: its values are handed out before the commit.

-- +goose Up
CREATE SCHEMA IF NOT EXISTS events;

-- One row a run: where the journal ends, and what the list of runs shows. Created by run.started, deleted with the run.
CREATE TABLE events.run_head (
    run             uuid        PRIMARY KEY,
    organisation_id uuid        NOT NULL,
    seq             bigint      NOT NULL DEFAULT 0,
    state           text        NOT NULL,               -- as in the API: "RUNNING"
    step            text        NOT NULL DEFAULT '',    -- last one started or waited for
    done            bigint      NOT NULL DEFAULT 0,     -- what is finished, and the ticks of what is under way
    total           bigint      NOT NULL DEFAULT 0,     -- 0 = not known yet
    unit            text        NOT NULL DEFAULT '',
    ticks           jsonb       NOT NULL DEFAULT '{}',  -- progress id of an activity under way -> its part of done
    ticked_at       timestamptz NOT NULL DEFAULT '-infinity',
    updated_at      timestamptz NOT NULL DEFAULT clock_timestamp()
) WITH (fillfactor = 60); -- every event updates it: room for updates that touch no index

CREATE TABLE events.run_event (
    run             uuid        NOT NULL REFERENCES events.run_head ON DELETE CASCADE,
    seq             bigint      NOT NULL,
    organisation_id uuid        NOT NULL,
    event_id        text        NOT NULL, -- chosen by the writer, so that writing again changes nothing
    progress_id     text,                 -- under this name the event's progress was counted
    kind            text        NOT NULL,
    step            text        NOT NULL,
    attempt         integer     NOT NULL,
    item            integer     NOT NULL,
    time            timestamptz NOT NULL,
    payload         jsonb       NOT NULL, -- events.v1.Event as a viewer receives it
    PRIMARY KEY (run, seq)
);
CREATE UNIQUE INDEX run_event_id ON events.run_event (run, event_id);
CREATE UNIQUE INDEX run_event_progress ON events.run_event (run, progress_id) WHERE progress_id IS NOT NULL;

-- What happened in a service that may start a process. Written with the change, claimed by the runs role.
CREATE TABLE events.fact (
    id              uuid        PRIMARY KEY, -- UUIDv7; also the idempotency key of the runs it starts
    organisation_id uuid        NOT NULL,
    kind            text        NOT NULL,    -- "identity.user.signed_up"
    run             uuid,                    -- the run that caused it, if one did
    payload         jsonb       NOT NULL,
    created_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    processed_at    timestamptz,
    attempts        integer     NOT NULL DEFAULT 0,
    next_attempt_at timestamptz NOT NULL DEFAULT clock_timestamp(), -- a claimed fact comes back then, if nobody finishes it
    failure         text        NOT NULL DEFAULT ''
);
CREATE INDEX fact_due ON events.fact (next_attempt_at) WHERE processed_at IS NULL;
CREATE INDEX fact_processed ON events.fact (processed_at) WHERE processed_at IS NOT NULL;

CALL mshub.protect('events.run_head');
CALL mshub.protect('events.run_event');
CALL mshub.protect('events.fact');

-- Appends one event. The same event id again changes nothing and gives the old place.
--
-- The state becomes p_state unless that is '' or the run has ended; a soft p_state (a step's) yields to PAUSED and
-- COMPENSATING as well. p_done is added once for each p_progress_id. A tick (step.progress) replaces the same activity's
-- last tick, at most ten a run and second become events, and whatever happens to the step next takes its ticks away.
-- +goose StatementBegin
CREATE FUNCTION events.append(
    p_organisation uuid, p_run uuid, p_event_id text, p_progress_id text, p_event jsonb,
    p_state text, p_soft boolean, p_done bigint, p_total bigint, p_unit text,
    OUT place bigint, OUT fresh boolean
) LANGUAGE plpgsql AS $$
DECLARE
    head      events.run_head;
    v_kind    text    := p_event ->> 'kind';
    v_step    text    := coalesce(p_event ->> 'step', '');
    v_attempt integer := coalesce((p_event ->> 'attempt')::integer, 0);
    v_item    integer := coalesce((p_event ->> 'item')::integer, 0);
    v_now     timestamptz := clock_timestamp();
    v_tick    boolean := v_kind = 'step.progress';
    v_call    text    := v_step || '/' || v_item || '/';
    v_counted text    := nullif(p_progress_id, '');
    v_done    bigint  := p_done;
BEGIN
    IF v_kind = 'run.started' THEN
        INSERT INTO events.run_head (run, organisation_id, state) VALUES (p_run, p_organisation, p_state) ON CONFLICT DO NOTHING;
    END IF;
    SELECT * INTO head FROM events.run_head WHERE run = p_run AND organisation_id = p_organisation FOR UPDATE;
    IF NOT FOUND THEN
        RAISE no_data_found USING MESSAGE = 'this run has no journal';
    END IF;

    SELECT seq INTO place FROM events.run_event WHERE run = p_run AND event_id = p_event_id;
    IF FOUND THEN
        fresh := false;
        RETURN;
    END IF;

    IF v_counted IS NOT NULL AND EXISTS (SELECT FROM events.run_event WHERE run = p_run AND progress_id = v_counted) THEN
        v_counted := NULL;
        v_done := 0;
    ELSIF v_tick THEN
        v_done := v_done - coalesce((head.ticks ->> coalesce(v_counted, v_call))::bigint, 0);
        head.ticks := head.ticks || jsonb_build_object(coalesce(v_counted, v_call), p_done);
        v_counted := NULL;
    END IF;
    IF NOT v_tick AND v_step <> '' AND head.ticks <> '{}' THEN
        SELECT v_done - coalesce(sum(value::bigint) FILTER (WHERE starts_with(key, v_call)), 0),
               coalesce(jsonb_object_agg(key, value::bigint) FILTER (WHERE NOT starts_with(key, v_call)), '{}')
          INTO v_done, head.ticks
          FROM jsonb_each_text(head.ticks);
    END IF;
    head.done := head.done + v_done;
    head.total := greatest(head.total, p_total);
    IF p_unit <> '' THEN
        head.unit := p_unit;
    END IF;

    IF v_tick AND head.ticked_at > v_now - interval '100 milliseconds' THEN
        UPDATE events.run_head SET done = head.done, total = head.total, unit = head.unit, ticks = head.ticks WHERE run = p_run;
        place := head.seq;
        fresh := false;
        RETURN;
    END IF;

    IF p_state <> '' AND head.state NOT IN ('COMPLETED', 'FAILED', 'CANCELLED', 'TERMINATED', 'TIMED_OUT')
       AND NOT (p_soft AND head.state IN ('PAUSED', 'COMPENSATING', 'LOST')) THEN
        head.state := p_state;
    END IF;
    IF v_kind IN ('step.started', 'step.waiting', 'step.compensating') THEN
        head.step := v_step;
    END IF;

    place := head.seq + 1;
    fresh := true;
    UPDATE events.run_head
       SET seq = place, state = head.state, step = head.step, done = head.done, total = head.total, unit = head.unit,
           ticks = head.ticks, ticked_at = CASE WHEN v_tick THEN v_now ELSE head.ticked_at END, updated_at = v_now
     WHERE run = p_run;
    INSERT INTO events.run_event (run, seq, organisation_id, event_id, progress_id, kind, step, attempt, item, time, payload)
    VALUES (p_run, place, p_organisation, p_event_id, v_counted, v_kind, v_step, v_attempt, v_item,
            coalesce((p_event ->> 'time')::timestamptz, v_now),
            jsonb_build_object('time', v_now) || p_event || jsonb_strip_nulls(jsonb_build_object(
                'run', 'runs/' || p_run,
                'seq', place::text,
                'state', head.state,
                'progress', CASE WHEN head.done <> 0 OR head.total <> 0 THEN jsonb_build_object(
                    'done', head.done::text, 'total', head.total::text, 'unit', head.unit) END)));
END $$;
-- +goose StatementEnd

-- +goose Down
DROP SCHEMA events CASCADE;
