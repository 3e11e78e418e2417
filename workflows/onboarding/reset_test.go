package onboarding_test

import (
	"testing"

	runsv1 "github.com/microservicehub/mshub/services/runs/v1"
	"github.com/microservicehub/mshub/workflows/onboarding"
	"github.com/microservicehub/mshub/workflows/process"
	"github.com/microservicehub/mshub/workflows/process/processtest"
)

// A link that is sent once more does not take back that the person came: nobody waits for that again, and nobody is told that
// the invitation is void. An invitation that is made anew must be accepted anew.
func TestResetBeforeTheAcceptance(t *testing.T) {
	t.Parallel()
	for step, answers := range map[string]int{"mail": 1, "invite": 2} {
		t.Run(step, func(t *testing.T) {
			t.Parallel()
			env := processtest.New(t, onboarding.Process)
			w := &town{}
			w.fake(env)
			told := 0
			env.After(hour, func() {
				if told < answers {
					told++
					env.Fact(accepted, `{"invitation":"invitations/1"}`)
				}
			})
			reset := false
			env.After(2*hour, func() {
				if !reset {
					reset = true
					env.Send(process.UpdateReset, process.Command{Actor: "users/op", Reason: "the mail was lost", Step: step})
				}
			})
			env.Decide(3*hour, runsv1.Task_APPROVE, "")
			got := env.Run(input(""))
			if got.Finish.GetState() != runsv1.Run_COMPLETED || len(w.reasons) != 0 || w.invitations != 1 {
				t.Errorf("finish %s, told why it is void: %q, invitations %d", got.Finish, w.reasons, w.invitations)
			}
		})
	}
}
