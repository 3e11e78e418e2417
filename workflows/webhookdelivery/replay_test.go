package webhookdelivery_test

import (
	"os"
	"testing"

	"github.com/microservicehub/mshub/internal/testenv"
	"github.com/microservicehub/mshub/workflows/process/processtest"
	"github.com/microservicehub/mshub/workflows/webhookdelivery"
)

func TestMain(m *testing.M) { os.Exit(testenv.Main(m)) }

func TestReplay(t *testing.T) { processtest.Replay(t, webhookdelivery.Process) }

func TestRecord(t *testing.T) {
	t.Parallel()
	cases := map[string]*room{
		"delivered": {end: delivered(3)},
		"disabled":  {end: failed(true)},
	}
	for name, r := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			env := processtest.New(t, webhookdelivery.Process)
			r.fake(env)
			processtest.Record(t, env, name, testenv.Temporal(t), input)
		})
	}
}
