package process_test

import (
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.temporal.io/sdk/workflow"
	"google.golang.org/protobuf/types/known/structpb"

	runsv1 "github.com/microservicehub/mshub/services/runs/v1"
	"github.com/microservicehub/mshub/workflows/process"
	"github.com/microservicehub/mshub/workflows/process/processtest"
)

// parking is four, but waits for an operator when a step fails; the second may be skipped.
func parking() process.Definition {
	d := four
	d.Name, d.OnFailure = "parking", process.Park
	d.Steps = slices.Clone(d.Steps)
	d.Steps[1].Skippable = true
	return d
}

func about(step string) process.Command {
	return process.Command{Actor: "users/operator", Reason: "seen to it", Step: step}
}

// refuseTimes makes a verb say no for a while.
func refuseTimes(env *processtest.Env, verb process.Verb[*text, *text], n int32, answer string) {
	var calls atomic.Int32
	processtest.On(env, verb, func(*text) (*text, error) {
		if calls.Add(1) <= n {
			return nil, processtest.Refuse("failed_precondition", "NO", "not today")
		}
		return say(answer), nil
	})
}

func TestParkedStepIsTriedAgain(t *testing.T) {
	t.Parallel()
	env := processtest.New(t, parking())
	var undone []string
	fake(env, nil, &undone)
	refuseTimes(env, v.Make2, 2, "2")
	env.After(time.Hour, func() { env.Send(process.UpdateRetryStep, about("s2")) })
	env.After(2*time.Hour, func() { env.Send(process.UpdateRetryStep, about("")) })
	got := env.Run(&text{})
	if got.Finish.GetState() != runsv1.Run_COMPLETED || len(undone) != 0 {
		t.Errorf("finish %s, undone %v", got.Finish, undone)
	}
	want := []string{
		"step.failed s2", "run.parked s2", "run.unparked s2", "step.failed s2", "run.parked s2", "run.unparked s2",
	}
	if diff := cmp.Diff(want, got.Lines); diff != "" {
		t.Error(diff)
	}
}

// A pause holds a parked step too, when an operator has it tried again.
func TestPausedRunWithAParkedStep(t *testing.T) {
	t.Parallel()
	env := processtest.New(t, parking())
	var undone []string
	fake(env, nil, &undone)
	refuseTimes(env, v.Make2, 1, "2")
	held := 0
	env.After(time.Hour, func() {
		env.Command(process.UpdatePause, "")
		env.Send(process.UpdateRetryStep, about("s2"))
	})
	env.After(2*time.Hour, func() {
		held = len(env.Calls)
		env.Command(process.UpdateResume, "")
	})
	if got := env.Run(&text{}); got.Finish.GetState() != runsv1.Run_COMPLETED || held != 2 {
		t.Errorf("%d calls while paused, finish %s", held, got.Finish)
	}
}

// A skipped step has an empty answer and no undo; a step that was refused has none either while it is parked.
func TestParkedStepIsSkippedOrCancelled(t *testing.T) {
	t.Parallel()
	env := processtest.New(t, parking())
	var undone []string
	no := processtest.Refuse("failed_precondition", "NO", "not today")
	fake(env, map[string]error{"Make2": no, "Make4": no}, &undone)
	var given []string
	processtest.On(env, v.Make3, func(req *text) (*text, error) {
		given = append(given, req.GetName())
		return say("3"), nil
	})
	env.After(time.Hour, func() { env.Send(process.UpdateSkipStep, about("")) })
	env.After(2*time.Hour, func() {
		env.Refused(process.UpdateSkipStep, about("s4"), expect(t, "NOT_SKIPPABLE"))
		env.Refused(process.UpdateRetryStep, about("s2"), expect(t, "NOT_FAILED"))
		env.Command(process.UpdateCancel, "enough")
	})
	got := env.Run(&text{})
	if diff := cmp.Diff([]string{"3 because enough", "1 because enough"}, undone); diff != "" {
		t.Errorf("undone: %s", diff)
	}
	if diff := cmp.Diff([]string{""}, given); diff != "" {
		t.Errorf("the step after the skipped one got: %s", diff)
	}
	if got.Finish.GetState() != runsv1.Run_CANCELLED || !slices.Contains(got.Lines, "step.skipped s2") {
		t.Errorf("finish %s, lines %v", got.Finish, got.Lines)
	}
}

func expect(t *testing.T, reason string) func(string) {
	return func(got string) {
		if got != reason {
			t.Errorf("refused with %q, not %q", got, reason)
		}
	}
}

