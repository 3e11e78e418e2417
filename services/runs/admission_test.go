package runs_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/microservicehub/mshub/internal/rpc"
	"github.com/microservicehub/mshub/services/runs"
	runsv1 "github.com/microservicehub/mshub/services/runs/v1"
	"github.com/microservicehub/mshub/services/runs/v1/runsv1connect"
)

// crowd counts how many runs are within their first step at once.
type crowd struct {
	mu        sync.Mutex
	now, most int
	served    int
}

func (c *crowd) on(_ context.Context, call string) error {
	if call != "one" && call != "three" {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if call == "one" {
		c.now++
		c.most = max(c.most, c.now)
	} else {
		c.now--
		c.served++
	}
	return nil
}

// line fills the queue of a process with runs of an organisation, as StartRun would leave them.
func (h *house) line(process string, organisation uuid.UUID, n int) {
	h.t.Helper()
	h.system(func(tx pgx.Tx) error {
		_, err := tx.Exec(h.t.Context(), `
			WITH made AS (
				INSERT INTO runs.run (id, organisation_id, process, title, actor, input_hash, input, steps, queued)
				SELECT ($5 || lpad(to_hex(i), 12, '0'))::uuid, $1, $2, 'line ' || i, 'users/somebody', '', $3, '{}', true
				FROM generate_series(1, $4) AS i RETURNING id)
			INSERT INTO events.run_head (run, organisation_id, state) SELECT id, $1, 'QUEUED' FROM made`,
			organisation, process, `{"email": "ada@example.org", "displayName": "Ada", "role": "member"}`, n, h.linePrefix())
		return err
	})
}

// inLine is the id of the nth run of a line: older than any that is started, and no other house's, for they share a Temporal.
func (h *house) inLine(n int) string { return fmt.Sprintf("%s%012x", h.linePrefix(), n) }

func (h *house) linePrefix() string {
	own := h.org.String()[30:]
	return "01900000-0000-7" + own[:3] + "-8" + own[3:] + "-"
}

func (h *house) begin(c runsv1connect.RunsServiceClient, process, name string) *runsv1.Run {
	h.t.Helper()
	run, err := c.StartRun(h.t.Context(), &runsv1.StartRunRequest{Process: process, Input: input(h.t, map[string]any{
		"email": "ada@example.org", "displayName": name, "role": "member",
	})})
	if err != nil {
		h.t.Fatal(err)
	}
	return run
}

// Ten thousand runs of one organisation delay another's single one by a few; a node that dies having given a slot neither
// loses it nor gives it twice.
func TestAdmissionIsFairAndSurvivesACrash(t *testing.T) {
	t.Parallel()
	c := &crowd{}
	h := newHouse(t, c.on)
	const crowded = 10_000
	other := uuid.Must(uuid.NewV7())
	h.line("limited", other, crowded)
	// A node dies between giving a slot and launching the run.
	h.system(func(tx pgx.Tx) error {
		_, err := tx.Exec(t.Context(), `UPDATE runs.run SET queued = false, admitted_at = now() - interval '1 minute', created_at = now() - interval '1 minute'
			WHERE id = (SELECT id FROM runs.run ORDER BY id LIMIT 1)`)
		return err
	})
	neighbour := h.admin()
	neighbour.Organisation = other
	list, err := h.as(neighbour).ListRuns(t.Context(), &runsv1.ListRunsRequest{PageSize: 1, Filter: `state="QUEUED"`})
	if err != nil || list.GetRuns()[0].GetQueuePosition() != crowded-1 {
		t.Fatalf("place of the last: %v, %v", list, err)
	}
	h.background(h.service) // two nodes
	h.background(h.newService(time.Now))
	run := h.begin(h.as(h.admin()), "limited", "Grace")
	until(t, h.as(h.admin()), run.GetName(), "completed", inState(runsv1.Run_COMPLETED))
	var before int
	h.system(func(tx pgx.Tx) error {
		return tx.QueryRow(t.Context(), `SELECT count(*) FROM runs.run o, runs.run mine WHERE mine.id = $1 AND o.id <> mine.id
			AND o.admitted_at > mine.created_at AND o.admitted_at < mine.admitted_at`, run.GetName()[len("runs/"):]).Scan(&before)
	})
	if before > 3 {
		t.Errorf("%d of the others' runs went before the single one", before)
	}
	eventually(t, func() (bool, string) {
		c.mu.Lock()
		defer c.mu.Unlock()
		return c.served >= 12, fmt.Sprint(c.served)
	})
	first, err := h.as(neighbour).GetRun(t.Context(), &runsv1.GetRunRequest{Name: "runs/" + h.inLine(1)})
	if err != nil || first.GetState() != runsv1.Run_COMPLETED {
		t.Errorf("the run whose node died: %v, %v", first, err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.most > 2 {
		t.Errorf("%d runs at once; the limit is 2", c.most)
	}
}

func TestQueuedRunsCanBeMovedAndCancelled(t *testing.T) {
	t.Parallel()
	at := holdAt("one")
	h := newHouse(t, at.on)
	c := h.as(h.admin())
	first := h.begin(c, "serial", "order 1")
	<-at.came
	second, third := h.begin(c, "serial", "order 1"), h.begin(c, "serial", "order 1")
	free := h.begin(c, "serial", "order 2") // another key: not held up by the first
	if second.GetState() != runsv1.Run_QUEUED || second.GetQueuePosition() != 1 || third.GetQueuePosition() != 2 || free.GetState() == runsv1.Run_QUEUED || second.GetKey() != "order 1" {
		t.Errorf("second %s, third %s, free %s", second, third, free)
	}
	moved, err := c.PrioritiseRun(t.Context(), &runsv1.PrioritiseRunRequest{Name: second.GetName(), Priority: 5})
	if err != nil || moved.GetQueuePosition() != 2 || moved.GetPriority() != 5 {
		t.Errorf("moved: %v, %v", moved, err)
	}
	if _, err := c.PrioritiseRun(t.Context(), &runsv1.PrioritiseRunRequest{Name: first.GetName(), Priority: 5}); rpc.ReasonOf(err) != "NOT_QUEUED" {
		t.Errorf("a running one: %v", err)
	}
	load, err := c.GetLoad(t.Context(), &runsv1.GetLoadRequest{})
	if err != nil || len(load.GetLimits()) != 2 || load.GetLimits()[1].GetQueued() != 2 || load.GetLimits()[1].GetRunning() != 2 || !load.GetLimits()[1].GetPerKey() {
		t.Errorf("load: %v, %v", load, err)
	}
	cancelled, err := c.CancelRun(t.Context(), &runsv1.CancelRunRequest{Name: second.GetName(), Reason: "not needed"})
	if err != nil || cancelled.GetState() != runsv1.Run_CANCELLED || cancelled.GetEndTime() == nil {
		t.Errorf("cancelled: %v, %v", cancelled, err)
	}
	if _, err := h.client.DescribeWorkflowExecution(t.Context(), second.GetName()[len("runs/"):], ""); err == nil {
		t.Error("Temporal knows a run that never had a slot")
	}
	h.background(h.service)
	close(at.release)
	until(t, c, third.GetName(), "completed", inState(runsv1.Run_COMPLETED))
}

func TestSingletonAndSameKeyStarts(t *testing.T) {
	t.Parallel()
	at := holdAt("one")
	h := newHouse(t, at.on)
	c := h.as(h.admin())
	// Ten at once under one key are one run; another start is refused while it is open.
	var names sync.Map
	var all sync.WaitGroup
	for range 10 {
		all.Go(func() {
			run, err := c.StartRun(t.Context(), &runsv1.StartRunRequest{Process: "single", Input: input(t, ada), IdempotencyKey: "same"})
			if err != nil {
				t.Error(err)
			}
			names.Store(run.GetName(), true)
		})
	}
	all.Wait()
	n, open := 0, ""
	names.Range(func(name, _ any) bool { n++; open = name.(string); return true })
	if n != 1 {
		t.Errorf("%d runs of one key", n)
	}
	_, err := c.StartRun(t.Context(), &runsv1.StartRunRequest{Process: "single", Input: input(t, ada)})
	if rpc.ReasonOf(err) != "SINGLETON" || !contains(rpc.Message(err), open) {
		t.Errorf("beside it: %v", err)
	}
	stranger := h.admin()
	stranger.Organisation = uuid.Must(uuid.NewV7())
	h.begin(h.as(stranger), "single", "elsewhere")
	close(at.release)
	until(t, c, open, "completed", inState(runsv1.Run_COMPLETED))
	h.begin(c, "single", "afterwards")
}

// The row decides, so a key holds when Temporal has long forgotten the run.
func TestKeysOutliveTemporalsRetention(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	c := h.as(h.admin())
	start := func() (*runsv1.Run, error) {
		ctx := rpc.WithIdempotencyKey(t.Context(), "order-7")
		return h.as(h.admin()).StartRun(ctx, &runsv1.StartRunRequest{Process: "three", Input: input(t, ada), IdempotencyKey: "order-7"})
	}
	first, err := start()
	if err != nil {
		t.Fatal(err)
	}
	until(t, c, first.GetName(), "completed", inState(runsv1.Run_COMPLETED))
	if err := h.forget(first.GetName()); err != nil {
		t.Fatal(err)
	}
	again, err := start()
	if err != nil || again.GetName() != first.GetName() || again.GetState() != runsv1.Run_COMPLETED || len(h.probe.seen()) != 3 {
		t.Errorf("again: %v, %v, %v", again, err, h.probe.seen())
	}
}

func TestLimitsThatLetNothingStartAreRefused(t *testing.T) {
	t.Parallel()
	for name, limits := range map[string]map[string]int64{
		"zero":            {"limited.concurrency": 0},
		"negative":        {"limited.organisation": -1},
		"unknown process": {"nonsense.concurrency": 1},
		"unknown limit":   {"limited.weight": 1},
	} {
		_, err := runs.New(runs.Parts{
			Processes: definitions("q"), Schemas: os.DirFS("../../workflows/schema"), Logger: slog.New(slog.DiscardHandler), Now: time.Now,
			Config: runs.Config{Limits: limits},
		})
		if err == nil || !contains(err.Error(), "MSHUB_RUNS_LIMITS") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := (&runs.Config{Retention: time.Hour, Limits: map[string]int64{"limited.concurrency": 0}}).Validate(); err == nil {
		t.Error("the configuration accepts a limit of 0")
	}
}
