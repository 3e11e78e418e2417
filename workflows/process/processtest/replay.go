package processtest

import (
	"os"
	"path/filepath"
	"testing"

	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/api/temporalproto"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	runcontext "github.com/microservicehub/mshub/internal/temporal"
	"github.com/microservicehub/mshub/workflows/process"
)

// Replay replays every history in testdata/replay_*.json against the process as it is now. A change that breaks runs of a
// released version fails here: guard it with workflow.GetVersion, and record a new history beside the old ones.
func Replay(t *testing.T, definition process.Definition) {
	t.Helper()
	files, err := filepath.Glob("testdata/replay_*.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("process %q has no testdata/replay_*.json (%v): run its tests with MSHUB_RECORD=<release>", definition.Name, err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			raw, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if err := replay(definition, raw); err != nil {
				t.Errorf("the process can't continue runs like this one: %v", err)
			}
		})
	}
}

func replay(definition process.Definition, raw []byte) error {
	history := &historypb.History{}
	if err := (temporalproto.CustomJSONUnmarshalOptions{DiscardUnknown: true}).Unmarshal(raw, history); err != nil {
		return err
	}
	var run runcontext.RunContext
	header := history.GetEvents()[0].GetWorkflowExecutionStartedEventAttributes().GetHeader()
	if err := converter.GetDefaultDataConverter().FromPayload(header.GetFields()["mshub-run"], &run); err != nil {
		return err
	}
	replayer, err := worker.NewWorkflowReplayerWithOptions(worker.WorkflowReplayerOptions{
		ContextPropagators: []workflow.ContextPropagator{runcontext.Propagator()},
		Interceptors:       []interceptor.WorkerInterceptor{process.NewInterceptor([]process.Definition{definition})},
	})
	if err != nil {
		return err
	}
	replayer.RegisterWorkflowWithOptions(definition.Workflow, workflow.RegisterOptions{Name: definition.Name})
	return replayer.ReplayWorkflowHistoryWithOptions(silent(), history, worker.ReplayWorkflowHistoryOptions{
		OriginalExecution: workflow.Execution{ID: run.Run.String()},
	})
}
