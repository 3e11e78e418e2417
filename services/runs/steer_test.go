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
	enumspb "go.temporal.io/api/enums/v1"

	"github.com/microservicehub/mshub/internal/rpc"
	runsv1 "github.com/microservicehub/mshub/services/runs/v1"
)

// moods decide how calls of the probe fare; a call without one succeeds.
type moods struct {
	mu sync.Mutex
	by map[string]func() error
}

func (m *moods) set(call string, mood func() error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.by == nil {
		m.by = map[string]func() error{}
	}
	m.by[call] = mood
}

func (m *moods) on(_ context.Context, call string) error {
	m.mu.Lock()
	mood := m.by[call]
	m.mu.Unlock()
	if mood == nil {
		return nil
	}
	return mood()
}

func refused() error { return rpc.Precondition("NO_SEAT", "there is no seat left") }

func isParked(run *runsv1.Run) bool { return run.GetParked() }

func stepStates(run *runsv1.Run) []runsv1.Step_State {
	var states []runsv1.Step_State
	for _, step := range run.GetSteps() {
		states = append(states, step.GetState())
	}
	return states
}

func TestParkedRunWaitsForItsOperator(t *testing.T) {
	t.Parallel()
	m := &moods{}
	m.set("two", refused)
	h := newHouse(t, m.on)
	run, c := h.start("parks")
	name := run.GetName()
	parked := until(t, c, name, "parked", isParked)
	if parked.GetState() != runsv1.Run_WAITING || parked.GetEndTime() != nil {
		t.Errorf("parked: %s", parked)
	}
	want := []runsv1.Run_Command{
		runsv1.Run_PAUSE, runsv1.Run_RETRY_STEP, runsv1.Run_SKIP_STEP, runsv1.Run_RESET, runsv1.Run_CANCEL, runsv1.Run_TERMINATE,
	}
	if diff := cmp.Diff(want, parked.GetCommands()); diff != "" {
		t.Errorf("commands: %s", diff)
	}
	for reason, err := range map[string]error{
		"NOT_FAILED":    second(c.RetryStep(t.Context(), &runsv1.RetryStepRequest{Name: name, Step: "one"})),
		"NOT_SKIPPABLE": second(c.SkipStep(t.Context(), &runsv1.SkipStepRequest{Name: name, Step: "one", Reason: "why not"})),
		"NOT_REACHED":   second(c.ResetRun(t.Context(), &runsv1.ResetRunRequest{Name: name, Step: "three", Reason: "why not"})),
	} {
		if rpc.ReasonOf(err) != reason {
			t.Errorf("%s: %v", reason, err)
		}
	}
	if err := second(c.RetryStep(t.Context(), &runsv1.RetryStepRequest{Name: name, Step: "four"})); connect.CodeOf(err) != connect.CodeInvalidArgument {
		t.Errorf("a step that is none: %v", err)
	}

	again, err := c.RetryStep(t.Context(), &runsv1.RetryStepRequest{Name: name, Reason: "perhaps now"})
	if err != nil {
		t.Fatal(err)
	}
	until(t, c, name, "parked again", func(r *runsv1.Run) bool { return r.GetParked() && r.GetSeq() > again.GetSeq() })
	if _, err := c.SkipStep(t.Context(), &runsv1.SkipStepRequest{Name: name, Reason: "we do without"}); err != nil {
		t.Fatal(err)
	}
	done := until(t, c, name, "completed", inState(runsv1.Run_COMPLETED))
	if diff := cmp.Diff([]runsv1.Step_State{runsv1.Step_SUCCEEDED, runsv1.Step_SKIPPED, runsv1.Step_SUCCEEDED}, stepStates(done)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"one", "two", "two", "three"}, h.probe.seen()); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]runsv1.Run_Command{runsv1.Run_RETRY}, done.GetCommands()); diff != "" {
		t.Errorf("commands at the end: %s", diff)
	}

	next, err := c.RetryRun(t.Context(), &runsv1.RetryRunRequest{Name: name, Reason: "what was left"})
	if err != nil || next.GetInput().GetFields()["approver"].GetStringValue() != name {
		t.Fatalf("the retry of a completed run: %v, %v", next, err)
	}
	until(t, c, next.GetName(), "parked", isParked)
	if _, err := c.CancelRun(t.Context(), &runsv1.CancelRunRequest{Name: next.GetName(), Reason: "enough"}); err != nil {
		t.Fatal(err)
	}
	until(t, c, next.GetName(), "cancelled", inState(runsv1.Run_CANCELLED))
	if calls := h.probe.seen(); !slices.Equal(calls[4:], []string{"one", "two", "undo one"}) {
		t.Errorf("calls: %v", calls)
	}
}

