package main

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// undoneOnce reads the journals of ended runs, each step's part of them once more for each reset that went back before it:
// what a reset takes back must be undone as what a cancel does. A step whose answer never came may be undone as well:
// perhaps it was done.
func undoneOnce(ctx context.Context, j *judge) (int, []string, error) {
	looked, err := j.number(ctx, `SELECT count(*) FROM runs.run WHERE outcome IN ('FAILED', 'CANCELLED')`)
	if err != nil {
		return 0, nil, err
	}
	faults, err := j.lines(ctx, `
		WITH reset AS (
			SELECT run, seq, jsonb_array_elements_text(payload -> 'data' -> 'steps') AS step FROM events.run_event WHERE kind = 'run.reset'
		), event AS (
			SELECT e.run, e.step, e.kind,
			       (SELECT count(*) FROM reset b WHERE b.run = e.run AND b.step = e.step AND b.seq < e.seq) AS epoch,
			       (SELECT count(*) FROM reset b WHERE b.run = e.run AND b.step = e.step) AS last
			FROM events.run_event e WHERE e.step <> ''
		), step AS (
			SELECT e.run, e.step, e.epoch, e.last,
			       count(*) FILTER (WHERE kind IN ('step.started', 'step.succeeded', 'step.failed', 'step.timed_out')) AS tried,
			       count(*) FILTER (WHERE kind = 'step.succeeded') AS succeeded,
			       count(*) FILTER (WHERE kind = 'step.compensating') AS compensating,
			       count(*) FILTER (WHERE kind = 'step.compensated') AS compensated
			FROM event e GROUP BY e.run, e.step, e.epoch, e.last
		), fate AS (
			SELECT r.id, r.process, s.step, s.tried, s.succeeded, s.compensating, s.compensated,
			       CASE WHEN s.epoch < s.last THEN 'RESET' ELSE r.outcome END AS fate
			FROM step s JOIN runs.run r ON r.id = s.run WHERE r.ended_at IS NOT NULL
		)
		SELECT 'runs/' || id || ' (' || fate || ') step ' || step || ': tried ' || tried || ', succeeded ' || succeeded || ', undone ' || compensated
		FROM fate
		WHERE compensated > 1 OR compensating > compensated
		   OR (compensated = 1 AND (tried = 0 OR fate = 'COMPLETED'))
		   OR (succeeded > 0 AND compensated = 0 AND fate IN ('FAILED', 'CANCELLED', 'RESET')
		       AND (process, step) IN (('onboarding', 'invite'), ('onboarding', 'membership'), ('recordimport', 'plan')))`)
	return looked, faults, err
}

// decidedOnce looks at every task that somebody decided, or tried to.
func decidedOnce(ctx context.Context, j *judge) (int, []string, error) {
	var faults []string
	looked := 0
	for _, st := range j.stage.stories {
		for _, b := range st.ballots {
			looked++
			var state, decision string
			var rows int
			err := j.db.QueryRow(ctx, `
				SELECT state, decision, (SELECT count(*) FROM audit.entry WHERE target = $1 AND action LIKE '%/DecideTask')
				FROM runs.task WHERE id = $2`, b.task, id(b.task)).Scan(&state, &decision, &rows)
			if err != nil {
				return looked, nil, err
			}
			fits := b.accepted == 1 && state == "DECIDED" && decision == b.decision && rows == 1
			if st.kind == hiringReset && b.accepted == 0 { // the reset was faster
				fits = state == "WITHDRAWN" && rows == 0
			}
			if !fits {
				faults = append(faults, fmt.Sprintf("%s: %d decisions were accepted (last %s), the row says %s %s, the audit has %d", b.task, b.accepted, b.decision, state, decision, rows))
			}
		}
	}
	return looked, faults, nil
}

// obeyedOnce compares the journals with the commands that stories gave.
func obeyedOnce(ctx context.Context, j *judge) (int, []string, error) {
	var faults []string
	looked := 0
	effects := map[string][]string{"run.paused": {"pause"}, "run.resumed": {"resume"}, "run.reset": {"reset"}, "run.unparked": {"retryStep", "skipStep"}}
	for _, st := range j.stage.stories {
		for kind, verbs := range effects {
			sent, accepted := 0, 0
			for _, verb := range verbs {
				sent, accepted = sent+st.sent[verb], accepted+st.accepted[verb]
			}
			if sent == 0 {
				continue
			}
			looked++
			n, err := j.number(ctx, `SELECT count(*) FROM events.run_event WHERE run = $1 AND kind = $2`, id(st.run), kind)
			if err != nil {
				return looked, nil, err
			}
			if n < accepted || n > sent {
				faults = append(faults, fmt.Sprintf("%s: %d commands (%v), %d of them accepted, made %d times %s", st.run, sent, verbs, accepted, n, kind))
			}
		}
	}
	return looked, faults, nil
}

