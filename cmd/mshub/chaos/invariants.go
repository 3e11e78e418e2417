package main

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
)

// invariant is a sentence that must be true when the dust has settled. check names each thing that makes it false, and says
// how many things it looked at.
type invariant struct {
	sentence string
	check    func(ctx context.Context, j *judge) (looked int, faults []string, err error)
}

var invariants = []invariant{
	{"every story went as the API promised", storiesWent},
	{"every accepted run is there once and has ended", runsEnded},
	{"every run ended as its story says", endsFit},
	{"rows in the target = rows of the file - rejects; of cancelled imports none, or what was kept", rowsArrived},
	{"the ledger adds up", ledgerAddsUp},
	{"an export has every record that was imported", exportsWhole},
	{"each committed step was undone exactly once, and no other", undoneOnce},
	{"people are members exactly if their onboarding completed", membersFit},
	{"every task was decided once", decidedOnce},
	{"every mutation has its audit row", audited},
	{"the audit chain verifies", chainVerifies},
	{"journals have no gap and no double", journalsWhole},
	{"viewers saw every event of a run once, in order", feedsWhole},
	{"every end was told to the webhook, under one id", endsTold},
	{"no process panicked or ended by itself", noSurprise},
}

// judge looks at the house with the eyes of the database's owner.
type judge struct {
	db    *pgx.Conn
	house *house
	stage *stage
}

func (j *judge) stories(kinds ...storyKind) []*story {
	var some []*story
	for _, st := range j.stage.stories {
		for _, k := range kinds {
			if st.kind == k && st.run != "" {
				some = append(some, st)
			}
		}
	}
	return some
}

