package erasure_test

import (
	"os"
	"testing"

	"github.com/microservicehub/mshub/internal/testenv"
	runsv1 "github.com/microservicehub/mshub/services/runs/v1"
	"github.com/microservicehub/mshub/workflows/erasure"
	"github.com/microservicehub/mshub/workflows/process/processtest"
)

func TestMain(m *testing.M) { os.Exit(testenv.Main(m)) }

func TestReplay(t *testing.T) { processtest.Replay(t, erasure.Process) }

func TestRecord(t *testing.T) {
	t.Parallel()
	for name, decide := range map[string]runsv1.Task_Decision{"erased": runsv1.Task_APPROVE, "rejected": runsv1.Task_REJECT} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			env := processtest.New(t, erasure.Process)
			everything().fake(env)
			env.Decide(0, decide, "as recorded")
			processtest.Record(t, env, name, testenv.Temporal(t), input())
		})
	}
}
