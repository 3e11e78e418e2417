package recordimport_test

import (
	"os"
	"testing"

	"github.com/microservicehub/mshub/internal/testenv"
	"github.com/microservicehub/mshub/workflows/process/processtest"
	"github.com/microservicehub/mshub/workflows/recordimport"
)

func TestMain(m *testing.M) { os.Exit(testenv.Main(m)) }

func TestReplay(t *testing.T) { processtest.Replay(t, recordimport.Process) }

func TestRecord(t *testing.T) {
	t.Parallel()
	cases := map[string]*room{
		"rejects": {chunks: 5, rejected: 2, done: map[int32]int{}},
		"aborted": {chunks: 5, done: map[int32]int{}, fails: map[string]error{
			"ImportChunk 3": processtest.Refuse("failed_precondition", "BROKEN", "as recorded"),
		}},
	}
	for name, r := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			env := processtest.New(t, recordimport.Process)
			r.fake(env)
			processtest.Record(t, env, name, testenv.Temporal(t), input)
		})
	}
}
