package runs_test

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/microservicehub/mshub/internal/auth"
	"github.com/microservicehub/mshub/internal/rpc"
	runsv1 "github.com/microservicehub/mshub/services/runs/v1"
	"github.com/microservicehub/mshub/services/runs/v1/runsv1connect"
)

// keyed is a client that sends the idempotency key of its context.
func (h *house) keyed(c auth.Caller) runsv1connect.RunsServiceClient {
	return runsv1connect.NewRunsServiceClient(newHTTPClient(h.t), h.url, h.issuer.As(c), connect.WithInterceptors(rpc.SendIdempotencyKey()))
}

// twice gives a command under a key and, once more has happened, again: both get the first answer, which is audited once, and
// another request under the key is refused.
func twice[Req, Res proto.Message](h *house, key string, call func(context.Context, Req) (Res, error), req, other Req) (again func()) {
	h.t.Helper()
	ctx := rpc.WithIdempotencyKey(h.t.Context(), key)
	first, err := call(ctx, req)
	if err != nil {
		h.t.Fatalf("%s: %v", key, err)
	}
	audited := h.audited()
	return func() {
		h.t.Helper()
		second, err := call(ctx, req)
		if err != nil {
			h.t.Fatalf("%s, repeated: %v", key, err)
		}
		if diff := cmp.Diff(first, second, protocmp.Transform()); diff != "" {
			h.t.Errorf("%s, repeated: %s", key, diff)
		}
		if _, err := call(ctx, other); connect.CodeOf(err) != connect.CodeAlreadyExists || rpc.ReasonOf(err) != "IDEMPOTENCY_KEY_REUSED" {
			h.t.Errorf("%s for another request: %v", key, err)
		}
		if now := h.audited(); now[key] != audited[key] || now[key] == 0 {
			h.t.Errorf("%s: %d entries of the audit, then %d", key, audited[key], now[key])
		}
	}
}

// audited counts the entries of the audit by method.
func (h *house) audited() map[string]int {
	h.t.Helper()
	n := map[string]int{}
	h.system(func(tx pgx.Tx) error {
		rows, err := tx.Query(h.t.Context(), "SELECT split_part(action, '/', 2), count(*) FROM audit.entry GROUP BY 1")
		if err != nil {
			return err
		}
		var method string
		var count int
		_, err = pgx.ForEachRow(rows, []any{&method, &count}, func() error {
			n[method] = count
			return nil
		})
		return err
	})
	return n
}

// loseAnswer takes back the answer that was kept, as a node that dies before it is written leaves things.
func (h *house) loseAnswer(method string) {
	h.t.Helper()
	h.system(func(tx pgx.Tx) error {
		tag, err := tx.Exec(h.t.Context(), "DELETE FROM runs.idempotency WHERE method = $1", method)
		if err == nil && tag.RowsAffected() != 1 {
			h.t.Errorf("%d answers of %s", tag.RowsAffected(), method)
		}
		return err
	})
}

func TestRepeatedCommandsToARun(t *testing.T) {
	t.Parallel()
	at := holdAt("one")
	h := newHouse(t, at.on)
	c := h.keyed(h.admin())
	run, _ := h.start("three")
	name := run.GetName()
	<-at.came
	pauseAgain := twice(h, "PauseRun", c.PauseRun, &runsv1.PauseRunRequest{Name: name, Reason: "lunch"}, &runsv1.PauseRunRequest{Name: name})
	pauseAgain()
	resumeAgain := twice(h, "ResumeRun", c.ResumeRun, &runsv1.ResumeRunRequest{Name: name}, &runsv1.ResumeRunRequest{Name: name, Reason: "back"})
	resumeAgain()
	pauseAgain() // that was answered; it does not pause now
	cancelAgain := twice(h, "CancelRun", c.CancelRun, &runsv1.CancelRunRequest{Name: name, Reason: "stop"}, &runsv1.CancelRunRequest{Name: name})
	close(at.release)
	until(t, c, name, "cancelled", inState(runsv1.Run_CANCELLED))
	pauseAgain()
	resumeAgain()
	cancelAgain()
	if diff := cmp.Diff([]string{"one", "undo one"}, h.probe.seen()); diff != "" {
		t.Error(diff)
	}
}