func TestCommandsThatMakeNoSense(t *testing.T) {
	t.Parallel()
	env := processtest.New(t, asking)
	var undone []string
	fake(env, nil, &undone)
	env.After(time.Hour, func() {
		env.Refused(process.UpdateRetryStep, about("make"), expect(t, "NOT_FAILED"))
		env.Refused(process.UpdateSkipStep, about("make"), expect(t, "NOT_SKIPPABLE"))
		env.Refused(process.UpdateSkipStep, about(""), expect(t, "NOT_FAILED"))
		env.Refused(process.UpdateResume, about(""), expect(t, "NOT_PAUSED"))
		env.Refused(process.UpdateReset, about("nowhere"), expect(t, "NOT_REACHED"))
		env.Refused(process.UpdateCancel, process.Command{Keep: true}, expect(t, "NOT_KEEPABLE"))
		env.Command(process.UpdatePause, "")
		env.Refused(process.UpdatePause, about(""), expect(t, "ALREADY_PAUSED"))
		env.Command(process.UpdateCancel, "")
		env.Refused(process.UpdateCancel, about(""), expect(t, "ENDING"))
		env.Refused(process.UpdateReset, about("make"), expect(t, "ENDING"))
	})
	if got := env.Run(&text{}); got.Finish.GetState() != runsv1.Run_CANCELLED {
		t.Errorf("finish: %s", got.Finish)
	}
}

func TestEachParksAndGoesOn(t *testing.T) {
	t.Parallel()
	for _, skip := range []bool{false, true} {
		t.Run(fmt.Sprint("skip ", skip), func(t *testing.T) {
			t.Parallel()
			d := many(20, 3)
			d.OnFailure = process.Park
			d.Steps = slices.Clone(d.Steps)
			d.Steps[1].Skippable = true
			env := processtest.New(t, d)
			var undone []string
			fake(env, nil, &undone)
			var bad atomic.Int32
			var done, parked, held atomic.Int32
			processtest.On(env, v.Make2, func(req *text) (*text, error) {
				if req.GetName() == "7" && bad.Add(1) == 1 {
					return nil, processtest.Refuse("invalid_argument", "BAD_CHUNK", "chunk 7 is bad")
				}
				done.Add(1)
				return req, nil
			})
			env.After(time.Minute, func() { parked.Store(done.Load()) }) // the calls under way have come to their ends
			env.After(time.Hour, func() {
				held.Store(done.Load())
				if skip {
					env.Send(process.UpdateSkipStep, about("each"))
				} else {
					env.Send(process.UpdateRetryStep, about("each"))
				}
			})
			got := env.Run(&text{})
			want := int32(20)
			if skip {
				want = 19
			}
			if got.Finish.GetState() != runsv1.Run_COMPLETED || done.Load() != want || held.Load() != parked.Load() || held.Load() == want {
				t.Errorf("%d done, %d and later %d while parked, finish %s", done.Load(), parked.Load(), held.Load(), got.Finish)
			}
		})
	}
}

// Each step from the reset's on is undone, last first, then done again under other keys; those before it are not.
func TestResetGoesOnFromEachStep(t *testing.T) {
	t.Parallel()
	for k := 1; k <= 4; k++ {
		t.Run(fmt.Sprint(k), func(t *testing.T) {
			t.Parallel()
			env := processtest.New(t, parking())
			var undone []string
			fake(env, nil, &undone)
			refuseTimes(env, v.Make4, 1, "4")
			env.After(time.Hour, func() { env.Send(process.UpdateReset, about(fmt.Sprintf("s%d", k))) })
			got := env.Run(&text{})
			var want, calls []string
			for i := 3; i >= k; i-- {
				want = append(want, fmt.Sprintf("%d because seen to it", i))
			}
			if diff := cmp.Diff(want, undone); diff != "" {
				t.Errorf("undone: %s", diff)
			}
			for i := 1; i <= 4; i++ {
				calls = append(calls, fmt.Sprintf("s%d", i))
			}
			for i := 3; i >= k; i-- {
				calls = append(calls, fmt.Sprintf("s%d/undo", i))
			}
			for i := k; i <= 4; i++ {
				calls = append(calls, fmt.Sprintf("s%d~1", i))
			}
			if diff := cmp.Diff(calls, got.Keys); diff != "" {
				t.Errorf("calls: %s", diff)
			}
			if got.Executions != 2 || got.Finish.GetState() != runsv1.Run_COMPLETED || got.Result.(*text).GetName() != "4" {
				t.Errorf("%d executions, finish %s", got.Executions, got.Finish)
			}
			if !slices.Contains(got.Lines, fmt.Sprintf("run.reset s%d", k)) {
				t.Errorf("lines %v", got.Lines)
			}
		})
	}
}

