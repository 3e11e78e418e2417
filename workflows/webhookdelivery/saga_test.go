package webhookdelivery_test

import (
	"slices"
	"testing"

	"google.golang.org/protobuf/proto"

	runsv1 "github.com/microservicehub/mshub/services/runs/v1"
	"github.com/microservicehub/mshub/workflows/process"
	"github.com/microservicehub/mshub/workflows/process/processtest"
	"github.com/microservicehub/mshub/workflows/webhookdelivery"
)

// What was sent can't be taken back: nothing is undone.
func TestSaga(t *testing.T) {
	t.Parallel()
	prepare := func(t *testing.T) *processtest.Env {
		env := processtest.New(t, webhookdelivery.Process)
		(&room{end: delivered(1)}).fake(env)
		return env
	}
	processtest.Saga(t, prepare, func() proto.Message { return input }, []string{"deliver"})
}

// A report that is cancelled ends the run so; one that fails is seen at its step, and the delivery's own end stays the run's.
func TestReportThatFails(t *testing.T) {
	t.Parallel()
	for _, step := range []string{"people", "report"} {
		t.Run(step, func(t *testing.T) {
			t.Parallel()
			env := processtest.New(t, webhookdelivery.Process)
			(&room{end: failed(true)}).fake(env)
			env.FailStep(step, processtest.Refuse("failed_precondition", "SAGA", "not today"))
			if got := env.Run(input); got.Finish.GetError().GetReason() != "NOT_DELIVERED" || !slices.Contains(got.Lines, "step.failed "+step) {
				t.Errorf("failed: %s, %v", got.Finish, got.Lines)
			}
			env = processtest.New(t, webhookdelivery.Process)
			(&room{end: failed(true)}).fake(env)
			env.WhenStep(step, func() { env.Command(process.UpdateCancel, "never mind") })
			if got := env.Run(input); got.Finish.GetState() != runsv1.Run_CANCELLED {
				t.Errorf("cancelled: %s", got.Finish)
			}
		})
	}
}