// The node died, or no worker was there in time: nobody knows of the command but Temporal, and the run.
func TestRepeatedCommandsWhoseAnswerWasNeverWritten(t *testing.T) {
	t.Parallel()
	m := &moods{}
	m.set("three", refused)
	h := newHouse(t, m.on)
	c := h.keyed(h.admin())
	run, _ := h.start("parks")
	name := run.GetName()
	again := func(method string, call func(context.Context) (*runsv1.Run, error)) {
		t.Helper()
		audited := h.audited()[method]
		h.loseAnswer(method)
		if _, err := call(rpc.WithIdempotencyKey(t.Context(), method)); err != nil {
			t.Errorf("%s, repeated: %v", method, err)
		}
		if now := h.audited()[method]; now != audited {
			t.Errorf("%s: %d entries of the audit, then %d", method, audited, now)
		}
	}
	give := func(method string, call func(context.Context) (*runsv1.Run, error)) {
		t.Helper()
		if _, err := call(rpc.WithIdempotencyKey(t.Context(), method)); err != nil {
			t.Fatalf("%s: %v", method, err)
		}
	}
	pause := func(ctx context.Context) (*runsv1.Run, error) {
		return c.PauseRun(ctx, &runsv1.PauseRunRequest{Name: name})
	}
	reset := func(ctx context.Context) (*runsv1.Run, error) {
		return c.ResetRun(ctx, &runsv1.ResetRunRequest{Name: name, Step: "two", Reason: "two was wrong"})
	}
	retry := func(ctx context.Context) (*runsv1.Run, error) {
		return c.RetryStep(ctx, &runsv1.RetryStepRequest{Name: name, Step: "three"})
	}
	cancel := func(ctx context.Context) (*runsv1.Run, error) {
		return c.CancelRun(ctx, &runsv1.CancelRunRequest{Name: name})
	}
	until(t, c, name, "parked", isParked)
	give("PauseRun", pause)
	again("PauseRun", pause) // not refused as ALREADY_PAUSED
	if _, err := c.ResumeRun(t.Context(), &runsv1.ResumeRunRequest{Name: name}); err != nil {
		t.Fatal(err)
	}
	give("ResetRun", reset)
	parkedAfter := func(calls int) func(*runsv1.Run) bool {
		return func(r *runsv1.Run) bool { return len(h.probe.seen()) == calls && r.GetParked() }
	}
	until(t, c, name, "parked after the reset", parkedAfter(6))
	again("ResetRun", reset) // of another execution by now
	again("PauseRun", pause)
	give("RetryStep", retry)
	until(t, c, name, "parked again", parkedAfter(7))
	again("RetryStep", retry)
	give("CancelRun", cancel)
	until(t, c, name, "cancelled", inState(runsv1.Run_CANCELLED))
	again("CancelRun", cancel)
	want := []string{"one", "two", "three", "undo two", "two", "three", "three", "undo two", "undo one"}
	if diff := cmp.Diff(want, h.probe.seen()); diff != "" {
		t.Error(diff)
	}
}

