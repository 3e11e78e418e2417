package runs_test

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/microservicehub/mshub/internal/auth"
	runsv1 "github.com/microservicehub/mshub/services/runs/v1"
)

// Lists answer at once however much there is. MSHUB_SCALE=1000000 takes as many runs and tasks; without it, a few thousand
// show that the queries hold together.
func TestListsAtScale(t *testing.T) {
	n, limit := 5_000, 2*time.Second
	if text := os.Getenv("MSHUB_SCALE"); text != "" {
		var err error
		if n, err = strconv.Atoi(text); err != nil {
			t.Fatal(err)
		}
		limit = 50 * time.Millisecond
	}
	h := newHouse(t, nil)
	other := uuid.Must(uuid.NewV7())
	// One run in ten is another organisation's; few are running, parked, of one actor, with one key or of one schedule.
	h.system(func(tx pgx.Tx) error {
		for _, statement := range []string{
			`INSERT INTO runs.run (id, organisation_id, process, title, actor, input_hash, input, steps, key, schedule, created_at, launched_at, ended_at, outcome)
			 SELECT ('01900000-0000-7000-8000-' || lpad(to_hex(i), 12, '0'))::uuid, CASE WHEN i % 10 = 0 THEN $2::uuid ELSE $1::uuid END,
			        CASE WHEN i % 100 = 1 THEN 'many' ELSE 'three' END, 'flights-' || i || '.csv ' || CASE WHEN i % 1000 = 7 THEN 'Rotterdam' ELSE 'Bremen' END,
			        'users/' || i % 997, '', '{}', '{}', 'order-' || i % 50000, CASE WHEN i % 500 = 3 THEN 'nightly' END, now(), now(),
			        CASE WHEN i % 20000 <> 11 THEN now() END, CASE WHEN i % 20000 <> 11 THEN 'COMPLETED' END
			 FROM generate_series(1, $3::int) AS i`,
			`INSERT INTO events.run_head (run, organisation_id, state, parked, seq)
			 SELECT id, organisation_id, CASE WHEN ended_at IS NULL THEN 'RUNNING' WHEN right(id::text, 2) = '07' THEN 'FAILED' ELSE 'COMPLETED' END,
			        ended_at IS NULL AND right(id::text, 1) = 'b', 3 FROM runs.run WHERE $1::uuid <> $2::uuid AND $3::int > 0`,
			`INSERT INTO runs.task (id, organisation_id, run, process, step, item, title, description, state, assignee)
			 SELECT r.id, r.organisation_id, r.id, r.process, 'approval', 0, 'Approve ' || r.title, '', 'OPEN',
			        CASE WHEN right(r.id::text, 3) = '00b' THEN 'users/ada' WHEN right(r.id::text, 2) = '0c' THEN 'roles/approver' ELSE 'roles/clerk' END
			 FROM runs.run r WHERE $1::uuid <> $2::uuid AND $3::int > 0`,
		} {
			if _, err := tx.Exec(t.Context(), statement, h.org, other, n); err != nil {
				return err
			}
		}
		return nil
	})
	h.analyze()
	admin := h.as(h.admin())
	clerk := h.user([]string{"approver", "clerk", "member"}, "runs.read", "tasks.read", "tasks.decide")
	lists := map[string]func() (int, error){}
	runs := func(name, filter, search string) {
		lists[name] = func() (int, error) {
			res, err := admin.ListRuns(t.Context(), &runsv1.ListRunsRequest{Filter: filter, Search: search})
			return len(res.GetRuns()), err
		}
	}
	runs("all", "", "")
	runs("running", `state="RUNNING"`, "")
	runs("failed", `state="FAILED"`, "")
	runs("of a process", `process="many"`, "")
	runs("running of a process", `process="three" AND state="RUNNING"`, "")
	runs("by an actor", `actor="users/5"`, "")
	runs("with a key", `key="order-77"`, "")
	runs("of a schedule", `schedule="schedules/nightly"`, "")
	runs("parked", `parked=true`, "")
	runs("a rare word", "", "rotterdam")
	runs("common words", "", "three flig")
	runs("a common word and a beginning", "", "flights 12")
	runs("one file", "", "flights 4711")
	runs("no such word", "", "zanzibar")
	inbox := func(name string, as auth.Caller, req *runsv1.ListTasksRequest) {
		c := h.as(as)
		lists["inbox "+name] = func() (int, error) {
			res, err := c.ListTasks(t.Context(), req)
			return len(res.GetTasks()), err
		}
	}
	inbox("of several roles", clerk, &runsv1.ListTasksRequest{Mine: true})
	inbox("of a person", h.user(nil, "tasks.read", "tasks.decide"), &runsv1.ListTasksRequest{Mine: true})
	inbox("of administrators", h.admin(), &runsv1.ListTasksRequest{Mine: true})
	inbox("open", h.admin(), &runsv1.ListTasksRequest{Filter: `state="OPEN"`})
	for name, list := range lists {
		var took []time.Duration
		found := 0
		for range 100 {
			began := time.Now()
			var err error
			if found, err = list(); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			took = append(took, time.Since(began))
		}
		slices.Sort(took)
		t.Logf("%-28s %3d rows  p50 %6s  p99 %6s", name, found, took[50].Round(10*time.Microsecond), took[98].Round(10*time.Microsecond))
		if took[98] > limit {
			t.Errorf("%s: p99 %s", name, took[98])
		}
	}
	// A page follows a page.
	first, err := admin.ListRuns(t.Context(), &runsv1.ListRunsRequest{Search: "rotterdam", PageSize: 2})
	if err != nil || len(first.GetRuns()) != 2 {
		t.Fatalf("%v, %v", first, err)
	}
	second, err := admin.ListRuns(t.Context(), &runsv1.ListRunsRequest{Search: "rotterdam", PageSize: 2, PageToken: first.GetNextPageToken()})
	if err != nil || len(second.GetRuns()) == 0 || second.GetRuns()[0].GetName() >= first.GetRuns()[1].GetName() {
		t.Errorf("%v, %v", fmt.Sprint(second), err)
	}
}

// analyze gives the planner its figures, as autovacuum does after a while.
func (h *house) analyze() {
	h.t.Helper()
	conn, err := pgx.Connect(h.t.Context(), h.databaseURL)
	if err != nil {
		h.t.Fatal(err)
	}
	defer func() { _ = conn.Close(h.t.Context()) }()
	if _, err := conn.Exec(h.t.Context(), "VACUUM (ANALYZE)"); err != nil {
		h.t.Fatal(err)
	}
}
