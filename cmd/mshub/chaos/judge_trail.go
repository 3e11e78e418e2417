package main

import (
	"context"
	"fmt"
	"net/http"
)

// audited: what was accepted, and what runs did in services, each by one row, a step once more if a reset had it done again.
// A command has its row before the run hears of it, so there may be more rows than commands, never fewer.
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
		if err := one(st.method, st.run); err != nil {
			return looked, nil, err
		}
		if st.dataset != "" && st.kind != importOver {
			if err := one("CreateDataset", st.dataset); err != nil {
				return looked, nil, err
			}
		}
		for verb, accepted := range st.accepted {
			looked++
			n, err := j.number(ctx, `SELECT count(*) FROM audit.entry WHERE action LIKE '%/' || $1 AND target = $2`, methods[verb], st.run)
			if err != nil {
				return looked, nil, err
			}
			if n < accepted {
				faults = append(faults, fmt.Sprintf("%d audit rows of %d accepted %s of %s", n, accepted, verb, st.run))
			}
		}
	}
	byRuns, err := j.lines(ctx, `
		SELECT 'runs/' || e.run || ': step ' || e.step || ' succeeded, and the audit has ' || count(DISTINCT a.id) || ' rows of ' || v.action
		FROM events.run_event e
		JOIN runs.run r ON r.id = e.run
		JOIN (VALUES ('onboarding', 'invite', 'InviteUser'), ('onboarding', 'membership', 'CreateMembership'), ('recordimport', 'plan', 'PlanImport'))
			AS v (process, step, action) ON v.process = r.process AND v.step = e.step
		LEFT JOIN audit.entry a ON a.run = e.run AND a.action LIKE '%/' || v.action
		WHERE e.kind = 'step.succeeded'
		GROUP BY e.run, e.step, v.action HAVING count(DISTINCT a.id) NOT BETWEEN 1 AND 1 + (
			SELECT count(*) FROM events.run_event b WHERE b.run = e.run AND b.kind = 'run.reset' AND b.payload -> 'data' -> 'steps' ? e.step)
		UNION ALL
		SELECT 'runs/' || e.run || ': ' || count(DISTINCT e.seq) || ' times ' || v.kind || ', and the audit has ' || count(DISTINCT a.id) || ' rows of it'
		FROM events.run_event e
		JOIN (VALUES ('run.paused', '/PauseRun'), ('run.resumed', '/ResumeRun'), ('run.unparked', 'Step'), ('run.reset', '/ResetRun'))
			AS v (kind, action) ON v.kind = e.kind
		LEFT JOIN audit.entry a ON a.target = 'runs/' || e.run AND a.action LIKE '%RunsService%' || v.action
		GROUP BY e.run, v.kind HAVING count(DISTINCT a.id) < count(DISTINCT e.seq)`)
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
