package process_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.temporal.io/sdk/workflow"

	runsv1 "github.com/microservicehub/mshub/services/runs/v1"
	"github.com/microservicehub/mshub/workflows/process"
	"github.com/microservicehub/mshub/workflows/process/processtest"
)

type text = runsv1.GetRunRequest

func say(s string) *text { return &text{Name: s} }

// verbs of a room that exists in these tests alone.
type verbs struct{}

func (*verbs) Make1(context.Context, *text) (*text, error) { panic("faked") }
func (*verbs) Make2(context.Context, *text) (*text, error) { panic("faked") }
func (*verbs) Make3(context.Context, *text) (*text, error) { panic("faked") }
func (*verbs) Make4(context.Context, *text) (*text, error) { panic("faked") }
func (*verbs) Undo1(context.Context, *text) (*text, error) { panic("faked") }
func (*verbs) Undo2(context.Context, *text) (*text, error) { panic("faked") }
func (*verbs) Undo3(context.Context, *text) (*text, error) { panic("faked") }
func (*verbs) Undo4(context.Context, *text) (*text, error) { panic("faked") }

var (
	v     *verbs
	makes = []process.Verb[*text, *text]{v.Make1, v.Make2, v.Make3, v.Make4}
	undos = []process.Verb[*text, *text]{v.Undo1, v.Undo2, v.Undo3, v.Undo4}
)

// four steps, each with its undo, which is given the step's answer.
var four = process.Definition{
	Name: "four", Title: "Four", Input: &text{}, Result: &text{},
	Steps: []process.Step{
		{Name: "s1", Title: "1", Kind: process.Activity}, {Name: "s2", Title: "2", Kind: process.Activity},
		{Name: "s3", Title: "3", Kind: process.Activity}, {Name: "s4", Title: "4", Kind: process.Activity},
	},
	Workflow: func(ctx workflow.Context, in *text) (*text, error) {
		answer := in
		for i, verb := range makes {
			var err error
			answer, err = process.Do(ctx, fmt.Sprintf("s%d", i+1), verb, answer,
				process.UndoBy(undos[i], func(ctx workflow.Context, made *text) *text {
					return say(made.GetName() + " because " + process.Reason(ctx))
				}))
			if err != nil {
				return nil, err
			}
		}
		return answer, nil
	},
}

// fake makes every verb answer its number, but for what fails.
func fake(env *processtest.Env, fails map[string]error, undone *[]string) {
	for i := range makes {
		processtest.On(env, makes[i], func(*text) (*text, error) {
			return say(fmt.Sprint(i + 1)), fails[fmt.Sprintf("Make%d", i+1)]
		})
		processtest.On(env, undos[i], func(req *text) (*text, error) {
			*undone = append(*undone, req.GetName())
			return &text{}, fails[fmt.Sprintf("Undo%d", i+1)]
		})
	}
}

func TestFailureAtStepUndoesTheStepsBeforeIt(t *testing.T) {
	t.Parallel()
	for k := 1; k <= 4; k++ {
		t.Run(fmt.Sprint(k), func(t *testing.T) {
			t.Parallel()
			env := processtest.New(t, four)
			var undone []string
			fake(env, map[string]error{fmt.Sprintf("Make%d", k): processtest.Refuse("failed_precondition", "NO", "not today")}, &undone)
			got := env.Run(&text{})

			var want, lines []string
			lines = append(lines, fmt.Sprintf("step.failed s%d", k))
			if k > 1 {
				lines = append(lines, "run.compensating")
			}
			for i := k - 1; i >= 1; i-- {
				want = append(want, fmt.Sprintf("%d because not today", i))
				lines = append(lines, fmt.Sprintf("step.compensating s%d", i), fmt.Sprintf("step.compensated s%d", i))
			}
			if diff := cmp.Diff(want, undone); diff != "" {
				t.Errorf("undone: %s", diff)
			}
			if diff := cmp.Diff(lines, got.Lines); diff != "" {
				t.Errorf("lines: %s", diff)
			}
			if f := got.Finish; f.GetState() != runsv1.Run_FAILED || f.GetError().GetReason() != "NO" || f.GetError().GetCode() != "failed_precondition" ||
				f.GetError().GetStep() != fmt.Sprintf("s%d", k) || f.GetError().GetMessage() != "not today" {
				t.Errorf("finish: %s", f)
			}
		})
	}
}