// askedAnew: of the approvals that a reset run asked for, those before the last reset are set aside (item below 0), and one
// is decided as the story last heard.
func askedAnew(ctx context.Context, j *judge) (int, []string, error) {
	var faults []string
	all := j.stories(hiringReset)
	for _, st := range all {
		var open, valid int
		var decision string
		err := j.db.QueryRow(ctx, `
			SELECT count(*) FILTER (WHERE state = 'OPEN'), count(*) FILTER (WHERE item >= 0 AND state = 'DECIDED'),
			       coalesce(max(decision) FILTER (WHERE item >= 0), '')
			FROM runs.task WHERE run = $1 AND step = 'approval'`, id(st.run)).Scan(&open, &valid, &decision)
		if err != nil {
			return len(all), nil, err
		}
		if open != 0 || valid != 1 || decision != st.decision() {
			faults = append(faults, fmt.Sprintf("%s: %d approvals open, %d decided (%s); the story heard %q", st.run, open, valid, decision, st.decision()))
		}
	}
	return len(all), faults, nil
}

// parkedOnce reads the journals of the erasures: the step that failed waited, each time, for one word of an operator. It was
// then done, and its service's audit has that, or it was skipped with the reason, and nothing was done.
func parkedOnce(ctx context.Context, j *judge) (int, []string, error) {
	var faults []string
	all := j.stories(parkedRetry, parkedSkip)
	for _, st := range all {
		var failed, parked, unparked, done, skipped, told, erased int
		err := j.db.QueryRow(ctx, `
			SELECT count(*) FILTER (WHERE kind = 'step.failed'), count(*) FILTER (WHERE kind = 'run.parked'),
			       count(*) FILTER (WHERE kind = 'run.unparked' AND payload ->> 'actor' LIKE 'users/%'),
			       count(*) FILTER (WHERE kind = 'step.succeeded'), count(*) FILTER (WHERE kind = 'step.skipped'),
			       count(*) FILTER (WHERE kind = 'step.skipped' AND payload ->> 'message' = $3),
			       (SELECT count(*) FROM audit.entry WHERE run = $1 AND action LIKE '%/ErasePerson')
			FROM events.run_event WHERE run = $1 AND step = $2`, id(st.run), parkedStep, reasonGiven).
			Scan(&failed, &parked, &unparked, &done, &skipped, &told, &erased)
		if err != nil {
			return len(all), nil, err
		}
		may := st.kind == parkedSkip || skipped == 0
		must := st.accepted["skipStep"] == 0 || skipped == 1
		if parked == 0 || failed != parked || unparked != parked || done+skipped != 1 || told != skipped || erased != done || !may || !must {
			faults = append(faults, fmt.Sprintf("%s (%s): failed %d, parked %d, unparked %d, done %d, skipped %d (%d with the reason), erased %d times; %v were accepted",
				st.run, st.kind, failed, parked, unparked, done, skipped, told, erased, st.accepted))
		}
	}
	return len(all), faults, nil
}

// bulkReached compares what a bulk run told with its plan, the plan with what became of the runs, and the list of failures
// with the refusals. Every command has its audit row, in the bulk run's name.
func bulkReached(ctx context.Context, j *judge) (int, []string, error) {
	var faults []string
	all := j.stories(commanding)
	for _, st := range all {
		var done, refused, left int
		err := j.db.QueryRow(ctx, `
			SELECT count(*) FILTER (WHERE state = 'DONE'), count(*) FILTER (WHERE state = 'FAILED' AND reason = 'QUEUED'),
			       count(*) FILTER (WHERE state NOT IN ('DONE', 'FAILED') OR state = 'FAILED' AND reason <> 'QUEUED')
			FROM runs.bulk_item WHERE bulk = $1`, id(st.run)).Scan(&done, &refused, &left)
		if err != nil {
			return len(all), nil, err
		}
		listed, err := j.listed(ctx, st)
		if err != nil {
			return len(all), nil, err
		}
		told := fmt.Sprintf("%s done, %s refused", text(st.result["done"]), text(st.result["failed"]))
		want := fmt.Sprintf("%d done, %d refused", st.reaches, st.refuses)
		if told != want || done != st.reaches || refused != st.refuses || left != 0 || listed != st.refuses {
			faults = append(faults, fmt.Sprintf("%s (%s) told %s; the plan has %d, %d and %d else, the list %d; want %s", st.run, st.command, told, done, refused, left, listed, want))
		}
		more, err := j.lines(ctx, bulkFaults[st.command], id(st.run))
		if err != nil {
			return len(all), nil, err
		}
		faults = append(faults, more...)
	}
	return len(all), faults, nil
}

