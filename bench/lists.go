package main

import (
	"context"
	_ "embed"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// listsSQL makes the rows, in statements divided by empty lines.
//
//go:embed lists.sql
var listsSQL string

// listFunctions are what lists.sql is written with: ids that carry a time as UUIDv7 do, and what the rows have in common.
var listFunctions = []string{
	`CREATE FUNCTION uuid_of(i bigint, at timestamptz) RETURNS uuid LANGUAGE sql IMMUTABLE RETURN
		(lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || '7' || substr(md5(i::text), 1, 3) || '8' || substr(md5(i::text), 4, 15))::uuid`,
	`CREATE FUNCTION made(n bigint) RETURNS TABLE (i bigint, at timestamptz, process text, state text, open boolean) LANGUAGE sql STABLE AS $$
		SELECT i, date_trunc('second', now()) - (n - i) * interval '5 seconds',
		       CASE WHEN (i * 7 + i / 1000 * 3) % 20 < 14 THEN 'recordimport' WHEN (i * 7 + i / 1000 * 3) % 20 < 19 THEN 'onboarding' ELSE 'recordexport' END,
		       CASE WHEN i % 20 = 0 THEN 'WAITING' WHEN i % 1000 = 1 THEN 'RUNNING' WHEN i % 1000 BETWEEN 2 AND 11 THEN 'FAILED'
		            WHEN i % 1000 BETWEEN 12 AND 15 THEN 'CANCELLED' ELSE 'COMPLETED' END,
		       i % 20 = 0 OR i % 1000 = 1
		FROM generate_series(1, n) AS i $$`,
}

// measureLists asks for lists over HTTP as the console does, 50 lines a page, among very many runs and tasks of one
// organisation, one call after another. The caller is a person with the role approver. The rows are written by SQL, the
// statistics are fresh, as autovacuum makes them in time; the runs have no journals, which lists do not read.
func measureLists(ctx context.Context, s sizes) ([]Figure, error) {
	r, err := newRig(ctx, true)
	if err != nil {
		return nil, err
	}
	defer r.close()
	if err := r.up(); err != nil {
		return nil, err
	}
	if err := r.signIn("ada@example.org"); err != nil {
		return nil, err
	}
	user, err := r.fill(ctx, s.listed)
	if err != nil {
		return nil, err
	}
	deep, err := r.deepPage(s.listed * 9 / 10)
	if err != nil {
		return nil, err
	}
	runs := func(filter string) string { return "/v1/runs?pageSize=50&filter=" + url.QueryEscape(filter) }
	lists := []struct {
		name string
		// path of the i-th call.
		path func(i int) string
	}{
		{"inbox, mine", func(int) string { return "/v1/tasks?pageSize=50&mine=true&filter=" + url.QueryEscape(`state="OPEN"`) }},
		{"runs, newest", func(int) string { return "/v1/runs?pageSize=50" }},
		{"runs by state", func(i int) string {
			return runs(fmt.Sprintf("state=%q", []string{"FAILED", "RUNNING", "WAITING", "CANCELLED"}[i%4]))
		}},
		{"runs by process and state", func(i int) string {
			return runs(fmt.Sprintf("process=%q AND state=%q", []string{"recordimport", "recordexport"}[i%2], []string{"FAILED", "RUNNING"}[i/2%2]))
		}},
		{"runs by actor", func(int) string { return runs(fmt.Sprintf("actor=%q", "users/"+user)) }},
		{"runs by key", func(i int) string {
			return runs(fmt.Sprintf("key=%q", fmt.Sprintf("order-%d", 2+2*(i*997%(s.listed/2)))))
		}},
		{"runs by words", func(i int) string { return fmt.Sprintf("/v1/runs?pageSize=50&search=flights+%d", i*37%5000) }},
		{"runs, a page far down", func(int) string { return "/v1/runs?pageSize=50&pageToken=" + url.QueryEscape(deep) }},
	}
	among := fmt.Sprintf(" among %s: ", number(float64(s.listed)))
	var found []Figure
	for _, l := range lists {
		var half, most []float64
		for sample := range min(s.samples, 3) + 1 {
			var durations []float64
			lines := 0
			for i := range s.listCalls {
				began := time.Now()
				var page struct{ Runs, Tasks []struct{} }
				if err := r.call(http.MethodGet, l.path(i), nil, &page); err != nil {
					return nil, err
				}
				durations = append(durations, milliseconds(time.Since(began)))
				lines += len(page.Runs) + len(page.Tasks)
			}
			if lines == 0 {
				return nil, fmt.Errorf("%s: nothing was found with %s", l.name, l.path(0))
			}
			if sample > 0 { // the first one warmed up
				half, most = append(half, quantile(durations, 0.5)), append(most, quantile(durations, 0.99))
			}
		}
		found = append(found, figure(l.name+among+"p50", "ms", "-", half, "", nil), figure(l.name+among+"p99", "ms", "median < 50", most, "", nil))
	}
	return found, nil
}

// fill writes the rows for the organisation of the person who is signed in, and takes that person down to approver.
func (r *rig) fill(ctx context.Context, n int) (user string, err error) {
	conn, err := pgx.Connect(ctx, r.database.URL())
	if err != nil {
		return "", err
	}
	defer func() { _ = conn.Close(ctx) }()
	var organisation string
	if err := conn.QueryRow(ctx, "SELECT organisation_id::text, user_id::text FROM identity.memberships").Scan(&organisation, &user); err != nil {
		return "", err
	}
	// Foreign keys hold by construction; checking a million of them takes minutes.
	prepare := append([]string{"UPDATE identity.memberships SET roles = '{approver}'", "SET session_replication_role = replica"}, listFunctions...)
	if err := perform(ctx, conn, prepare...); err != nil {
		return "", err
	}
	// In one transaction, which has one now().
	err = pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		for statement := range strings.SplitSeq(listsSQL, "\n\n") {
			arguments := []any{n, organisation, user}
			if !strings.Contains(statement, "$3") {
				arguments = arguments[:2]
			}
			if _, err := tx.Exec(ctx, statement, arguments...); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return "", err
	}
	err = perform(ctx, conn, "VACUUM ANALYZE runs.run", "VACUUM ANALYZE events.run_head", "VACUUM ANALYZE runs.task", "CHECKPOINT")
	return user, err
}

// deepPage turns pages until so many runs lie behind it, and returns the token of the next page.
func (r *rig) deepPage(depth int) (token string, err error) {
	for seen := 0; seen < depth; {
		var page struct {
			Runs          []struct{}
			NextPageToken string
		}
		path := fmt.Sprintf("/v1/runs?pageSize=%d&pageToken=%s", min(depth-seen, 1000), url.QueryEscape(token))
		if err := r.call(http.MethodGet, path, nil, &page); err != nil {
			return "", err
		}
		if page.NextPageToken == "" {
			return "", fmt.Errorf("the list of runs ended after %d", seen+len(page.Runs))
		}
		seen, token = seen+len(page.Runs), page.NextPageToken
	}
	return token, nil
}
