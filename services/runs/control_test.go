package runs_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/microservicehub/mshub/internal/auth"
	"github.com/microservicehub/mshub/internal/rpc"
	runsv1 "github.com/microservicehub/mshub/services/runs/v1"
)

// hold keeps a probe's call until it is released, and says when it has come.
type hold struct {
	name          string
	came, release chan struct{}
	once          sync.Once
}

func holdAt(name string) *hold {
	return &hold{name: name, came: make(chan struct{}), release: make(chan struct{})}
}

func (h *hold) on(ctx context.Context, call string) error {
	if call != h.name {
		return nil
	}
	h.once.Do(func() { close(h.came) })
	select {
	case <-h.release:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func TestPauseAndResume(t *testing.T) {
	t.Parallel()
	at := holdAt("one")
	h := newHouse(t, at.on)
	run, c := h.start("three")
	<-at.came
	paused, err := c.PauseRun(t.Context(), &runsv1.PauseRunRequest{Name: run.GetName(), Reason: "lunch"})
	if err != nil || paused.GetState() != runsv1.Run_PAUSED {
		t.Fatalf("%v, %v", paused, err)
	}
	_, err = c.PauseRun(t.Context(), &runsv1.PauseRunRequest{Name: run.GetName()})
	if rpc.ReasonOf(err) != "ALREADY_PAUSED" {
		t.Errorf("pause twice: %v", err)
	}
	close(at.release)
	held := until(t, c, run.GetName(), "one succeeded", func(r *runsv1.Run) bool { return r.GetSteps()[0].GetState() == runsv1.Step_SUCCEEDED })
	if held.GetState() != runsv1.Run_PAUSED || held.GetSteps()[1].GetState() != runsv1.Step_PENDING {
		t.Errorf("while paused: %s", held)
	}
	if _, err := c.ResumeRun(t.Context(), &runsv1.ResumeRunRequest{Name: run.GetName()}); err != nil {
		t.Fatal(err)
	}
	until(t, c, run.GetName(), "completed", inState(runsv1.Run_COMPLETED))
	_, err = c.ResumeRun(t.Context(), &runsv1.ResumeRunRequest{Name: run.GetName()})
	if rpc.ReasonOf(err) != "ENDED" {
		t.Errorf("resume at the end: %v", err)
	}
}

func TestCancelUndoes(t *testing.T) {
	t.Parallel()
	at := holdAt("two")
	h := newHouse(t, at.on)
	run, c := h.start("three")
	<-at.came
	if _, err := c.CancelRun(t.Context(), &runsv1.CancelRunRequest{Name: run.GetName(), Reason: "wrong person"}); err != nil {
		t.Fatal(err)
	}
	close(at.release) // the attempt under way is finished: its answer tells what there is to undo
	ended := until(t, c, run.GetName(), "cancelled", inState(runsv1.Run_CANCELLED))
	if diff := cmp.Diff([]string{"one", "two", "undo two", "undo one"}, h.probe.seen()); diff != "" {
		t.Error(diff)
	}
	var states []runsv1.Step_State
	for _, step := range ended.GetSteps() {
		states = append(states, step.GetState())
	}
	if diff := cmp.Diff([]runsv1.Step_State{runsv1.Step_COMPENSATED, runsv1.Step_COMPENSATED, runsv1.Step_PENDING}, states); diff != "" {
		t.Error(diff)
	}
	if ended.GetError().GetMessage() != "wrong person" || ended.GetEndTime() == nil {
		t.Errorf("end: %s", ended)
	}
}

func TestFailureIsShownAndRetried(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	refuse := true
	h := newHouse(t, func(_ context.Context, call string) error {
		mu.Lock()
		defer mu.Unlock()
		if call == "two" && refuse {
			return rpc.Precondition("NO_SEAT", "there is no seat left")
		}
		return nil
	})
	run, c := h.start("three")
	failed := until(t, c, run.GetName(), "failed", inState(runsv1.Run_FAILED))
	if e := failed.GetError(); e.GetReason() != "NO_SEAT" || e.GetCode() != "failed_precondition" || e.GetStep() != "two" || e.GetMessage() != "there is no seat left" {
		t.Errorf("error: %s", e)
	}
	if diff := cmp.Diff([]string{"one", "two", "undo one"}, h.probe.seen()); diff != "" {
		t.Error(diff)
	}
	mu.Lock()
	refuse = false
	mu.Unlock()
	again, err := c.RetryRun(t.Context(), &runsv1.RetryRunRequest{Name: run.GetName(), Reason: "one more seat"})
	if err != nil || again.GetRetriedFrom() != run.GetName() || again.GetName() == run.GetName() {
		t.Fatalf("%v, %v", again, err)
	}
	until(t, c, again.GetName(), "completed", inState(runsv1.Run_COMPLETED))
	_, err = c.RetryRun(t.Context(), &runsv1.RetryRunRequest{Name: again.GetName()})
	if rpc.ReasonOf(err) != "NOT_FAILED" {
		t.Errorf("retry of a success: %v", err)
	}
}

// Who may write runs but not start this process may not command its runs either.
func TestCommandsNeedTheProcessPermission(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	run, _ := h.start("asking")
	name := run.GetName()
	member := h.as(h.user([]string{"member"}, "runs.read", "runs.write"))
	for method, call := range map[string]func() error{
		"PauseRun": func() error { _, err := member.PauseRun(t.Context(), &runsv1.PauseRunRequest{Name: name}); return err },
		"ResumeRun": func() error {
			_, err := member.ResumeRun(t.Context(), &runsv1.ResumeRunRequest{Name: name})
			return err
		},
		"CancelRun": func() error {
			_, err := member.CancelRun(t.Context(), &runsv1.CancelRunRequest{Name: name})
			return err
		},
	} {
		if err := call(); rpc.ReasonOf(err) != "MISSING_PERMISSION" {
			t.Errorf("%s: %v", method, err)
		}
	}
	people := h.as(h.user([]string{"people"}, "runs.read", "runs.write", "identity.write"))
	if _, err := people.CancelRun(t.Context(), &runsv1.CancelRunRequest{Name: name, Reason: "not needed"}); err != nil {
		t.Fatal(err)
	}
	until(t, people, name, "cancelled", inState(runsv1.Run_CANCELLED))
}

func TestManyCallsArePausedBetweenThem(t *testing.T) {
	t.Parallel()
	at := holdAt("item 5")
	h := newHouse(t, at.on)
	run, c := h.start("many")
	<-at.came
	if _, err := c.PauseRun(t.Context(), &runsv1.PauseRunRequest{Name: run.GetName()}); err != nil {
		t.Fatal(err)
	}
	close(at.release)
	if n := len(h.probe.seen()); n > 8 {
		t.Errorf("%d calls in spite of the pause", n)
	}
	if _, err := c.ResumeRun(t.Context(), &runsv1.ResumeRunRequest{Name: run.GetName()}); err != nil {
		t.Fatal(err)
	}
	done := until(t, c, run.GetName(), "completed", inState(runsv1.Run_COMPLETED))
	if n := len(h.probe.seen()); n != 31 || done.GetSteps()[0].GetState() != runsv1.Step_SUCCEEDED {
		t.Errorf("%d calls, %s", n, done)
	}
}

func TestHistoryStartsAnewAndTheRunDoesNot(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	run, c := h.start("long")
	done := until(t, c, run.GetName(), "completed", inState(runsv1.Run_COMPLETED))
	if n := len(h.probe.seen()); n != 511 {
		t.Errorf("%d calls", n)
	}
	events, err := c.ListEvents(t.Context(), &runsv1.ListEventsRequest{Run: run.GetName(), After: done.GetSeq() - 1})
	if err != nil || len(events.GetEvents()) != 1 || events.GetSeq() != 2*511+3 {
		t.Errorf("journal ends at %d: %v, %v", events.GetSeq(), events.GetEvents(), err)
	}
}

func TestWithoutWorkerRunsWaitAndCommandsSaySo(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	h.stopWorker()
	run, c := h.start("three")
	if run.GetState() != runsv1.Run_STARTING {
		t.Errorf("state %s", run.GetState())
	}
	_, err := c.PauseRun(t.Context(), &runsv1.PauseRunRequest{Name: run.GetName()})
	if connect.CodeOf(err) != connect.CodeUnavailable {
		t.Errorf("pause: %v", err)
	}
	h.startWorker()
	eventually(t, func() (bool, string) { // the pause may have arrived after all
		_, _ = c.ResumeRun(t.Context(), &runsv1.ResumeRunRequest{Name: run.GetName()})
		now, err := c.GetRun(t.Context(), &runsv1.GetRunRequest{Name: run.GetName()})
		return err == nil && now.GetState() == runsv1.Run_COMPLETED, now.String()
	})
}

func TestOtherOrganisationsSeeNothing(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	run, _ := h.start("three")
	stranger := h.admin()
	stranger.Organisation = uuid.Must(uuid.NewV7())
	c := h.as(stranger)
	name := run.GetName()
	calls := map[string]func() error{
		"GetRun":    func() error { _, err := c.GetRun(t.Context(), &runsv1.GetRunRequest{Name: name}); return err },
		"PauseRun":  func() error { _, err := c.PauseRun(t.Context(), &runsv1.PauseRunRequest{Name: name}); return err },
		"ResumeRun": func() error { _, err := c.ResumeRun(t.Context(), &runsv1.ResumeRunRequest{Name: name}); return err },
		"CancelRun": func() error { _, err := c.CancelRun(t.Context(), &runsv1.CancelRunRequest{Name: name}); return err },
		"RetryRun":  func() error { _, err := c.RetryRun(t.Context(), &runsv1.RetryRunRequest{Name: name}); return err },
		"ListEvents": func() error {
			_, err := c.ListEvents(t.Context(), &runsv1.ListEventsRequest{Run: name})
			return err
		},
		"GetRun by another spelling": func() error {
			_, err := h.as(h.admin()).GetRun(t.Context(), &runsv1.GetRunRequest{Name: "runs/nonsense"})
			return err
		},
	}
	for method, call := range calls {
		if err := call(); connect.CodeOf(err) != connect.CodeNotFound {
			t.Errorf("%s: %v", method, err)
		}
	}
	list, err := c.ListRuns(t.Context(), &runsv1.ListRunsRequest{})
	if err != nil || len(list.GetRuns()) != 0 {
		t.Errorf("list: %v, %v", list, err)
	}
}

func TestWorkerMethodsAreClosedToPeople(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	for _, caller := range []auth.Caller{h.admin(), {Kind: auth.Service, Actor: "services/worker", Scopes: []string{auth.WorkerScope}}} {
		_, err := h.as(caller).FinishRun(t.Context(), &runsv1.FinishRunRequest{State: runsv1.Run_COMPLETED})
		if connect.CodeOf(err) != connect.CodePermissionDenied {
			t.Errorf("%v: %v", caller.Kind, err)
		}
	}
}

// clock is a time that a test moves.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func TestReconcilerWritesTheEndThatNobodyWrote(t *testing.T) {
	t.Parallel()
	at := holdAt("two")
	h := newHouse(t, at.on)
	defer close(at.release)
	run, c := h.start("three")
	<-at.came
	if err := h.client.TerminateWorkflow(t.Context(), run.GetName()[len("runs/"):], "", "by hand"); err != nil {
		t.Fatal(err)
	}
	later := h.newService((&clock{now: time.Now().Add(2 * time.Minute)}).Now)
	h.background(later)
	ended := until(t, c, run.GetName(), "terminated", inState(runsv1.Run_TERMINATED))
	if ended.GetError().GetReason() != "TERMINATED" || ended.GetSteps()[1].GetState() != runsv1.Step_FAILED {
		t.Errorf("end: %s", ended)
	}
}

func TestReconcilerLaunchesWhatTemporalNeverHeardOf(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	run, c := h.start("three")
	until(t, c, run.GetName(), "completed", inState(runsv1.Run_COMPLETED))
	// The row of a second run, as a crash between its commit and Temporal's answer leaves it.
	orphan := uuid.Must(uuid.NewV7())
	h.system(func(tx pgx.Tx) error {
		_, err := tx.Exec(t.Context(), `
			INSERT INTO runs.run (id, organisation_id, process, title, actor, input_hash, input, steps)
			SELECT $1, organisation_id, process, title, actor, input_hash, input, steps FROM runs.run`, orphan)
		if err != nil {
			return err
		}
		_, err = tx.Exec(t.Context(), `SELECT events.append($1, $2, 'run.started', '', '{"kind":"run.started"}', 'STARTING', false, 0, 0, '')`, h.org, orphan)
		return err
	})
	h.background(h.newService((&clock{now: time.Now().Add(time.Minute)}).Now))
	until(t, c, "runs/"+orphan.String(), "completed", inState(runsv1.Run_COMPLETED))
}

func TestOldRunsAreDeleted(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	run, c := h.start("three")
	until(t, c, run.GetName(), "completed", inState(runsv1.Run_COMPLETED))
	h.background(h.newService((&clock{now: time.Now().Add(2 * time.Hour)}).Now))
	eventually(t, func() (bool, string) {
		_, err := c.GetRun(t.Context(), &runsv1.GetRunRequest{Name: run.GetName()})
		return connect.CodeOf(err) == connect.CodeNotFound, "still there"
	})
}
