package userbulk_test

import (
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	runsv1 "github.com/microservicehub/mshub/services/runs/v1"
	"github.com/microservicehub/mshub/workflows/process/processtest"
	"github.com/microservicehub/mshub/workflows/userbulk"
)

// One undo takes back the whole: the service knows whom it has changed.
func TestSaga(t *testing.T) {
	t.Parallel()
	prepare := func(t *testing.T) *processtest.Env {
		env := processtest.New(t, userbulk.Process)
		(&town{batches: 3, people: 203, mails: 2}).fake(env)
		env.Decide(time.Hour, runsv1.Task_APPROVE, "")
		return env
	}
	processtest.Saga(t, prepare, func() proto.Message { return invite() }, []string{"plan", "apply", "finish"}, "plan")
}
