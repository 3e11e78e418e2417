package process_test

import (
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/microservicehub/mshub/workflows/process/processtest"
)

func TestSaga(t *testing.T) {
	t.Parallel()
	prepare := func(t *testing.T) *processtest.Env {
		env := processtest.New(t, four)
		fake(env, nil, new([]string))
		return env
	}
	processtest.Saga(t, prepare, func() proto.Message { return &text{} }, []string{"s1", "s2", "s3", "s4"}, "s1", "s2", "s3", "s4")
}