func second[T any](_ T, err error) error { return err }

func TestStepThatBacksOffIsTriedAtOnceOrHeld(t *testing.T) {
	t.Parallel()
	m := &moods{}
	m.set("two", func() error { return rpc.Unavailable("away") })
	h := newHouse(t, m.on)
	run, c := h.start("three")
	name := run.GetName()
	attempts := func() int { return strings.Count(strings.Join(h.probe.seen(), " "), "two") }
	// After the fifth attempt the next one is eight seconds away.
	eventually(t, func() (bool, string) { return attempts() == 5, "attempts" })
	until(t, c, name, "offered", func(r *runsv1.Run) bool { return slices.Contains(r.GetCommands(), runsv1.Run_RETRY_STEP) })
	// Temporal hears of the attempt's end a moment after the probe has answered.
	eventually(t, func() (bool, string) {
		_, err := c.RetryStep(t.Context(), &runsv1.RetryStepRequest{Name: name, Step: "two", Reason: "it is back"})
		return err == nil, "retry at once"
	})
	asked := time.Now()
	eventually(t, func() (bool, string) { return attempts() >= 6, "tried at once" })
	if took := time.Since(asked); took > 5*time.Second {
		t.Errorf("tried again after %s", took)
	}

	eventually(t, func() (bool, string) { return attempts() >= 9, "backs off again" })
	if _, err := c.PauseRun(t.Context(), &runsv1.PauseRunRequest{Name: name, Reason: "stop asking"}); err != nil {
		t.Fatal(err)
	}
	m.set("two", nil)
	before := attempts()
	if held := until(t, c, name, "paused", inState(runsv1.Run_PAUSED)); held.GetSteps()[1].GetState() != runsv1.Step_RUNNING {
		t.Errorf("while paused: %s", held)
	}
	if _, err := c.ResumeRun(t.Context(), &runsv1.ResumeRunRequest{Name: name}); err != nil {
		t.Fatal(err)
	}
	until(t, c, name, "completed", inState(runsv1.Run_COMPLETED))
	if attempts() != before+1 {
		t.Errorf("%d attempts after the pause", attempts()-before)
	}
	h.compareWithHistory(name, c)
}

func TestResetUndoesAndGoesOn(t *testing.T) {
	t.Parallel()
	m := &moods{}
	m.set("three", refused)
	h := newHouse(t, m.on)
	run, c := h.start("parks")
	name := run.GetName()
	until(t, c, name, "parked", isParked)
	m.set("three", nil)
	if _, err := c.ResetRun(t.Context(), &runsv1.ResetRunRequest{Name: name, Step: "two", Reason: "two was wrong"}); err != nil {
		t.Fatal(err)
	}
	done := until(t, c, name, "completed", inState(runsv1.Run_COMPLETED))
	if diff := cmp.Diff([]string{"one", "two", "three", "undo two", "two", "three"}, h.probe.seen()); diff != "" {
		t.Error(diff)
	}
	for _, step := range done.GetSteps() {
		if step.GetState() != runsv1.Step_SUCCEEDED || step.GetAttempt() != 1 {
			t.Errorf("step %s", step)
		}
	}
	if err := second(c.ResetRun(t.Context(), &runsv1.ResetRunRequest{Name: name, Step: "two", Reason: "late"})); rpc.ReasonOf(err) != "ENDED" {
		t.Errorf("reset at the end: %v", err)
	}
}

