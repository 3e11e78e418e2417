package recordexport_test

import (
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/microservicehub/mshub/workflows/process/processtest"
	"github.com/microservicehub/mshub/workflows/recordexport"
)

func TestSaga(t *testing.T) {
	t.Parallel()
	prepare := func(t *testing.T) *processtest.Env {
		env := processtest.New(t, recordexport.Process)
		(&room{parts: 7, done: map[int32]int{}}).fake(env)
		return env
	}
	processtest.Saga(t, prepare, func() proto.Message { return input }, []string{"plan", "parts", "file", "join", "keep"}, "plan", "file")
}
