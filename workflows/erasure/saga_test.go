package erasure_test

import (
	"slices"
	"testing"
	"time"

	runsv1 "github.com/microservicehub/mshub/services/runs/v1"
	"github.com/microservicehub/mshub/workflows/erasure"
	"github.com/microservicehub/mshub/workflows/process"
	"github.com/microservicehub/mshub/workflows/process/processtest"
)

// What is erased can't come back, so nothing is undone. A step that fails waits for an operator, and nothing after it happens
// before he has decided; cancelled there, the run ends with what is erased erased.
func TestEachStepThatFailsHoldsTheRest(t *testing.T) {
	t.Parallel()
	steps := []string{"person", "collect", "records", "files", "messages", "account", "audit", "verify", "certificate"}
	for k, step := range steps {
		t.Run(step, func(t *testing.T) {
			t.Parallel()
			env := processtest.New(t, erasure.Process)
			everything().fake(env)
			env.Decide(time.Hour, runsv1.Task_APPROVE, "")
			env.FailStep(step, processtest.Refuse("failed_precondition", "SAGA", "not today"))
			env.After(48*time.Hour, func() { env.Command(process.UpdateCancel, "leave it") })
			got := env.Run(input())
			if got.Finish.GetState() != runsv1.Run_CANCELLED || !slices.Contains(got.Lines, "run.parked "+step) {
				t.Errorf("finish: %s, %v", got.Finish, got.Lines)
			}
			for _, later := range steps[k+1:] {
				if slices.Contains(got.Keys, later) {
					t.Errorf("%s was done although %s had failed: %v", later, step, got.Keys)
				}
			}
			for _, key := range got.Keys {
				if len(key) > 5 && key[len(key)-5:] == "/undo" {
					t.Errorf("undone: %s", key)
				}
			}
		})
	}
}
