package process_test

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/google/uuid"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/interceptor"
	sdklog "go.temporal.io/sdk/log"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/microservicehub/mshub/activities"
	runcontext "github.com/microservicehub/mshub/internal/temporal"
	"github.com/microservicehub/mshub/internal/testenv"
	runsv1 "github.com/microservicehub/mshub/services/runs/v1"
	"github.com/microservicehub/mshub/workflows/process"
	"github.com/microservicehub/mshub/workflows/process/processtest"
)

// reader is a process of one long call, and a worker for it on a real server. Its request counts how often it is made.
type reader struct {
	client client.Client
	queue  string
	// came tells of each call's beginning with its request, broken of one that was broken off; goOn lets one answer.
	came, broken chan string
	goOn         chan struct{}
	undone       chan struct{}
	finish       chan *runsv1.FinishRunRequest
}

func newReader(t *testing.T, interruptible bool) *reader {
	t.Helper()
	c, err := runcontext.Dial(t.Context(), testenv.Temporal(t), client.Options{
		ContextPropagators: []workflow.ContextPropagator{runcontext.Propagator()}, Logger: sdklog.NewStructuredLogger(slog.New(slog.DiscardHandler)),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	r := &reader{
		client: c, queue: "reading-" + uuid.NewString(), came: make(chan string, 9), broken: make(chan string, 9), goOn: make(chan struct{}, 9),
		undone: make(chan struct{}, 9), finish: make(chan *runsv1.FinishRunRequest, 9),
	}
	definition := process.Definition{
		Name: "reading", Title: "Reading", Input: &text{}, Result: &text{},
		Steps: []process.Step{{Name: "read", Title: "Read", Kind: process.Activity, Timeout: 10 * time.Minute, Interruptible: interruptible}},
		Workflow: func(ctx workflow.Context, _ *text) (*text, error) {
			made := 0
			request := func(workflow.Context) (*text, error) {
				made++
				return say(fmt.Sprint("request ", made)), nil
			}
			undo := process.UndoBy(v.Undo1, func(workflow.Context, *text) *text { return &text{} })
			return process.DoWith(ctx, "read", v.Make1, request, undo)
		},
	}
	options := process.WorkerOptions(process.QueueDefault)
	options.Interceptors = []interceptor.WorkerInterceptor{activities.NewInterceptor(), process.NewInterceptor([]process.Definition{definition})}
	w := worker.New(c, r.queue, options)
	w.RegisterWorkflowWithOptions(definition.Workflow, workflow.RegisterOptions{Name: definition.Name})
	for name, verb := range map[string]any{
		"Make1": r.read,
		"Undo1": func(context.Context, *text) (*text, error) {
			r.undone <- struct{}{}
			return &text{}, nil
		},
		"FinishRun": func(_ context.Context, in *runsv1.FinishRunRequest) (*runsv1.FinishRunResponse, error) {
			r.finish <- in
			return &runsv1.FinishRunResponse{}, nil
		},
		"RecordEvents": func(context.Context, *runsv1.RecordEventsRequest) (*runsv1.RecordEventsResponse, error) {
			return &runsv1.RecordEventsResponse{}, nil
		},
	} {
		w.RegisterActivityWithOptions(verb, activity.RegisterOptions{Name: name})
	}
	if err := w.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.Stop)
	return r
}

func (r *reader) read(ctx context.Context, in *text) (*text, error) {
	r.came <- in.GetName()
	select {
	case <-r.goOn:
		return in, nil
	case <-ctx.Done():
		r.broken <- in.GetName()
		return nil, ctx.Err()
	}
}

func (r *reader) start(t *testing.T) client.WorkflowRun {
	t.Helper()
	id := uuid.Must(uuid.NewV7())
	run, err := r.client.ExecuteWorkflow(runcontext.ContextWithRun(t.Context(), runcontext.RunContext{Organisation: id, Run: id, Actor: "users/ada"}),
		client.StartWorkflowOptions{ID: id.String(), TaskQueue: r.queue}, "reading", &text{})
	if err != nil {
		t.Fatal(err)
	}
	return run
}

func (r *reader) command(t *testing.T, run client.WorkflowRun, update string) {
	t.Helper()
	handle, err := r.client.UpdateWorkflow(t.Context(), client.UpdateWorkflowOptions{
		WorkflowID: run.GetID(), UpdateName: update, Args: []any{about("")}, WaitForStage: client.WorkflowUpdateStageCompleted,
	})
	if err == nil {
		err = handle.Get(t.Context(), nil)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// within waits for something, not longer than a pause may take.
func within[T any](t *testing.T, what string, c <-chan T) (got T) {
	t.Helper()
	select {
	case got = <-c:
	case <-time.After(5 * time.Second):
		t.Fatalf("not within five seconds: %s", what)
	}
	return got
}

// A pause breaks off a long call that bears it; when the run goes on, the call is made anew, by a new request.
func TestPauseBreaksOffAnInterruptibleCall(t *testing.T) {
	t.Parallel()
	r := newReader(t, true)
	run := r.start(t)
	for round := 1; round <= 2; round++ {
		want := fmt.Sprint("request ", round)
		if got := within(t, "the call", r.came); got != want {
			t.Fatalf("called with %q, not %q", got, want)
		}
		r.command(t, run, process.UpdatePause)
		if got := within(t, "broken off", r.broken); got != want {
			t.Errorf("broken off was %q", got)
		}
		r.command(t, run, process.UpdateResume)
	}
	within(t, "the last call", r.came)
	r.goOn <- struct{}{}
	if finish := within(t, "the end", r.finish); finish.GetState() != runsv1.Run_COMPLETED || len(r.came) != 0 || len(r.undone) != 0 {
		t.Errorf("finish: %s", finish)
	}
}

// So does a cancel; what the call may have done is undone.
func TestCancelBreaksOffAnInterruptibleCall(t *testing.T) {
	t.Parallel()
	r := newReader(t, true)
	run := r.start(t)
	within(t, "the call", r.came)
	r.command(t, run, process.UpdateCancel)
	within(t, "broken off", r.broken)
	within(t, "the undo", r.undone)
	if finish := within(t, "the end", r.finish); finish.GetState() != runsv1.Run_CANCELLED || len(r.came) != 0 {
		t.Errorf("finish: %s", finish)
	}
}

// Other calls are finished in spite of a pause, and their answer counts.
func TestPauseLeavesOtherCallsAlone(t *testing.T) {
	t.Parallel()
	r := newReader(t, false)
	run := r.start(t)
	within(t, "the call", r.came)
	r.command(t, run, process.UpdatePause)
	r.goOn <- struct{}{}
	r.command(t, run, process.UpdateResume)
	if finish := within(t, "the end", r.finish); finish.GetState() != runsv1.Run_COMPLETED || len(r.broken) != 0 || len(r.came) != 0 {
		t.Errorf("finish: %s", finish)
	}
}

// A request that can't be made is the step's failure.
func TestRequestThatCannotBeMade(t *testing.T) {
	t.Parallel()
	d := four
	d.Workflow = func(ctx workflow.Context, in *text) (*text, error) {
		return process.DoWith(ctx, "s1", v.Make1, func(ctx workflow.Context) (*text, error) {
			return process.Aside(ctx, "s1", "link", v.Make2, in)
		})
	}
	env := processtest.New(t, d)
	fake(env, map[string]error{"Make2": processtest.Refuse("not_found", "NO_LINK", "the file is gone")}, new([]string))
	got := env.Run(&text{})
	if e := got.Finish.GetError(); e.GetStep() != "s1" || e.GetReason() != "NO_LINK" || e.GetMessage() != "the file is gone" || len(got.Calls) != 1 {
		t.Errorf("finish: %s, calls %v", got.Finish, got.Calls)
	}
	if len(got.Lines) != 1 || got.Lines[0] != "step.failed s1" {
		t.Errorf("lines: %v", got.Lines)
	}
}
