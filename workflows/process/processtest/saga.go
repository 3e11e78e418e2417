package processtest

import (
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	runsv1 "github.com/microservicehub/mshub/services/runs/v1"
	"github.com/microservicehub/mshub/workflows/process"
)

// Saga holds a process to its undos. Of a run that would succeed, prepared anew by prepare, each of the steps fails in turn,
// and in turn each is where somebody cancels. Every time exactly those of the steps that are undoable and came before it
// must be undone, last first, once. Steps are those that call services, in the order in which the story comes to them.
//
// A cancelled step has no answer in this environment, so its own undo may find nothing to undo; what it may not is be
// undone twice, or out of order.
func Saga(t *testing.T, prepare func(t *testing.T) *Env, input func() proto.Message, steps []string, undoable ...string) {
	t.Helper()
	for k, step := range steps {
		want := undosOf(steps[:k], undoable)
		t.Run("fails at "+step, func(t *testing.T) {
			t.Parallel()
			env := prepare(t)
			env.FailStep(step, Refuse("failed_precondition", "SAGA", "not today"))
			got := env.Run(input())
			if got.Finish.GetState() == runsv1.Run_COMPLETED {
				t.Skip("the story does without this step")
			}
			if undone := got.undone(); !slices.Equal(want, undone) {
				t.Errorf("undone %v, not %v", undone, want)
			}
			if e := got.Finish.GetError(); got.Finish.GetState() != runsv1.Run_FAILED || e.GetStep() != step || e.GetReason() != "SAGA" {
				t.Errorf("finish: %s", got.Finish)
			}
		})
		t.Run("cancelled at "+step, func(t *testing.T) {
			t.Parallel()
			env := prepare(t)
			first := true
			env.WhenStep(step, func() {
				if first {
					first = false
					env.Command(process.UpdateCancel, "changed my mind")
				}
			})
			got := env.Run(input())
			undone := got.undone()
			if len(undone) > 0 && undone[0] == step && slices.Contains(undoable, step) {
				undone = undone[1:]
			}
			if !slices.Equal(want, undone) {
				t.Errorf("undone %v, not %v", undone, want)
			}
			if got.Finish.GetState() != runsv1.Run_CANCELLED {
				t.Errorf("finish: %s", got.Finish)
			}
		})
	}
}

func undosOf(steps, undoable []string) []string {
	var undos []string
	for _, step := range slices.Backward(steps) {
		if slices.Contains(undoable, step) {
			undos = append(undos, step)
		}
	}
	return undos
}

// undone are the steps that were undone, in order.
func (o Outcome) undone() []string {
	var steps []string
	for _, key := range o.Keys {
		if step, ok := strings.CutSuffix(key, "/undo"); ok {
			steps = append(steps, step)
		}
	}
	return steps
}
