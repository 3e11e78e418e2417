package recordexport_test

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
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

	"github.com/microservicehub/mshub/activities"
	runcontext "github.com/microservicehub/mshub/internal/temporal"
	"github.com/microservicehub/mshub/internal/testenv"
	filesv1 "github.com/microservicehub/mshub/services/files/v1"
	recordsv1 "github.com/microservicehub/mshub/services/records/v1"
	runsv1 "github.com/microservicehub/mshub/services/runs/v1"
	"github.com/microservicehub/mshub/workflows/process"
	"github.com/microservicehub/mshub/workflows/recordexport"
)

// joiner is records, files and runs for an export on a real server, whose joining takes as long as the test likes.
type joiner struct {
	mu sync.Mutex
	// keys under which places for the file were asked for; each answer has a link of its own.
	keys []string
	// joining tells of each beginning with its link, broken of one that was broken off; goOn lets one end.
	joining, broken chan string
	goOn            chan struct{}
	finish          chan *runsv1.FinishRunRequest
}

func (j *joiner) verbs() map[string]any {
	return map[string]any{
		"PlanExport": func(context.Context, *recordsv1.PlanExportRequest) (*recordsv1.PlanExportResponse, error) {
			return &recordsv1.PlanExportResponse{FileName: "flights.csv", ContentType: "text/csv"}, nil
		},
		"CreateUpload": func(ctx context.Context, in *filesv1.CreateUploadRequest) (*filesv1.CreateUploadResponse, error) {
			run, _ := runcontext.RunFrom(ctx)
			j.mu.Lock()
			defer j.mu.Unlock()
			j.keys = append(j.keys, activities.Key(run)+" "+in.GetFileName())
			return &filesv1.CreateUploadResponse{File: &filesv1.File{Name: "files/new"}, Url: fmt.Sprint("link ", len(j.keys))}, nil
		},
		"FinishExport": func(ctx context.Context, in *recordsv1.FinishExportRequest) (*recordsv1.FinishExportResponse, error) {
			j.joining <- in.GetUploadUrl()
			select {
			case <-j.goOn:
				return &recordsv1.FinishExportResponse{Bytes: 7, Sha256: "abc"}, nil
			case <-ctx.Done():
				j.broken <- in.GetUploadUrl()
				return nil, ctx.Err()
			}
		},
		"CompleteUpload": func(_ context.Context, in *filesv1.CompleteUploadRequest) (*filesv1.File, error) {
			return &filesv1.File{Name: in.GetName()}, nil
		},
		"AbortExport": func(context.Context, *recordsv1.AbortExportRequest) (*recordsv1.AbortExportResponse, error) {
			return &recordsv1.AbortExportResponse{}, nil
		},
		"DeleteFile": func(context.Context, *filesv1.DeleteFileRequest) (*filesv1.DeleteFileResponse, error) {
			return &filesv1.DeleteFileResponse{}, nil
		},
		"RecordEvents": func(context.Context, *runsv1.RecordEventsRequest) (*runsv1.RecordEventsResponse, error) {
			return &runsv1.RecordEventsResponse{}, nil
		},
		"FinishRun": func(_ context.Context, in *runsv1.FinishRunRequest) (*runsv1.FinishRunResponse, error) {
			j.finish <- in
			return &runsv1.FinishRunResponse{}, nil
		},
	}
}

// start an export; command gives it an operator's command.
func (j *joiner) start(t *testing.T) (command func(update string)) {
	t.Helper()
	c, err := runcontext.Dial(t.Context(), testenv.Temporal(t), client.Options{
		ContextPropagators: []workflow.ContextPropagator{runcontext.Propagator()}, Logger: sdklog.NewStructuredLogger(slog.New(slog.DiscardHandler)),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	options := process.WorkerOptions(process.QueueBatch)
	options.Interceptors = []interceptor.WorkerInterceptor{activities.NewInterceptor(), process.NewInterceptor([]process.Definition{recordexport.Process})}
	queue := "joining-" + uuid.NewString()
	w := worker.New(c, queue, options)
	w.RegisterWorkflowWithOptions(recordexport.Process.Workflow, workflow.RegisterOptions{Name: recordexport.Process.Name})
	for name, verb := range j.verbs() {
		w.RegisterActivityWithOptions(verb, activity.RegisterOptions{Name: name})
	}
	if err := w.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.Stop)
	id := uuid.Must(uuid.NewV7())
	run, err := c.ExecuteWorkflow(runcontext.ContextWithRun(t.Context(), runcontext.RunContext{Organisation: id, Run: id, Actor: "users/ada"}),
		client.StartWorkflowOptions{ID: id.String(), TaskQueue: queue}, recordexport.Process.Name, input)
	if err != nil {
		t.Fatal(err)
	}
	return func(update string) {
		t.Helper()
		handle, err := c.UpdateWorkflow(t.Context(), client.UpdateWorkflowOptions{
			WorkflowID: run.GetID(), UpdateName: update, WaitForStage: client.WorkflowUpdateStageCompleted,
			Args: []any{process.Command{Actor: "users/op", Reason: "as tested"}},
		})
		if err == nil {
			err = handle.Get(t.Context(), nil)
		}
		if err != nil {
			t.Fatal(err)
		}
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

// A pause breaks off the joining within seconds. When the run goes on it begins anew, with a fresh link to the same place.
func TestPausedWhileItJoins(t *testing.T) {
	t.Parallel()
	for _, update := range []string{process.UpdateResume, process.UpdateCancel} {
		t.Run(update, func(t *testing.T) {
			t.Parallel()
			j := &joiner{joining: make(chan string, 9), broken: make(chan string, 9), goOn: make(chan struct{}, 9), finish: make(chan *runsv1.FinishRunRequest, 9)}
			command := j.start(t)
			first := within(t, "the joining", j.joining)
			command(process.UpdatePause)
			if got := within(t, "broken off", j.broken); got != first {
				t.Errorf("broken off was %q", got)
			}
			command(update)
			if update == process.UpdateCancel {
				if finish := within(t, "the end", j.finish); finish.GetState() != runsv1.Run_CANCELLED || len(j.joining) != 0 {
					t.Errorf("finish: %s", finish)
				}
				return
			}
			if again := within(t, "the joining again", j.joining); again == first {
				t.Errorf("the link is the old one: %s", again)
			}
			j.goOn <- struct{}{}
			finish := within(t, "the end", j.finish)
			if finish.GetState() != runsv1.Run_COMPLETED || finish.GetResult().GetFields()["file"].GetStringValue() != "files/new" {
				t.Errorf("finish: %s", finish)
			}
			j.mu.Lock()
			defer j.mu.Unlock()
			if len(j.keys) != 3 || len(slices.Compact(j.keys)) != 1 {
				t.Errorf("places were asked for as %v", j.keys)
			}
		})
	}
}
