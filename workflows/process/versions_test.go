package process_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/interceptor"
	sdklog "go.temporal.io/sdk/log"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	runcontext "github.com/microservicehub/mshub/internal/temporal"
	"github.com/microservicehub/mshub/internal/testenv"
	runsv1 "github.com/microservicehub/mshub/services/runs/v1"
	"github.com/microservicehub/mshub/workflows/process"
)

func TestMain(m *testing.M) { os.Exit(testenv.Main(m)) }

// released is a process as it was released; changed is what became of it: one step more in the middle. Runs that began
// before the change finish without that step, whichever build carries them on.
func released(steps ...process.Step) process.Definition {
	return process.Definition{Name: "changing", Title: "Changing", Input: &text{}, Result: &text{}, Steps: append([]process.Step{
		{Name: "first", Title: "First", Kind: process.Activity}, {Name: "wait", Title: "Wait", Kind: process.Timer},
	}, steps...)}
}

func oldBuild() process.Definition {
	d := released(process.Step{Name: "last", Title: "Last", Kind: process.Activity})
	d.Workflow = func(ctx workflow.Context, in *text) (*text, error) {
		if _, err := process.Do(ctx, "first", v.Make1, in); err != nil {
			return nil, err
		}
		if _, err := process.AwaitFact(ctx, "wait", "go.on", process.Wait{}); err != nil {
			return nil, err
		}
		return process.Do(ctx, "last", v.Make3, in)
	}
	return d
}

func newBuild() process.Definition {
	d := released(process.Step{Name: "check", Title: "Check", Kind: process.Activity}, process.Step{Name: "last", Title: "Last", Kind: process.Activity})
	d.Workflow = func(ctx workflow.Context, in *text) (*text, error) {
		if _, err := process.Do(ctx, "first", v.Make1, in); err != nil {
			return nil, err
		}
		checked := workflow.GetVersion(ctx, "check", workflow.DefaultVersion, 1) >= 1 // at the top: before what may wait
		if _, err := process.AwaitFact(ctx, "wait", "go.on", process.Wait{}); err != nil {
			return nil, err
		}
		if checked {
			if _, err := process.Do(ctx, "check", v.Make2, in); err != nil {
				return nil, err
			}
		}
		return process.Do(ctx, "last", v.Make3, in)
	}
	return d
}

// diary is the runs room and the verbs of a build, and what happened in them.
type diary struct {
	mu     sync.Mutex
	calls  map[string][]string // run -> "build step"
	states map[string]runsv1.Run_State
}

func (d *diary) note(ctx context.Context, build string) {
	run, _ := runcontext.RunFrom(ctx)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.calls[run.Run.String()] = append(d.calls[run.Run.String()], build+" "+run.Step)
}

func (d *diary) startWorker(t *testing.T, c client.Client, queue, build string, definition process.Definition) worker.Worker {
	t.Helper()
	w := worker.New(c, queue, worker.Options{
		Identity: build, WorkerStopTimeout: 5 * time.Second,
		Interceptors: []interceptor.WorkerInterceptor{process.NewInterceptor([]process.Definition{definition})},
	})
	w.RegisterWorkflowWithOptions(definition.Workflow, workflow.RegisterOptions{Name: definition.Name})
	for _, name := range []string{"Make1", "Make2", "Make3"} {
		w.RegisterActivityWithOptions(func(ctx context.Context, req *text) (*text, error) {
			d.note(ctx, build)
			return req, nil
		}, activity.RegisterOptions{Name: name})
	}
	w.RegisterActivityWithOptions(func(ctx context.Context, req *runsv1.FinishRunRequest) (*runsv1.FinishRunResponse, error) {
		run, _ := runcontext.RunFrom(ctx)
		d.mu.Lock()
		defer d.mu.Unlock()
		d.states[run.Run.String()] = req.GetState()
		return &runsv1.FinishRunResponse{}, nil
	}, activity.RegisterOptions{Name: "FinishRun"})
	w.RegisterActivityWithOptions(func(context.Context, *runsv1.RecordEventsRequest) (*runsv1.RecordEventsResponse, error) {
		return &runsv1.RecordEventsResponse{}, nil
	}, activity.RegisterOptions{Name: "RecordEvents"})
	if err := w.Start(); err != nil {
		t.Fatal(err)
	}
	return w
}

// While runs start all the time, a changed build comes beside the old one, and the old one goes. Each run completes: those
// that began before finish the story that they began.
func TestChangedBuildUnderLoadFailsNoRun(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	c, err := runcontext.Dial(ctx, testenv.Temporal(t), client.Options{
		ContextPropagators: []workflow.ContextPropagator{runcontext.Propagator()}, Logger: sdklog.NewStructuredLogger(slog.New(slog.DiscardHandler)),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	d := &diary{calls: map[string][]string{}, states: map[string]runsv1.Run_State{}}
	queue := "changing-" + uuid.NewString()
	old := d.startWorker(t, c, queue, "old", oldBuild())
	var runs []client.WorkflowRun
	start := func(n int) {
		for range n {
			id := uuid.Must(uuid.NewV7())
			run, err := c.ExecuteWorkflow(runcontext.ContextWithRun(ctx, runcontext.RunContext{Organisation: id, Run: id, Actor: "users/ada"}),
				client.StartWorkflowOptions{ID: id.String(), TaskQueue: queue}, "changing", &text{})
			if err != nil {
				t.Fatal(err)
			}
			runs = append(runs, run)
		}
	}
	goOn := func(from, to int) {
		for _, run := range runs[from:to] {
			if err := c.SignalWorkflow(ctx, run.GetID(), "", process.SignalFact, process.Fact{ID: run.GetID(), Kind: "go.on"}); err != nil {
				t.Fatal(err)
			}
		}
	}
	start(20)
	goOn(0, 5)
	changed := d.startWorker(t, c, queue, "new", newBuild())
	defer changed.Stop()
	start(20)
	goOn(5, 25)
	old.Stop()
	start(20)
	goOn(25, 60)

	builds := map[string]int{}
	for _, run := range runs {
		if err := run.Get(ctx, nil); err != nil {
			t.Fatalf("run %s: %v", run.GetID(), err)
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, run := range runs {
		if d.states[run.GetID()] != runsv1.Run_COMPLETED {
			t.Errorf("run %s is %s: %v", run.GetID(), d.states[run.GetID()], d.calls[run.GetID()])
		}
		calls := d.calls[run.GetID()]
		builds[fmt.Sprintf("%d steps", len(calls))]++
		builds["ended by the "+calls[len(calls)-1]]++
	}
	t.Log(builds)
	if builds["2 steps"] < 5 || builds["3 steps"] < 20 || builds["ended by the new last"] < 35 {
		t.Errorf("both builds must have had their runs, and the new one carry on the old one's: %v", builds)
	}
}
