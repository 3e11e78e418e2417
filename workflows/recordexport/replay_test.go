package recordexport_test

import (
	"os"
	"testing"

	"github.com/microservicehub/mshub/internal/testenv"
	"github.com/microservicehub/mshub/workflows/process/processtest"
	"github.com/microservicehub/mshub/workflows/recordexport"
)

func TestMain(m *testing.M) { os.Exit(testenv.Main(m)) }

func TestReplay(t *testing.T) { processtest.Replay(t, recordexport.Process) }

func TestRecord(t *testing.T) {
	t.Parallel()
	cases := map[string]*room{
		"exported": {parts: 3, done: map[int32]int{}},
		"aborted": {parts: 3, done: map[int32]int{}, fails: map[string]error{
			"FinishExport": processtest.Refuse("failed_precondition", "SCRATCH_FULL", "as recorded"),
		}},
	}
	for name, r := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			env := processtest.New(t, recordexport.Process)
			r.fake(env)
			processtest.Record(t, env, name, testenv.Temporal(t), input)
		})
	}
}