func TestStepWithoutAnswerIsUndoneToo(t *testing.T) {
	t.Parallel()
	env := processtest.New(t, four)
	var undone []string
	fake(env, map[string]error{"Make3": processtest.Away()}, &undone)
	got := env.Run(&text{})
	if diff := cmp.Diff([]string{" because away", "2 because away", "1 because away"}, undone); diff != "" {
		t.Error(diff)
	}
	if n := len(slices.DeleteFunc(slices.Clone(got.Calls), func(c string) bool { return c != "Make3" })); n < 10 {
		t.Errorf("only %d attempts", n)
	}
}

func TestCancelAtEachStepUndoesWhatWasDone(t *testing.T) {
	t.Parallel()
	for k := 1; k <= 4; k++ {
		t.Run(fmt.Sprint(k), func(t *testing.T) {
			t.Parallel()
			env := processtest.New(t, four)
			var undone []string
			fake(env, nil, &undone)
			env.WhenCalled(fmt.Sprintf("Make%d", k), func() { env.Command(process.UpdateCancel, "changed my mind") })
			got := env.Run(&text{})
			// This environment answers a cancel before the attempt ends, so the step's undo has no answer: the harder case.
			want := []string{" because changed my mind"}
			for i := k - 1; i >= 1; i-- {
				want = append(want, fmt.Sprintf("%d because changed my mind", i))
			}
			if diff := cmp.Diff(want, undone); diff != "" {
				t.Error(diff)
			}
			if f := got.Finish; f.GetState() != runsv1.Run_CANCELLED || f.GetError().GetMessage() != "changed my mind" {
				t.Errorf("finish: %s", f)
			}
		})
	}
}

func TestUndoThatFailsAsksAPersonAndKeepsNobodyFromTrying(t *testing.T) {
	t.Parallel()
	env := processtest.New(t, four)
	env.Decide(time.Hour, runsv1.Task_REJECT, "mended by hand")
	var undone []string
	fake(env, map[string]error{
		"Make4": processtest.Refuse("invalid_argument", "NO", "not today"),
		"Undo2": processtest.Refuse("permission_denied", "STUCK", "may not"),
	}, &undone)
	got := env.Run(&text{})
	if len(undone) != 3 {
		t.Errorf("undone: %v", undone)
	}
	if f := got.Finish.GetError(); f.GetReason() != "UNDO_FAILED" || f.GetStep() != "s2" || !strings.Contains(f.GetMessage(), "not today") ||
		!strings.Contains(f.GetMessage(), "left so by users/decider: mended by hand") {
		t.Errorf("finish: %s", f)
	}
	if task := env.Tasks()["undo s2"]; task.GetAssignee() != "roles/operator" || task.GetApproveLabel() != "Undo again" || task.GetRejectLabel() != "Leave it" {
		t.Errorf("task: %s", task)
	}
	if !slices.Contains(got.Lines, "step.failed s2") || !slices.Contains(got.Lines, "step.compensated s1") {
		t.Errorf("lines: %v", got.Lines)
	}
}

func TestPauseHoldsTheNextStep(t *testing.T) {
	t.Parallel()
	env := processtest.New(t, four)
	var undone []string
	fake(env, nil, &undone)
	var held int
	env.WhenCalled("Make2", func() { env.Command(process.UpdatePause, "lunch") })
	env.After(time.Hour, func() {
		held = len(env.Calls)
		env.Command(process.UpdateResume, "")
	})
	got := env.Run(&text{})
	if held != 2 || got.Finish.GetState() != runsv1.Run_COMPLETED {
		t.Errorf("%d calls while paused; finish: %s", held, got.Finish)
	}
	if diff := cmp.Diff([]string{"run.paused", "run.resumed"}, got.Lines); diff != "" {
		t.Error(diff)
	}
}

// many calls, then a step that must not run twice after the history started anew.
func many(count int32, parallel int) process.Definition {
	return process.Definition{
		Name: "many", Title: "Many", Input: &text{}, Result: &text{},
		Steps: []process.Step{
			{Name: "before", Title: "Before", Kind: process.Activity}, {Name: "each", Title: "Each", Kind: process.Many},
			{Name: "after", Title: "After", Kind: process.Activity},
		},
		Workflow: func(ctx workflow.Context, in *text) (*text, error) {
			first, err := process.Do(ctx, "before", v.Make1, in, process.UndoBy(v.Undo1, func(_ workflow.Context, made *text) *text { return made }))
			if err != nil {
				return nil, err
			}
			item := func(item int32) *text { return say(fmt.Sprint(item)) }
			if err := process.Each(ctx, "each", count, parallel, v.Make2, item); err != nil {
				return nil, err
			}
			return process.Do(ctx, "after", v.Make3, first)
		},
	}
}

