package onboarding_test

import (
	"testing"
	"time"

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
					env.Fact(accepted, answer(told))
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

// The person follows the first link, and before the run hears of it the invitation is made anew: nobody has accepted that one.
func TestALateAnswerToTheInvitationBefore(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		answers []int
		state   runsv1.Run_State
	}{
		"alone":                   {[]int{1}, runsv1.Run_FAILED},
		"before that to this one": {[]int{1, 2}, runsv1.Run_COMPLETED},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			env := processtest.New(t, onboarding.Process)
			w := &town{}
			w.fake(env)
			reset := false
			env.After(hour, func() {
				if !reset {
					reset = true
					env.Send(process.UpdateReset, process.Command{Actor: "users/op", Reason: "the wrong role", Step: "invite"})
				}
			})
			for i, number := range tc.answers {
				env.After(time.Duration(2+i)*hour, func() {
					if w.invited == 2 {
						env.Fact(accepted, answer(number))
					}
				})
			}
			env.Decide(hour, runsv1.Task_APPROVE, "")
			got := env.Run(input(""))
			if got.Finish.GetState() != tc.state || w.invited != 2 || (tc.state == runsv1.Run_FAILED) != (got.Finish.GetError().GetReason() == process.ReasonExpired) {
				t.Errorf("finish %s, %d invitations were made", got.Finish, w.invited)
			}
		})
	}
}
