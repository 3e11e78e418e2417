package testenv

import (
	"testing"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/microservicehub/mshub/internal/temporal"
)

func TestTemporalRunsAWorkflow(t *testing.T) {
	t.Parallel()
	c, err := temporal.Dial(t.Context(), Temporal(t), client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	w := worker.New(c, t.Name(), worker.Options{})
	w.RegisterWorkflowWithOptions(func(workflow.Context) (int, error) { return 42, nil }, workflow.RegisterOptions{Name: "answer"})
	if err := w.Start(); err != nil {
		t.Fatal(err)
	}
	defer w.Stop()
	run, err := c.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{TaskQueue: t.Name()}, "answer")
	if err != nil {
		t.Fatal(err)
	}
	var answer int
	if err := run.Get(t.Context(), &answer); err != nil || answer != 42 {
		t.Errorf("answer = %d, %v; want 42", answer, err)
	}
}