// A skip that names no step means the one that has failed. Repeated, it does not mean the next one that does.
func TestRepeatedSkipOfAStep(t *testing.T) {
	t.Parallel()
	m := &moods{}
	m.set("two", refused)
	m.set("three", refused)
	h := newHouse(t, m.on)
	c := h.keyed(h.admin())
	run, _ := h.start("parks")
	name := run.GetName()
	until(t, c, name, "parked", isParked)
	skip := &runsv1.SkipStepRequest{Name: name, Reason: "we do without"}
	again := twice(h, "SkipStep", c.SkipStep, skip, &runsv1.SkipStepRequest{Name: name, Step: "two", Reason: "we do without"})
	again()
	until(t, c, name, "parked at the next step", func(r *runsv1.Run) bool { return len(h.probe.seen()) == 3 && r.GetParked() })
	again()
	lost := func() {
		t.Helper()
		h.loseAnswer("SkipStep")
		if _, err := c.SkipStep(rpc.WithIdempotencyKey(t.Context(), "SkipStep"), skip); err != nil {
			t.Errorf("repeated, the answer was never written: %v", err)
		}
	}
	lost() // not refused as NOT_SKIPPABLE
	m.set("three", nil)
	if _, err := c.RetryStep(t.Context(), &runsv1.RetryStepRequest{Name: name, Step: "three"}); err != nil {
		t.Fatal(err)
	}
	done := until(t, c, name, "completed", inState(runsv1.Run_COMPLETED))
	lost()
	if diff := cmp.Diff([]runsv1.Step_State{runsv1.Step_SUCCEEDED, runsv1.Step_SKIPPED, runsv1.Step_SUCCEEDED}, stepStates(done)); diff != "" {
		t.Error(diff)
	}
	var told int
	h.system(func(tx pgx.Tx) error {
		return tx.QueryRow(t.Context(), "SELECT count(*) FROM events.run_event WHERE kind = 'step.skipped'").Scan(&told)
	})
	if n := h.audited()["SkipStep"]; n != 1 || told != 1 || !slices.Equal(h.probe.seen(), []string{"one", "two", "three", "three"}) {
		t.Errorf("%d entries of the audit, %d of the journal, calls %v", n, told, h.probe.seen())
	}
}

// Where two must approve, a vote that is repeated is one vote.
func TestRepeatedVotes(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	admin := h.as(h.admin())
	run := h.begin(admin, "voted", "Ada")
	until(t, admin, run.GetName(), "waiting", inState(runsv1.Run_WAITING))
	list, err := admin.ListTasks(t.Context(), &runsv1.ListTasksRequest{})
	if err != nil || len(list.GetTasks()) != 1 || list.GetTasks()[0].GetQuorum() != 2 {
		t.Fatalf("tasks: %v, %v", list, err)
	}
	name := list.GetTasks()[0].GetName()
	approve := &runsv1.DecideTaskRequest{
		Name: name, Decision: runsv1.Task_APPROVE, Form: input(t, map[string]any{"files": []any{"files/01900000-0000-7000-8000-000000000001"}}),
	}
	reject := &runsv1.DecideTaskRequest{Name: name, Decision: runsv1.Task_REJECT, Reason: "on second thoughts"}
	for votes, state := range []runsv1.Task_State{runsv1.Task_OPEN, runsv1.Task_DECIDED} {
		c := h.keyed(h.user([]string{"approver"}, "tasks.read", "tasks.decide"))
		again := twice(h, "DecideTask", c.DecideTask, approve, reject)
		again()
		task, err := admin.GetTask(t.Context(), &runsv1.GetTaskRequest{Name: name})
		if err != nil || task.GetState() != state || len(task.GetVotes()) != votes+1 {
			t.Errorf("%v, %v", task, err)
		}
	}
	done := until(t, admin, run.GetName(), "completed", inState(runsv1.Run_COMPLETED))
	if got := done.GetResult().GetFields()["decidedBy"].GetStringValue(); got != "APPROVE" {
		t.Errorf("result: %s", done.GetResult())
	}
}

func TestRepeatedCommandsThatTemporalDoesNotHear(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	c := h.keyed(h.admin())
	h.line("limited", h.org, 3)
	queued := func(n int) string { return "runs/" + h.inLine(n) }
	moved := twice(h, "PrioritiseRun", c.PrioritiseRun, &runsv1.PrioritiseRunRequest{Name: queued(3), Priority: 2}, &runsv1.PrioritiseRunRequest{Name: queued(3), Priority: 1})
	cancelled := twice(h, "CancelRun", c.CancelRun, &runsv1.CancelRunRequest{Name: queued(1)}, &runsv1.CancelRunRequest{Name: queued(2)})
	cancelled()
	h.loseAnswer("CancelRun")
	ended, err := c.CancelRun(rpc.WithIdempotencyKey(t.Context(), "CancelRun"), &runsv1.CancelRunRequest{Name: queued(1)})
	if err != nil || ended.GetState() != runsv1.Run_CANCELLED {
		t.Errorf("%v, %v", ended, err)
	}
	terminate := &runsv1.TerminateRunRequest{Name: queued(3), Reason: "out of the way"}
	terminated := twice(h, "TerminateRun", c.TerminateRun, terminate, &runsv1.TerminateRunRequest{Name: queued(2), Reason: "out of the way"})
	terminated()
	moved()
	h.loseAnswer("TerminateRun")
	if _, err := c.TerminateRun(rpc.WithIdempotencyKey(t.Context(), "TerminateRun"), terminate); err != nil {
		t.Error(err)
	}
}

