-- A run remembers the build that ran it last, and whether it is parked: a step has failed and an operator decides. A reset
-- takes back what the steps to be done again have counted.

-- +goose Up
ALTER TABLE events.run_head
    ADD COLUMN build  text    NOT NULL DEFAULT '',     -- commit of the worker that wrote last
    ADD COLUMN parked boolean NOT NULL DEFAULT false;  -- between run.parked and what ends it
ALTER TABLE events.run_event
    ADD COLUMN counted bigint NOT NULL DEFAULT 0;      -- what the event added to the run's done; 0 once a reset took it back
CREATE INDEX run_head_state ON events.run_head (organisation_id, state, run);

-- As before, and: a soft p_state yields to a parked run too; run.reset names in data.steps whose progress is taken back.
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION events.append(
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
    v_again   text[];
    v_taken   bigint  := 0;
    v_counts  bigint  := 0;
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
    IF v_counted IS NOT NULL THEN
        v_counts := p_done;
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

    IF v_kind = 'run.reset' THEN
        v_again := ARRAY(SELECT jsonb_array_elements_text(p_event -> 'data' -> 'steps'));
        SELECT coalesce(sum(counted), 0) INTO v_taken FROM events.run_event WHERE run = p_run AND counted <> 0 AND step = ANY (v_again);
        UPDATE events.run_event SET counted = 0 WHERE run = p_run AND counted <> 0 AND step = ANY (v_again);
        head.done := greatest(head.done - v_taken, 0);
        IF head.done = 0 THEN
            head.total := 0;
        END IF;
    END IF;

    IF p_state <> '' AND head.state NOT IN ('COMPLETED', 'FAILED', 'CANCELLED', 'TERMINATED', 'TIMED_OUT')
       AND NOT (p_soft AND (head.parked OR head.state IN ('PAUSED', 'COMPENSATING', 'LOST'))) THEN
        head.state := p_state;
    END IF;
    IF v_kind = 'run.parked' THEN
        head.parked := true;
    ELSIF v_kind IN ('run.unparked', 'run.reset', 'run.compensating', 'run.completed', 'run.failed', 'run.cancelled',
                     'run.terminated', 'run.timed_out', 'run.lost') THEN
        head.parked := false;
    END IF;
    IF v_kind IN ('step.started', 'step.waiting', 'step.compensating') THEN
        head.step := v_step;
    END IF;

    place := head.seq + 1;
    fresh := true;
    UPDATE events.run_head
       SET seq = place, state = head.state, step = head.step, done = head.done, total = head.total, unit = head.unit,
           parked = head.parked, build = coalesce(nullif(p_event ->> 'build', ''), head.build), ticks = head.ticks, ticked_at = CASE WHEN v_tick THEN v_now ELSE head.ticked_at END, updated_at = v_now
     WHERE run = p_run;
    INSERT INTO events.run_event (run, seq, organisation_id, event_id, progress_id, counted, kind, step, attempt, item, time, payload)
    VALUES (p_run, place, p_organisation, p_event_id, v_counted, v_counts, v_kind, v_step, v_attempt, v_item,
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
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION events.append(
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
DROP INDEX events.run_head_state;
ALTER TABLE events.run_event DROP COLUMN counted;
ALTER TABLE events.run_head DROP COLUMN parked, DROP COLUMN build;