func TestEachCrossesContinueAsNew(t *testing.T) {
	t.Parallel()
	env := processtest.New(t, many(1203, 4))
	var undone []string
	fake(env, nil, &undone)
	var mu sync.Mutex
	items := map[string]int{}
	processtest.On(env, v.Make2, func(req *text) (*text, error) {
		mu.Lock()
		defer mu.Unlock()
		items[req.GetName()]++
		return req, nil
	})
	got := env.Run(&text{})
	if got.Err != nil || got.Executions != 3 {
		t.Fatalf("%d executions, %v", got.Executions, got.Err)
	}
	for i := range 1203 {
		if items[fmt.Sprint(i+1)] != 1 {
			t.Fatalf("item %d was called %d times", i+1, items[fmt.Sprint(i+1)])
		}
	}
	if n := len(slices.DeleteFunc(slices.Clone(got.Calls), func(c string) bool { return c == "Make2" })); n != 2 {
		t.Errorf("the other steps ran again: %d calls", n)
	}
	if diff := cmp.Diff([]string{"step.succeeded each"}, got.Lines); diff != "" {
		t.Error(diff)
	}
	if got.Result.(*text).GetName() != "3" {
		t.Errorf("result %s", got.Result)
	}
}

func TestEachStopsAtTheFirstFailureAndUndoes(t *testing.T) {
	t.Parallel()
	env := processtest.New(t, many(100, 2))
	var undone []string
	fake(env, nil, &undone)
	processtest.On(env, v.Make2, func(req *text) (*text, error) {
		if req.GetName() == "7" {
			return nil, processtest.Refuse("invalid_argument", "BAD_CHUNK", "chunk 7 is bad")
		}
		return req, nil
	})
	got := env.Run(&text{})
	if len(got.Calls) > 50 || // those beside it go on until its failure is heard of
		got.Finish.GetError().GetReason() != "BAD_CHUNK" || got.Finish.GetError().GetStep() != "each" {
		t.Errorf("%d calls, %s", len(got.Calls), got.Finish)
	}
	if diff := cmp.Diff([]string{"1"}, undone); diff != "" {
		t.Error(diff)
	}
}

// Whichever of several failing calls comes to its end first: the run names the step.
func TestEachTellsTheFirstOfManyFailures(t *testing.T) {
	t.Parallel()
	const parallel = 8
	env := processtest.New(t, many(100, parallel))
	var undone []string
	fake(env, nil, &undone)
	var together sync.WaitGroup
	together.Add(parallel)
	processtest.On(env, v.Make2, func(*text) (*text, error) {
		together.Done()
		together.Wait()
		return nil, processtest.Refuse("invalid_argument", "BAD_CHUNK", "all chunks are bad")
	})
	got := env.Run(&text{})
	if e := got.Finish.GetError(); e.GetReason() != "BAD_CHUNK" || e.GetStep() != "each" {
		t.Errorf("finish: %s", got.Finish)
	}
	if diff := cmp.Diff([]string{"1"}, undone); diff != "" {
		t.Error(diff)
	}
}

func TestUndeclaredStepFailsTheRun(t *testing.T) {
	t.Parallel()
	d := four
	d.Steps = d.Steps[:2]
	env := processtest.New(t, d)
	var undone []string
	fake(env, nil, &undone)
	got := env.Run(&text{})
	if got.Finish.GetError().GetReason() != process.ReasonUndeclared || len(undone) != 2 {
		t.Errorf("%s, undone %v", got.Finish, undone)
	}
}

