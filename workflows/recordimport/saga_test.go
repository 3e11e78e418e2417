package recordimport_test

import (
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/microservicehub/mshub/workflows/process/processtest"
	"github.com/microservicehub/mshub/workflows/recordimport"
)

// One undo takes back the whole: the service knows what the run has written. From the summing up on there is none.
func TestSaga(t *testing.T) {
	t.Parallel()
	prepare := func(t *testing.T) *processtest.Env {
		env := processtest.New(t, recordimport.Process)
		(&room{chunks: 17, rejected: 2, done: map[int32]int{}}).fake(env)
		return env
	}
	processtest.Saga(t, prepare, func() proto.Message { return input }, []string{"file", "plan", "chunks"}, "plan")
}
