package runbulk_test

import (
	"os"
	"testing"

	"github.com/microservicehub/mshub/internal/testenv"
	"github.com/microservicehub/mshub/workflows/process/processtest"
	"github.com/microservicehub/mshub/workflows/runbulk"
)

func TestMain(m *testing.M) { os.Exit(testenv.Main(m)) }

func TestReplay(t *testing.T) { processtest.Replay(t, runbulk.Process) }

func TestRecord(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]*office{
		"refused": {batches: 3, refused: 2},
		"broken":  {batches: 3, fails: map[string]error{"ApplyBulk 2": processtest.Refuse("failed_precondition", "BROKEN", "as recorded")}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			env := processtest.New(t, runbulk.Process)
			o.fake(env)
			processtest.Record(t, env, name, testenv.Temporal(t), pause())
		})
	}
}