var asking = process.Definition{
	Name: "asking", Title: "Asking", Input: &text{}, Result: &text{},
	Steps: []process.Step{
		{Name: "make", Title: "Make", Kind: process.Activity}, {Name: "approval", Title: "Approve", Kind: process.Human},
	},
	Settings: map[string]time.Duration{"deadline": 72 * time.Hour},
	Workflow: func(ctx workflow.Context, in *text) (*text, error) {
		if _, err := process.Do(ctx, "make", v.Make1, in, process.UndoBy(v.Undo1, func(_ workflow.Context, made *text) *text { return made })); err != nil {
			return nil, err
		}
		task, err := process.Task(ctx, "approval", process.TaskSpec{
			Title: "Approve it", Assignee: "roles/admin", Due: process.Setting(ctx, "deadline"),
			Remind: process.Reminder{Every: 24 * time.Hour, Call: func(ctx workflow.Context) error {
				_, err := process.Aside(ctx, "approval", "remind", v.Make2, in)
				return err
			}},
		})
		if err != nil {
			return nil, err
		}
		if task.GetDecision() == runsv1.Task_REJECT {
			return nil, process.Fail("REJECTED", "%s", task.GetReason())
		}
		return say(task.GetDecidedBy()), nil
	},
}

func TestTask(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name    string
		prepare func(*processtest.Env)
		state   runsv1.Run_State
		reason  string
		task    runsv1.Task_State
		reminds int
	}{
		{"approved", func(e *processtest.Env) { e.Decide(time.Hour, runsv1.Task_APPROVE, "") }, runsv1.Run_COMPLETED, "", runsv1.Task_DECIDED, 0},
		{"approved after two reminders", func(e *processtest.Env) { e.Decide(50*time.Hour, runsv1.Task_APPROVE, "") }, runsv1.Run_COMPLETED, "", runsv1.Task_DECIDED, 2},
		{"rejected", func(e *processtest.Env) { e.Decide(time.Hour, runsv1.Task_REJECT, "no seat") }, runsv1.Run_FAILED, "REJECTED", runsv1.Task_DECIDED, 0},
		{"nobody decides", func(*processtest.Env) {}, runsv1.Run_FAILED, process.ReasonExpired, runsv1.Task_EXPIRED, 2},
		{"sooner by a setting", func(e *processtest.Env) { e.Set("deadline", time.Hour) }, runsv1.Run_FAILED, process.ReasonExpired, runsv1.Task_EXPIRED, 0},
		{"cancelled", func(e *processtest.Env) {
			e.After(time.Hour, func() { e.Command(process.UpdateCancel, "stop") })
		}, runsv1.Run_CANCELLED, process.ReasonCancelled, runsv1.Task_WITHDRAWN, 0},
		{"paused meanwhile", func(e *processtest.Env) {
			e.After(time.Hour, func() { e.Command(process.UpdatePause, "") })
			e.After(3*time.Hour, func() { e.Command(process.UpdateResume, "") })
			e.Decide(2*time.Hour, runsv1.Task_APPROVE, "")
		}, runsv1.Run_COMPLETED, "", runsv1.Task_DECIDED, 0},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			env := processtest.New(t, asking)
			var undone []string
			fake(env, nil, &undone)
			tc.prepare(env)
			got := env.Run(&text{})
			if got.Finish.GetState() != tc.state || got.Finish.GetError().GetReason() != tc.reason {
				t.Errorf("finish: %s", got.Finish)
			}
			if task := env.Tasks()["approval"]; task.GetState() != tc.task {
				t.Errorf("task: %s", task)
			}
			if (tc.state == runsv1.Run_COMPLETED) != (len(undone) == 0) {
				t.Errorf("undone: %v", undone)
			}
			var reminders []string
			for _, key := range got.Keys {
				if strings.HasSuffix(key, "/remind") {
					reminders = append(reminders, key)
				}
			}
			if len(reminders) != tc.reminds || len(slices.Compact(reminders)) != tc.reminds {
				t.Errorf("reminders: %v", reminders)
			}
		})
	}
}

func TestDefinitionReportsEveryFault(t *testing.T) {
	t.Parallel()
	d := process.Definition{
		Name: "Bad Name", Title: "Bad", Input: &text{}, Result: &text{},
		Steps: []process.Step{
			{Name: "a", Title: "A", Kind: process.Activity}, {Name: "a", Title: "A", Kind: process.Activity},
			{Name: "b", Title: "B", Kind: process.Activity, After: []string{"c"}}, {Name: "d"},
		},
		Workflow: func() {},
	}
	err := d.Validate()
	for _, want := range []string{"lower case", "declared twice", "not declared before", "needs a name", "Workflow must be"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("no word about %q in: %v", want, err)
		}
	}
}