func TestResetAsksAnew(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	run, c := h.start("asking")
	name := run.GetName()
	open := func() *runsv1.Task {
		var task *runsv1.Task
		eventually(t, func() (bool, string) {
			list, err := c.ListTasks(t.Context(), &runsv1.ListTasksRequest{Filter: `state="OPEN" AND run="` + name + `"`})
			if err != nil {
				t.Fatal(err)
			}
			if len(list.GetTasks()) == 1 {
				task = list.GetTasks()[0]
			}
			return task != nil, "no task yet"
		})
		return task
	}
	first := open()
	if _, err := c.ResetRun(t.Context(), &runsv1.ResetRunRequest{Name: name, Step: "approval", Reason: "ask again"}); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() (bool, string) { return open().GetName() != first.GetName(), "the old task is still open" })
	old := &runsv1.DecideTaskRequest{Name: first.GetName(), Decision: runsv1.Task_APPROVE}
	if err := second(c.DecideTask(t.Context(), old)); rpc.ReasonOf(err) != "WITHDRAWN" {
		t.Errorf("decision on the task before the reset: %v", err)
	}
	if r := until(t, c, name, "waiting", inState(runsv1.Run_WAITING)); r.GetSteps()[1].GetState() != runsv1.Step_WAITING {
		t.Errorf("after the reset: %s", r)
	}
	if _, err := c.DecideTask(t.Context(), &runsv1.DecideTaskRequest{Name: open().GetName(), Decision: runsv1.Task_APPROVE}); err != nil {
		t.Fatal(err)
	}
	done := until(t, c, name, "completed", inState(runsv1.Run_COMPLETED))
	if diff := cmp.Diff([]runsv1.Step_State{runsv1.Step_SUCCEEDED, runsv1.Step_SUCCEEDED}, stepStates(done)); diff != "" {
		t.Error(diff)
	}
}

func TestFailedUndoIsPutBeforeAnOperator(t *testing.T) {
	t.Parallel()
	m := &moods{}
	m.set("three", refused)
	m.set("undo two", func() error { return rpc.Denied("STUCK", "somebody else has it") })
	h := newHouse(t, m.on)
	run, c := h.start("three")
	operator := h.as(h.user([]string{"operator"}, "runs.read", "tasks.read", "tasks.decide"))
	var seen []string
	question := func() *runsv1.Task {
		var task *runsv1.Task
		eventually(t, func() (bool, string) {
			list, err := operator.ListTasks(t.Context(), &runsv1.ListTasksRequest{Filter: `state="OPEN"`, Mine: true})
			if err != nil {
				t.Fatal(err)
			}
			if len(list.GetTasks()) == 1 && !slices.Contains(seen, list.GetTasks()[0].GetName()) {
				task = list.GetTasks()[0]
			}
			return task != nil, "nobody asks"
		})
		seen = append(seen, task.GetName())
		return task
	}
	first := question()
	if first.GetApproveLabel() != "Undo again" || first.GetRejectLabel() != "Leave it" || first.GetStep() != "two" || !strings.Contains(first.GetDescription(), "somebody else has it") {
		t.Errorf("question: %s", first)
	}
	until(t, c, run.GetName(), "compensating", inState(runsv1.Run_COMPENSATING))
	if _, err := operator.DecideTask(t.Context(), &runsv1.DecideTaskRequest{Name: first.GetName(), Decision: runsv1.Task_APPROVE}); err != nil {
		t.Fatal(err)
	}
	leave := &runsv1.DecideTaskRequest{Name: question().GetName(), Decision: runsv1.Task_REJECT}
	if err := second(operator.DecideTask(t.Context(), leave)); connect.CodeOf(err) != connect.CodeInvalidArgument {
		t.Errorf("left without a reason: %v", err)
	}
	leave.Reason = "cleaned up by hand"
	if _, err := operator.DecideTask(t.Context(), leave); err != nil {
		t.Fatal(err)
	}
	failed := until(t, c, run.GetName(), "failed", inState(runsv1.Run_FAILED))
	if e := failed.GetError(); e.GetReason() != "UNDO_FAILED" || e.GetStep() != "two" || !strings.Contains(e.GetMessage(), "cleaned up by hand") {
		t.Errorf("error: %s", e)
	}
	if diff := cmp.Diff([]runsv1.Step_State{runsv1.Step_COMPENSATED, runsv1.Step_FAILED, runsv1.Step_FAILED}, stepStates(failed)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"one", "two", "three", "undo two", "undo two", "undo one"}, h.probe.seen()); diff != "" {
		t.Error(diff)
	}
}