// bulkFaults find what a command did not do, or did twice, to the runs of its plan ($1).
var bulkFaults = map[string]string{
	"PAUSE": `
		SELECT 'runs/' || i.target || ' was paused ' || (SELECT count(*) FROM events.run_event e WHERE e.run = i.target AND e.kind = 'run.paused')
		       || ' times, and the audit has ' || count(a.id)
		FROM runs.bulk_item i LEFT JOIN audit.entry a ON a.run = i.bulk AND a.target = 'runs/' || i.target AND a.action LIKE '%/PauseRun'
		WHERE i.bulk = $1 AND i.state = 'DONE'
		GROUP BY i.target HAVING count(a.id) = 0 OR (SELECT count(*) FROM events.run_event e WHERE e.run = i.target AND e.kind = 'run.paused') <> 1`,
	"CANCEL": `
		SELECT 'runs/' || r.id || ' ended ' || r.outcome || ', and the audit has ' || count(a.id) || ' rows of its cancel'
		FROM runs.bulk_item i JOIN runs.run r ON r.id = i.target
		LEFT JOIN audit.entry a ON a.run = i.bulk AND a.target = 'runs/' || i.target AND a.action LIKE '%/CancelRun'
		WHERE i.bulk = $1 AND i.state = 'DONE'
		GROUP BY r.id, r.outcome HAVING count(a.id) = 0 OR r.outcome <> 'CANCELLED'`,
	"RETRY": `
		SELECT 'runs/' || i.target || ' was retried ' || count(DISTINCT r.id) || ' times, and the audit has ' || count(a.id)
		FROM runs.bulk_item i LEFT JOIN runs.run r ON r.retried_from = i.target
		LEFT JOIN audit.entry a ON a.run = i.bulk AND a.target = 'runs/' || r.id AND a.action LIKE '%/RetryRun'
		WHERE i.bulk = $1 AND i.state = 'DONE'
		GROUP BY i.target HAVING count(DISTINCT r.id) <> 1 OR count(a.id) <> 1`,
}

// listed counts the lines of a bulk run's list of failures, each a run of the plan that refused.
func (j *judge) listed(ctx context.Context, st *story) (int, error) {
	file := text(st.result["failures"])
	if file == "" {
		return 0, nil
	}
	link, err := j.stage.api.do(ctx, http.MethodPost, "/v1/"+file+":download", "", map[string]any{})
	if err != nil {
		return 0, err
	}
	// In production a proxy leads such links to the role that keeps the files.
	address := strings.Replace(text(link["url"]), j.house.edge, j.house.core, 1)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return 0, err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK {
		return 0, fmt.Errorf("the list of failures of %s: %s", st.run, res.Status)
	}
	rows := csv.NewReader(res.Body)
	seen := map[string]bool{}
	for {
		row, err := rows.Read()
		if errors.Is(err, io.EOF) {
			return len(seen), nil
		}
		if err != nil {
			return 0, fmt.Errorf("the list of failures of %s: %w", st.run, err)
		}
		if !strings.HasPrefix(row[0], "runs/") {
			continue // the header
		}
		n, err := j.number(ctx, `SELECT count(*) FROM runs.bulk_item WHERE bulk = $1 AND target = $2 AND state = 'FAILED' AND reason = $3`, id(st.run), id(row[0]), row[1])
		if err != nil {
			return 0, err
		}
		if n == 1 {
			seen[row[0]] = true
		}
	}
}

// retriedOnce: nobody's retry made two runs, whoever repeated it.
func retriedOnce(ctx context.Context, j *judge) (int, []string, error) {
	looked, err := j.number(ctx, `SELECT count(*) FROM runs.run WHERE retried_from IS NOT NULL`)
	if err != nil {
		return 0, nil, err
	}
	faults, err := j.lines(ctx, `
		SELECT 'runs/' || retried_from || ' was retried as ' || string_agg('runs/' || id, ', ') FROM runs.run
		WHERE retried_from IS NOT NULL GROUP BY retried_from HAVING count(*) > 1`)
	return looked, faults, err
}