func TestRepeatedCommandsToTasksAndSchedules(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	_, task, _ := h.asked()
	name := task.GetName()
	c := h.keyed(h.admin())
	claim := twice(h, "ClaimTask", c.ClaimTask, &runsv1.ClaimTaskRequest{Name: name}, &runsv1.ClaimTaskRequest{Name: "tasks/01900000-0000-7000-8000-000000000001"})
	release := twice(h, "ReleaseTask", c.ReleaseTask, &runsv1.ReleaseTaskRequest{Name: name}, &runsv1.ReleaseTaskRequest{Name: "tasks/01900000-0000-7000-8000-000000000001"})
	delegate := twice(h, "DelegateTask", c.DelegateTask,
		&runsv1.DelegateTaskRequest{Name: name, Assignee: "roles/admin", Reason: "away"}, &runsv1.DelegateTaskRequest{Name: name, Assignee: "roles/operator"})
	decide := twice(h, "DecideTask", c.DecideTask,
		&runsv1.DecideTaskRequest{Name: name, Decision: runsv1.Task_APPROVE}, &runsv1.DecideTaskRequest{Name: name, Decision: runsv1.Task_REJECT, Reason: "no"})
	for _, again := range []func(){claim, release, delegate, decide} {
		again()
	}

	made, err := c.CreateSchedule(t.Context(), &runsv1.CreateScheduleRequest{ScheduleId: "nightly", Schedule: nightly(t)})
	if err != nil {
		t.Fatal(err)
	}
	name = made.GetName()
	pause := twice(h, "PauseSchedule", c.PauseSchedule, &runsv1.PauseScheduleRequest{Name: name, Reason: "holiday"}, &runsv1.PauseScheduleRequest{Name: name})
	pause()
	resume := twice(h, "ResumeSchedule", c.ResumeSchedule, &runsv1.ResumeScheduleRequest{Name: name}, &runsv1.ResumeScheduleRequest{Name: name, Reason: "back"})
	trigger := rpc.WithIdempotencyKey(t.Context(), "TriggerSchedule")
	run, err := c.TriggerSchedule(trigger, &runsv1.TriggerScheduleRequest{Name: name})
	if err != nil {
		t.Fatal(err)
	}
	changed := nightly(t)
	changed.Name, changed.Input = name, input(t, map[string]any{"email": "grace@example.org", "displayName": "Grace", "role": "member"})
	update := twice(h, "UpdateSchedule", c.UpdateSchedule, &runsv1.UpdateScheduleRequest{Schedule: changed}, &runsv1.UpdateScheduleRequest{Schedule: made})
	if again, err := c.TriggerSchedule(trigger, &runsv1.TriggerScheduleRequest{Name: name}); err != nil || again.GetName() != run.GetName() {
		t.Errorf("triggered again: %v, %v", again, err)
	}
	if _, err := c.StartRun(trigger, &runsv1.StartRunRequest{Process: "three", Input: input(t, ada)}); rpc.ReasonOf(err) != "IDEMPOTENCY_KEY_REUSED" {
		t.Errorf("the same key for a start: %v", err)
	}
	remove := twice(h, "DeleteSchedule", c.DeleteSchedule, &runsv1.DeleteScheduleRequest{Name: name}, &runsv1.DeleteScheduleRequest{Name: "schedules/other"})
	for _, again := range []func(){resume, pause, update, remove} {
		again()
	}
}

