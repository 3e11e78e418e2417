package onboarding_test

import (
	"testing"

	"google.golang.org/protobuf/proto"

	runsv1 "github.com/microservicehub/mshub/services/runs/v1"
	"github.com/microservicehub/mshub/workflows/onboarding"
	"github.com/microservicehub/mshub/workflows/process/processtest"
)

func TestSaga(t *testing.T) {
	t.Parallel()
	prepare := func(t *testing.T) *processtest.Env {
		env := processtest.New(t, onboarding.Process)
		(&town{}).fake(env)
		accept(env, hour)
		env.Decide(hour, runsv1.Task_APPROVE, "")
		env.Fill("documents", handedIn)
		return env
	}
	t.Run("employee", func(t *testing.T) {
		t.Parallel()
		processtest.Saga(t, prepare, func() proto.Message { return input("users/boss") },
			[]string{"approver", "invite", "mail", "membership"}, "invite", "mail", "membership")
	})
	// A customer is a member since the admission: undoing that ends whatever role there is.
	t.Run("customer", func(t *testing.T) {
		t.Parallel()
		processtest.Saga(t, prepare, func() proto.Message { return customer() },
			[]string{"approver", "invite", "mail", "admit", "membership"}, "invite", "mail", "admit")
	})
}
