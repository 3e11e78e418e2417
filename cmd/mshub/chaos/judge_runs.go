package main

import (
	"context"
	"fmt"
	"strings"
)

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
		case st.kind == importCancel, st.kind == importOver:
			want = "CANCELLED or COMPLETED" // the last chunk may have been faster
		case st.kind == hiringCancel, st.kind == commanded:
			want = "CANCELLED"
		case st.decision() == "REJECT":
			want = "FAILED or CANCELLED"
		}
		if !strings.Contains(want, st.state) {
			why, err := j.lines(ctx, `SELECT coalesce(error::text, '') FROM runs.run WHERE id = $1`, id(st.run))
			if err != nil {
				return looked, nil, err
			}
			faults = append(faults, fmt.Sprintf("%s (%s) ended %s, not %s: %s", st.run, st.kind, st.state, want, strings.Join(why, "")))
		}
	}
	return looked, faults, nil
}

func membersFit(ctx context.Context, j *judge) (int, []string, error) {
	var faults []string
	all := j.stories(hiring, hiringCancel, hiringReset, oneStep)
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
