package digest_test

import (
	"os"
	"testing"

	"github.com/microservicehub/mshub/internal/testenv"
	"github.com/microservicehub/mshub/workflows/digest"
	digestv1 "github.com/microservicehub/mshub/workflows/digest/v1"
	"github.com/microservicehub/mshub/workflows/process/processtest"
)

func TestMain(m *testing.M) { os.Exit(testenv.Main(m)) }

func TestReplay(t *testing.T) { processtest.Replay(t, digest.Process) }

func TestRecord(t *testing.T) {
	t.Parallel()
	env := processtest.New(t, digest.Process)
	busy().fake(env)
	processtest.Record(t, env, "mailed", testenv.Temporal(t), &digestv1.Input{})
}
