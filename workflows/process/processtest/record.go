package processtest

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/uuid"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/api/temporalproto"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
	"google.golang.org/protobuf/proto"

	enumspb "go.temporal.io/api/enums/v1"

	runcontext "github.com/microservicehub/mshub/internal/temporal"
	runsv1 "github.com/microservicehub/mshub/services/runs/v1"
	"github.com/microservicehub/mshub/workflows/process"
)

// Record runs the process once on a real server, with the fakes of env, and replays what was recorded. If MSHUB_RECORD names a
// release, the history becomes testdata/replay_RELEASE_NAME.json. Facts are told at once; tasks are decided as env.Decide
// says, without its delay. The run may end in any way: a failure and its undo are worth recording too.
func Record(t *testing.T, env *Env, name, temporalAddress string, input proto.Message, facts ...process.Fact) {
	t.Helper()
	ctx := t.Context()
	c, err := runcontext.Dial(ctx, temporalAddress, client.Options{
		Identity: "recorder", ContextPropagators: []workflow.ContextPropagator{runcontext.Propagator()},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	queue := "record-" + uuid.NewString()
	w := worker.New(c, queue, worker.Options{
		Identity:     "recorder",
		Interceptors: []interceptor.WorkerInterceptor{process.NewInterceptor([]process.Definition{env.definition})},
	})
	w.RegisterWorkflowWithOptions(env.definition.Workflow, workflow.RegisterOptions{Name: env.definition.Name})
	for _, verb := range env.verbs {
		w.RegisterActivityWithOptions(verb.f, activity.RegisterOptions{Name: verb.name})
	}
	if err := w.Start(); err != nil {
		t.Fatal(err)
	}
	defer w.Stop()

	id := env.run.Run.String()
	env.created = func(task *runsv1.Task) {
		if a := env.answer; a != nil {
			env.decided(task, a)
			if err := c.SignalWorkflow(ctx, id, "", process.SignalTask, task); err != nil {
				t.Error(err)
			}
		}
	}
	options := client.StartWorkflowOptions{ID: id, TaskQueue: queue, StaticSummary: env.definition.Title}
	if env.settings != nil {
		options.Memo = process.SettingsMemo(env.settings)
	}
	run, err := c.ExecuteWorkflow(runcontext.ContextWithRun(ctx, env.run), options, env.definition.Name, input)
	if err != nil {
		t.Fatal(err)
	}
	for _, fact := range facts {
		if err := c.SignalWorkflow(ctx, id, "", process.SignalFact, fact); err != nil {
			t.Fatal(err)
		}
	}
	_ = run.Get(ctx, nil) // how it ends is part of what is recorded
	history := &historypb.History{}
	for events := c.GetWorkflowHistory(ctx, id, run.GetRunID(), false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT); events.HasNext(); {
		event, err := events.Next()
		if err != nil {
			t.Fatal(err)
		}
		history.Events = append(history.Events, event)
	}
	raw, err := temporalproto.CustomJSONMarshalOptions{Indent: " "}.Marshal(history)
	if err != nil {
		t.Fatal(err)
	}
	if host, err := os.Hostname(); err == nil { // sticky queues carry the machine's name
		raw = bytes.ReplaceAll(raw, []byte(`"`+host+`:`), []byte(`"recorder:`))
	}
	if err := replay(env.definition, raw); err != nil {
		t.Errorf("what was just recorded does not replay: %v", err)
	}
	if release := os.Getenv("MSHUB_RECORD"); release != "" {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join("testdata", "replay_"+release+"_"+name+".json"), raw, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