func TestResetDoesNotGoBackBeforeWhatIsDoneOnce(t *testing.T) {
	t.Parallel()
	d := parking()
	d.Steps[2].Once = true
	env := processtest.New(t, d)
	var undone []string
	fake(env, nil, &undone)
	refuseTimes(env, v.Make4, 1, "4")
	reset := false
	env.After(time.Hour, func() {
		if !reset {
			reset = true
			env.Refused(process.UpdateReset, about("s2"), expect(t, "NOT_RESETTABLE"))
			env.Refused(process.UpdateReset, about("s3"), expect(t, "NOT_RESETTABLE"))
			env.Send(process.UpdateReset, about("s4"))
		}
	})
	if got := env.Run(&text{}); got.Finish.GetState() != runsv1.Run_COMPLETED || len(undone) != 0 {
		t.Errorf("undone %v, finish %s", undone, got.Finish)
	}
}

func TestResetAsksAnewAndKeepsFacts(t *testing.T) {
	t.Parallel()
	d := process.Definition{
		Name: "long", Title: "Long", Input: &text{}, Result: &text{},
		Steps: []process.Step{
			{Name: "make", Title: "Make", Kind: process.Activity}, {Name: "fact", Title: "Fact", Kind: process.Timer},
			{Name: "approval", Title: "Approve", Kind: process.Human},
		},
		Workflow: func(ctx workflow.Context, in *text) (*text, error) {
			if _, err := process.Do(ctx, "make", v.Make1, in); err != nil {
				return nil, err
			}
			fact, err := process.AwaitFact(ctx, "fact", "it.happened", process.Wait{})
			if err != nil {
				return nil, err
			}
			_, err = process.Task(ctx, "approval", process.TaskSpec{Title: "Approve", Assignee: "roles/admin"})
			return say(string(fact.Data)), err
		},
	}
	for _, tc := range []struct {
		step  string
		facts int
	}{{"make", 1}, {"fact", 2}, {"approval", 1}} {
		t.Run(tc.step, func(t *testing.T) {
			t.Parallel()
			env := processtest.New(t, d)
			var undone []string
			fake(env, nil, &undone)
			told := 0
			env.After(time.Hour, func() {
				if told < tc.facts {
					told++
					env.Fact("it.happened", fmt.Sprint(told))
				}
			})
			reset := false
			env.After(2*time.Hour, func() {
				if !reset {
					reset = true
					env.Send(process.UpdateReset, about(tc.step))
				}
			})
			env.Decide(3*time.Hour, runsv1.Task_APPROVE, "")
			got := env.Run(&text{})
			if got.Finish.GetState() != runsv1.Run_COMPLETED || got.Result.(*text).GetName() != fmt.Sprint(tc.facts) || len(got.Requests) != 2 {
				t.Errorf("%d tasks, finish %s", len(got.Requests), got.Finish)
			}
		})
	}
}

func TestCancelKeepsWhatWasDone(t *testing.T) {
	t.Parallel()
	d := asking
	d.Keepable = true
	var kept []bool
	d.Workflow = func(ctx workflow.Context, in *text) (*text, error) {
		undo := func(ctx workflow.Context, made *text) *text {
			kept = append(kept, process.Kept(ctx))
			return made
		}
		_, err := process.Do(ctx, "make", v.Make1, in, process.UndoBy(v.Undo1, undo), process.UndoBy(v.Undo2, undo).EvenIfKept())
		if err != nil {
			return nil, err
		}
		_, err = process.Task(ctx, "approval", process.TaskSpec{Title: "Approve it", Assignee: "roles/admin"})
		return nil, err
	}
	env := processtest.New(t, d)
	var undone []string
	fake(env, nil, &undone)
	env.After(time.Hour, func() { env.Send(process.UpdateCancel, process.Command{Keep: true, Reason: "keep it"}) })
	got := env.Run(&text{})
	if got.Finish.GetState() != runsv1.Run_CANCELLED || len(undone) != 1 || !slices.Contains(got.Calls, "Undo2") || slices.Contains(kept, false) {
		t.Errorf("calls %v, kept %v, finish %s", got.Calls, kept, got.Finish)
	}
}