func TestTerminateEndsAtOnceAndNothingIsUndone(t *testing.T) {
	t.Parallel()
	at := holdAt("two")
	h := newHouse(t, at.on)
	run, c := h.start("three")
	<-at.came
	ended, err := c.TerminateRun(t.Context(), &runsv1.TerminateRunRequest{Name: run.GetName(), Reason: "runaway"})
	if err != nil || ended.GetState() != runsv1.Run_TERMINATED || ended.GetEndTime() == nil || !strings.Contains(ended.GetError().GetMessage(), "runaway") {
		t.Fatalf("%v, %v", ended, err)
	}
	close(at.release)
	description, err := h.client.DescribeWorkflowExecution(t.Context(), strings.TrimPrefix(run.GetName(), "runs/"), "")
	if err != nil || description.GetWorkflowExecutionInfo().GetStatus() != enumspb.WORKFLOW_EXECUTION_STATUS_TERMINATED {
		t.Errorf("in Temporal: %v, %v", description, err)
	}
	if err := second(c.TerminateRun(t.Context(), &runsv1.TerminateRunRequest{Name: run.GetName(), Reason: "again"})); rpc.ReasonOf(err) != "ENDED" {
		t.Errorf("terminate twice: %v", err)
	}
	if calls := strings.Join(h.probe.seen(), " "); strings.Contains(calls, "undo") {
		t.Errorf("calls: %s", calls)
	}
}

func TestCommandsWithoutWorkers(t *testing.T) {
	t.Parallel()
	m := &moods{}
	m.set("two", refused)
	h := newHouse(t, m.on)
	run, c := h.start("parks")
	until(t, c, run.GetName(), "parked", isParked)
	h.stopWorker()
	began := time.Now()
	err := second(c.RetryStep(t.Context(), &runsv1.RetryStepRequest{Name: run.GetName()}))
	if took := time.Since(began); connect.CodeOf(err) != connect.CodeUnavailable || took > 8*time.Second {
		t.Errorf("after %s: %v", took, err)
	}
	// Who is not asked can't keep silent.
	ended, err := c.TerminateRun(t.Context(), &runsv1.TerminateRunRequest{Name: run.GetName(), Reason: "no worker is left"})
	if err != nil || ended.GetState() != runsv1.Run_TERMINATED {
		t.Errorf("%v, %v", ended, err)
	}
}

func TestCommandsAreOfferedToWhoMayGiveThem(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	run, c := h.start("asking")
	until(t, c, run.GetName(), "waiting", inState(runsv1.Run_WAITING))
	for who, tc := range map[string]struct {
		permissions []string
		offered     bool
	}{
		"a viewer":                     {[]string{"runs.read"}, false},
		"a member":                     {[]string{"runs.read", "runs.write"}, false},
		"who may start it":             {[]string{"runs.read", "runs.write", "identity.write"}, true},
		"who may start, but not write": {[]string{"runs.read", "identity.write"}, false},
	} {
		seen, err := h.as(h.user(nil, tc.permissions...)).GetRun(t.Context(), &runsv1.GetRunRequest{Name: run.GetName()})
		if err != nil || (len(seen.GetCommands()) > 0) != tc.offered {
			t.Errorf("%s: %v, %v", who, seen.GetCommands(), err)
		}
	}
}