// lines is what a query says, a fault a row.
func (j *judge) lines(ctx context.Context, query string, args ...any) ([]string, error) {
	rows, err := j.db.Query(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}

func (j *judge) number(ctx context.Context, query string, args ...any) (n int, err error) {
	err = j.db.QueryRow(ctx, query, args...).Scan(&n)
	return n, err
}

func storiesWent(_ context.Context, j *judge) (int, []string, error) {
	var faults []string
	for _, st := range j.stage.stories {
		if st.err != nil {
			faults = append(faults, fmt.Sprintf("story %d (%s) %s: %v", st.number, st.kind, st.run, st.err))
		}
	}
	return len(j.stage.stories), faults, nil
}

func runsEnded(ctx context.Context, j *judge) (int, []string, error) {
	var faults []string
	looked := 0
	for _, st := range j.stage.stories {
		if st.run == "" {
			continue
		}
		looked++
		found, err := j.lines(ctx, `SELECT 'runs/' || id || CASE WHEN ended_at IS NULL THEN ' is open' ELSE '' END FROM runs.run WHERE idempotency_key = $1`, st.key)
		if err != nil {
			return looked, nil, err
		}
		if len(found) != 1 || found[0] != st.run {
			faults = append(faults, fmt.Sprintf("%s was accepted; the database has %v", st.run, found))
		}
	}
	open, err := j.lines(ctx, `SELECT 'runs/' || id || ' (' || process || ') has not ended' FROM runs.run WHERE ended_at IS NULL`)
	return looked, append(faults, open...), err
}

// endsFit compares each end with what was asked for.
func endsFit(ctx context.Context, j *judge) (int, []string, error) {
	var faults []string
	looked := 0
	for _, st := range j.stage.stories {
		if st.state == "" {
			continue
		}
		looked++
		want := "COMPLETED"
		switch {
		case st.kind == oneStep:
			want = "FAILED"
		case st.kind == importCancel:
			want = "CANCELLED or COMPLETED" // the last chunk may have been faster
		case st.kind == hiringCancel:
			want = "CANCELLED"
		case st.decision == "REJECT":
			want = "FAILED or CANCELLED"
		}
		if !strings.Contains(want, st.state) {
			why, err := j.lines(ctx, `SELECT coalesce(error::text, '') FROM runs.run WHERE id = $1`, strings.TrimPrefix(st.run, "runs/"))
			if err != nil {
				return looked, nil, err
			}
			faults = append(faults, fmt.Sprintf("%s (%s) ended %s, not %s: %s", st.run, st.kind, st.state, want, strings.Join(why, "")))
		}
	}
	return looked, faults, nil
}

// rowsArrived: all good rows after an import that completed, none after one that was cancelled and undone, and what the
// ledger has after one that was cancelled and kept. A replacement that was not finished leaves what was there: nothing.
func rowsArrived(ctx context.Context, j *judge) (int, []string, error) {
	var faults []string
	all := j.stories(importing, importPaused, importCancel)
	for _, st := range all {
		want := 0
		switch {
		case st.state == "COMPLETED":
			want = st.rows - st.rejects
		case st.keep && st.mode != "REPLACE":
			n, err := j.number(ctx, `SELECT coalesce(sum(inserted), 0) FROM records.import_chunk WHERE import_id = $1`, strings.TrimPrefix(st.run, "runs/"))
			if err != nil {
				return len(all), nil, err
			}
			want = n
		}
		out, err := j.stage.admin.do(ctx, http.MethodGet, "/v1/"+st.dataset+"/records:count", "", nil)
		if err != nil {
			return len(all), nil, err
		}
		n := 0
		_, _ = fmt.Sscan(text(out["count"]), &n) // 0 is left out
		if n != want {
			faults = append(faults, fmt.Sprintf("%s has %d records, want %d: the file has %d rows, %d of them bad; %s ended %s (keep: %v)", st.dataset, n, want, st.rows, st.rejects, st.run, st.state, st.keep))
		}
	}
	return len(all), faults, nil
}

func ledgerAddsUp(ctx context.Context, j *judge) (int, []string, error) {
	var faults []string
	looked := 0
	for _, st := range j.stories(importing, importPaused, importCancel) {
		if st.state != "COMPLETED" {
			continue
		}
		looked++
		var rows, read, inserted, rejected, undone int
		err := j.db.QueryRow(ctx, `
			SELECT (SELECT rows FROM records.import WHERE id = $1), coalesce(sum(inserted + updated + unchanged + rejected), 0),
			       coalesce(sum(inserted), 0), coalesce(sum(rejected), 0), count(*) FILTER (WHERE NOT done)
			FROM records.import_chunk WHERE import_id = $1`, strings.TrimPrefix(st.run, "runs/")).Scan(&rows, &read, &inserted, &rejected, &undone)
		if err != nil {
			return looked, nil, err
		}
		if rows != st.rows || read != st.rows || rejected != st.rejects || inserted != st.rows-st.rejects || undone != 0 {
			faults = append(faults, fmt.Sprintf("%s: planned %d, in chunks %d, inserted %d, rejected %d, chunks left %d; the file has %d rows, %d of them bad",
				st.run, rows, read, inserted, rejected, undone, st.rows, st.rejects))
		}
		var told string
		err = j.db.QueryRow(ctx, `SELECT concat_ws(' ', result ->> 'read', result ->> 'inserted', coalesce(result ->> 'rejected', '0')) FROM runs.run WHERE id = $1`,
			strings.TrimPrefix(st.run, "runs/")).Scan(&told)
		if err != nil {
			return looked, nil, err
		}
		if want := fmt.Sprint(st.rows, " ", st.rows-st.rejects, " ", st.rejects); told != want {
			faults = append(faults, fmt.Sprintf("%s told read, inserted, rejected as %s, not %s", st.run, told, want))
		}
	}
	return looked, faults, nil
}

func exportsWhole(_ context.Context, j *judge) (int, []string, error) {
	var faults []string
	looked := 0
	for _, st := range j.stories(importing) {
		if st.export == "" {
			continue
		}
		looked++
		if want := strconv.Itoa(st.rows - st.rejects); st.exported != want {
			faults = append(faults, fmt.Sprintf("%s of %s wrote %q records, want %s", st.export, st.dataset, st.exported, want))
		}
	}
	return looked, faults, nil
}

// undoneOnce reads the journals of ended runs. A step whose answer never came may be undone as well: perhaps it was done.
func undoneOnce(ctx context.Context, j *judge) (int, []string, error) {
	looked, err := j.number(ctx, `SELECT count(*) FROM runs.run WHERE outcome IN ('FAILED', 'CANCELLED')`)
	if err != nil {
		return 0, nil, err
	}
	faults, err := j.lines(ctx, `
		WITH step AS (
			SELECT e.run, e.step,
			       count(*) FILTER (WHERE kind IN ('step.started', 'step.succeeded', 'step.failed', 'step.timed_out')) AS tried,
			       count(*) FILTER (WHERE kind = 'step.succeeded') AS succeeded,
			       count(*) FILTER (WHERE kind = 'step.compensating') AS compensating,
			       count(*) FILTER (WHERE kind = 'step.compensated') AS compensated
			FROM events.run_event e WHERE e.step <> '' GROUP BY e.run, e.step)
		SELECT 'runs/' || r.id || ' (' || r.outcome || ') step ' || s.step || ': tried ' || tried || ', succeeded ' || succeeded || ', undone ' || compensated
		FROM step s JOIN runs.run r ON r.id = s.run
		WHERE r.ended_at IS NOT NULL AND (
			compensated > 1 OR compensating > compensated
			OR (compensated = 1 AND (tried = 0 OR r.outcome = 'COMPLETED'))
			OR (succeeded > 0 AND compensated = 0 AND r.outcome IN ('FAILED', 'CANCELLED')
			    AND (r.process, s.step) IN (('onboarding', 'invite'), ('onboarding', 'membership'), ('recordimport', 'plan'))))`)
	return looked, faults, err
}

func membersFit(ctx context.Context, j *judge) (int, []string, error) {
	var faults []string
	all := j.stories(hiring, hiringCancel, oneStep)
	for _, st := range all {
		var members, pending int
		err := j.db.QueryRow(ctx, `
			SELECT (SELECT count(*) FROM identity.memberships m JOIN identity.users u ON u.id = m.user_id WHERE u.email = $1),
			       (SELECT count(*) FROM identity.invitations WHERE email = $1 AND state = 'PENDING')`, st.email).Scan(&members, &pending)
		if err != nil {
			return len(all), nil, err
		}
		want := 0
		if st.state == "COMPLETED" {
			want = 1
		}
		if members != want || pending != 0 {
			faults = append(faults, fmt.Sprintf("%s: %d memberships, %d open invitations after %s ended %s", st.email, members, pending, st.run, st.state))
		}
	}
	return len(all), faults, nil
}

func decidedOnce(ctx context.Context, j *judge) (int, []string, error) {
	var faults []string
	looked := 0
	for _, st := range j.stories(hiring) {
		if st.task == "" {
			continue
		}
		looked++
		var state, decision string
		var rows int
		err := j.db.QueryRow(ctx, `
			SELECT state, decision, (SELECT count(*) FROM audit.entry WHERE target = $1 AND action LIKE '%/DecideTask')
			FROM runs.task WHERE id = $2`, st.task, strings.TrimPrefix(st.task, "tasks/")).Scan(&state, &decision, &rows)
		if err != nil {
			return looked, nil, err
		}
		if st.accepted != 1 || state != "DECIDED" || decision != st.decision || rows != 1 {
			faults = append(faults, fmt.Sprintf("%s: %d decisions were accepted (last %s), the row says %s %s, the audit has %d", st.task, st.accepted, st.decision, state, decision, rows))
		}
	}
	return looked, faults, nil
}

// audited: what was accepted, and what runs did in services, each by one row.
func audited(ctx context.Context, j *judge) (int, []string, error) {
	var faults []string
	looked := 0
	one := func(action, target string) error {
		looked++
		n, err := j.number(ctx, `SELECT count(*) FROM audit.entry WHERE action LIKE '%/' || $1 AND target = $2`, action, target)
		if n != 1 {
			faults = append(faults, fmt.Sprintf("%d audit rows of %s on %s", n, action, target))
		}
		return err
	}
	for _, st := range j.stage.stories {
		if st.run == "" {
			continue
		}
		if err := one("StartRun", st.run); err != nil {
			return looked, nil, err
		}
		if st.dataset != "" {
			if err := one("CreateDataset", st.dataset); err != nil {
				return looked, nil, err
			}
		}
		if st.cancelled {
			if n, err := j.number(ctx, `SELECT count(*) FROM audit.entry WHERE action LIKE '%/CancelRun' AND target = $1`, st.run); err != nil {
				return looked, nil, err
			} else if n == 0 {
				faults = append(faults, "no audit row of the cancel of "+st.run)
			}
		}
	}
	byRuns, err := j.lines(ctx, `
		SELECT 'runs/' || e.run || ': step ' || e.step || ' succeeded, and the audit has ' || count(a.id) || ' rows of ' || v.action
		FROM events.run_event e
		JOIN runs.run r ON r.id = e.run
		JOIN (VALUES ('onboarding', 'invite', 'InviteUser'), ('onboarding', 'membership', 'CreateMembership'), ('recordimport', 'plan', 'PlanImport'))
			AS v (process, step, action) ON v.process = r.process AND v.step = e.step
		LEFT JOIN audit.entry a ON a.run = e.run AND a.action LIKE '%/' || v.action
		WHERE e.kind = 'step.succeeded'
		GROUP BY e.run, e.step, v.action HAVING count(DISTINCT a.id) <> 1`)
	return looked, append(faults, byRuns...), err
}

func chainVerifies(ctx context.Context, j *judge) (int, []string, error) {
	out, err := j.stage.admin.do(ctx, http.MethodGet, "/v1/auditEntries:verify", "", nil)
	if err != nil {
		return 0, nil, err
	}
	looked := 0
	_, _ = fmt.Sscan(text(out["entries"]), &looked)
	if out["valid"] != true {
		return looked, []string{fmt.Sprintf("broken at %v", out["brokenAt"])}, nil
	}
	return looked, nil, nil
}

func journalsWhole(ctx context.Context, j *judge) (int, []string, error) {
	looked, err := j.number(ctx, `SELECT count(*) FROM events.run_event`)
	if err != nil {
		return 0, nil, err
	}
	faults, err := j.lines(ctx, `
		SELECT 'runs/' || h.run || ': head ' || h.seq || ', events ' || count(e.seq) || ' from ' || coalesce(min(e.seq), 0) || ' to ' || coalesce(max(e.seq), 0)
		FROM events.run_head h LEFT JOIN events.run_event e USING (run)
		GROUP BY h.run, h.seq HAVING count(e.seq) <> h.seq OR min(e.seq) <> 1 OR max(e.seq) <> h.seq
		UNION ALL
		SELECT 'runs/' || run || ' ended ' || count(*) || ' times' FROM events.run_event
		WHERE kind IN ('run.completed', 'run.failed', 'run.cancelled', 'run.terminated') GROUP BY run HAVING count(*) <> 1`)
	return looked, faults, err
}

func feedsWhole(ctx context.Context, j *judge) (int, []string, error) {
	var faults []string
	looked := 0
	for _, st := range j.stage.stories {
		if st.viewed == nil {
			continue
		}
		looked++
		select {
		case <-st.viewed:
			if st.viewErr != nil {
				faults = append(faults, st.viewErr.Error())
			}
		case <-ctx.Done():
			faults = append(faults, "the viewer of "+st.run+" still waits")
		}
	}
	return looked, faults, nil
}

func endsTold(_ context.Context, j *judge) (int, []string, error) {
	r := j.stage.hook
	r.mu.Lock()
	defer r.mu.Unlock()
	var faults []string
	looked := 0
	for _, st := range j.stage.stories {
		if st.state == "" {
			continue
		}
		looked++
		if n := len(r.told[st.run]); n != 1 {
			faults = append(faults, fmt.Sprintf("the end of %s (%s) was told under %d ids", st.run, st.state, n))
		}
	}
	if r.forged > 0 {
		faults = append(faults, fmt.Sprintf("%d calls had a wrong signature", r.forged))
	}
	return looked, faults, nil
}

func noSurprise(_ context.Context, j *judge) (int, []string, error) {
	var faults []string
	for name, r := range j.house.roles {
		r.mu.Lock()
		for _, words := range r.surprises {
			faults = append(faults, name+": "+words)
		}
		r.mu.Unlock()
	}
	return len(j.house.roles), faults, nil
}