func TestUndoIsTriedAgainWhenAPersonSaysSo(t *testing.T) {
	t.Parallel()
	env := processtest.New(t, four)
	env.Set(process.UndoPatience, 10*time.Minute)
	env.Decide(time.Hour, runsv1.Task_APPROVE, "it works now")
	var undone []string
	fake(env, map[string]error{"Make3": processtest.Refuse("invalid_argument", "NO", "not today")}, &undone)
	var attempts atomic.Int32
	processtest.On(env, v.Undo2, func(*text) (*text, error) {
		if attempts.Add(1) <= 11 {
			return nil, processtest.Away()
		}
		return &text{}, nil
	})
	got := env.Run(&text{})
	if f := got.Finish; f.GetState() != runsv1.Run_FAILED || f.GetError().GetReason() != "NO" {
		t.Errorf("finish: %s", f)
	}
	want := []string{
		"step.failed s3", "run.compensating", "step.compensating s2", "step.failed s2", "step.compensating s2", "step.compensated s2",
		"step.compensating s1", "step.compensated s1",
	}
	if diff := cmp.Diff(want, got.Lines); diff != "" {
		t.Error(diff)
	}
	if attempts.Load() != 12 || len(got.Requests) != 1 {
		t.Errorf("%d attempts, %d questions", attempts.Load(), len(got.Requests))
	}
}

func TestTaskSaysAllThatItWants(t *testing.T) {
	t.Parallel()
	d := asking
	var form runsv1.Task
	d.Workflow = func(ctx workflow.Context, _ *text) (*text, error) {
		task, err := process.Task(ctx, "approval", process.TaskSpec{
			Title: "Approve it", Assignee: "roles/approver", Quorum: 2, FourEyes: true, Excluded: []string{"users/first"},
			Escalate: process.Escalation{After: 2 * time.Hour, To: "roles/admin"}, Form: &runsv1.Task{},
			ApproveLabel: "Yes", RejectLabel: "No", Files: []string{"files/1"}, Due: 10 * time.Hour,
			Remind: process.Reminder{Every: time.Hour, Call: func(ctx workflow.Context) error {
				_, err := process.Aside(ctx, "approval", "remind", v.Make2, say(""))
				return err
			}},
		})
		if err != nil {
			return nil, err
		}
		task.Form = &structpb.Struct{Fields: map[string]*structpb.Value{"title": structpb.NewStringValue("a title")}}
		return say(task.GetAssignee()), process.Form(task, &form)
	}
	env := processtest.New(t, d)
	var undone []string
	fake(env, nil, &undone)
	env.Decide(3*time.Hour+time.Minute, runsv1.Task_APPROVE, "")
	got := env.Run(&text{})
	want := []any{int32(2), true, "services.runs.v1.Task", "Yes", "No", []string{"files/1"}, []string{"users/first"}}
	r := got.Requests[0]
	if diff := cmp.Diff(want, []any{r.GetQuorum(), r.GetFourEyes(), r.GetFormMessage(), r.GetApproveLabel(), r.GetRejectLabel(), r.GetFiles(), r.GetExcluded()}); diff != "" {
		t.Error(diff)
	}
	if got.Result.(*text).GetName() != "roles/admin" || form.GetTitle() != "a title" {
		t.Errorf("finish %s, form %s", got.Finish, &form)
	}
	if n := strings.Count(strings.Join(got.Keys, " "), "/remind"); n != 3 {
		t.Errorf("%d reminders in three hours: %v", n, got.Keys)
	}
}

func TestStoryFailsAStep(t *testing.T) {
	t.Parallel()
	d := four
	d.Workflow = func(ctx workflow.Context, in *text) (*text, error) {
		if _, err := process.Do(ctx, "s1", v.Make1, in); err != nil {
			return nil, err
		}
		return nil, process.FailStep(ctx, "s1", "USELESS", "nothing came of %s", "it")
	}
	env := processtest.New(t, d)
	var undone []string
	fake(env, nil, &undone)
	got := env.Run(&text{})
	if e := got.Finish.GetError(); e.GetStep() != "s1" || e.GetReason() != "USELESS" || e.GetMessage() != "nothing came of it" {
		t.Errorf("finish: %s", got.Finish)
	}
	if diff := cmp.Diff([]string{"step.failed s1"}, got.Lines); diff != "" {
		t.Error(diff)
	}
}