func TestRunIsRetriedOnceAtATime(t *testing.T) {
	t.Parallel()
	m := &moods{}
	m.set("two", refused)
	h := newHouse(t, m.on)
	c := h.keyed(h.admin())
	run, _ := h.start("three")
	until(t, c, run.GetName(), "failed", inState(runsv1.Run_FAILED))
	twin, _ := h.start("three")
	until(t, c, twin.GetName(), "failed", inState(runsv1.Run_FAILED))
	release := make(chan struct{})
	m.set("one", func() error { <-release; return nil })

	answers, faults := make([]*runsv1.Run, 8), make([]error, 8)
	var all sync.WaitGroup
	for i := range answers {
		all.Go(func() {
			answers[i], faults[i] = c.RetryRun(t.Context(), &runsv1.RetryRunRequest{Name: run.GetName()})
		})
	}
	all.Wait()
	won := slices.IndexFunc(faults, func(err error) bool { return err == nil })
	if won < 0 {
		t.Fatal(faults)
	}
	for i, err := range faults {
		if i != won && (connect.CodeOf(err) != connect.CodeFailedPrecondition || rpc.ReasonOf(err) != "BEING_RETRIED" || !strings.Contains(err.Error(), answers[won].GetName())) {
			t.Errorf("beside the first: %v, %v", answers[i], err)
		}
	}
	m.set("one", nil)
	close(release)
	until(t, c, answers[won].GetName(), "failed", inState(runsv1.Run_FAILED))

	ctx := rpc.WithIdempotencyKey(t.Context(), "once more")
	next, err := c.RetryRun(ctx, &runsv1.RetryRunRequest{Name: run.GetName()})
	if err != nil || next.GetName() == answers[won].GetName() {
		t.Fatalf("after its end: %v, %v", next, err)
	}
	again, err := c.RetryRun(ctx, &runsv1.RetryRunRequest{Name: run.GetName()})
	if err != nil || again.GetName() != next.GetName() {
		t.Errorf("repeated: %v, %v", again, err)
	}
	if _, err := c.RetryRun(ctx, &runsv1.RetryRunRequest{Name: twin.GetName()}); rpc.ReasonOf(err) != "IDEMPOTENCY_KEY_REUSED" {
		t.Errorf("the same key for another run with the same input: %v", err)
	}
}

func TestUndoThatBacksOffIsTriedAtOnce(t *testing.T) {
	t.Parallel()
	m := &moods{}
	m.set("three", refused)
	m.set("undo two", func() error { return rpc.Unavailable("away") })
	h := newHouse(t, m.on)
	run, c := h.start("three")
	name := run.GetName()
	attempts := func() int { return strings.Count(strings.Join(h.probe.seen(), " "), "undo two") }
	// After the fifth attempt the next one is eight seconds away.
	eventually(t, func() (bool, string) { return attempts() == 5, "attempts" })
	until(t, c, name, "offered", func(r *runsv1.Run) bool { return slices.Contains(r.GetCommands(), runsv1.Run_RETRY_STEP) })
	if err := second(c.RetryStep(t.Context(), &runsv1.RetryStepRequest{Name: name, Step: "one"})); rpc.ReasonOf(err) != "ENDING" {
		t.Errorf("a step whose undo has not begun: %v", err)
	}
	m.set("undo two", nil)
	eventually(t, func() (bool, string) {
		err := second(c.RetryStep(t.Context(), &runsv1.RetryStepRequest{Name: name, Step: "two", Reason: "it is back"}))
		return err == nil, "retry at once"
	})
	asked := time.Now()
	eventually(t, func() (bool, string) { return attempts() == 6, "tried at once" })
	if took := time.Since(asked); took > 5*time.Second {
		t.Errorf("tried again after %s", took)
	}
	failed := until(t, c, name, "failed", inState(runsv1.Run_FAILED))
	if diff := cmp.Diff([]runsv1.Step_State{runsv1.Step_COMPENSATED, runsv1.Step_COMPENSATED, runsv1.Step_FAILED}, stepStates(failed)); diff != "" {
		t.Error(diff)
	}
}
