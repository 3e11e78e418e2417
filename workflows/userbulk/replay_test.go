package userbulk_test

import (
	"os"
	"testing"

	"github.com/microservicehub/mshub/internal/testenv"
	runsv1 "github.com/microservicehub/mshub/services/runs/v1"
	"github.com/microservicehub/mshub/workflows/process/processtest"
	"github.com/microservicehub/mshub/workflows/userbulk"
)

func TestMain(m *testing.M) { os.Exit(testenv.Main(m)) }

func TestReplay(t *testing.T) { processtest.Replay(t, userbulk.Process) }

func TestRecord(t *testing.T) {
	t.Parallel()
	for name, w := range map[string]*town{
		"invited": {batches: 3, people: 203, failed: 3, mails: 2},
		"undone":  {batches: 3, people: 203, mails: 2, fails: map[string]error{"FinishUserBulk": processtest.Refuse("failed_precondition", "NO", "as recorded")}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			env := processtest.New(t, userbulk.Process)
			w.fake(env)
			env.Decide(0, runsv1.Task_APPROVE, "as recorded")
			processtest.Record(t, env, name, testenv.Temporal(t), invite())
		})
	}
}
