package digest_test

import (
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/microservicehub/mshub/workflows/digest"
	digestv1 "github.com/microservicehub/mshub/workflows/digest/v1"
	"github.com/microservicehub/mshub/workflows/process/processtest"
)

// A mail can't be taken back: nothing is undone.
func TestSaga(t *testing.T) {
	t.Parallel()
	prepare := func(t *testing.T) *processtest.Env {
		env := processtest.New(t, digest.Process)
		busy().fake(env)
		return env
	}
	processtest.Saga(t, prepare, func() proto.Message { return &digestv1.Input{} }, []string{"collect", "people", "mails"})
}
