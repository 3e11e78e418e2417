package onboarding_test

import (
	"os"
	"testing"

	"github.com/microservicehub/mshub/internal/testenv"
	runsv1 "github.com/microservicehub/mshub/services/runs/v1"
	"github.com/microservicehub/mshub/workflows/onboarding"
	onboardingv1 "github.com/microservicehub/mshub/workflows/onboarding/v1"
	"github.com/microservicehub/mshub/workflows/process"
	"github.com/microservicehub/mshub/workflows/process/processtest"
)

func TestMain(m *testing.M) { os.Exit(testenv.Main(m)) }

func TestReplay(t *testing.T) { processtest.Replay(t, onboarding.Process) }

func TestRecord(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		input    *onboardingv1.Input
		decide   runsv1.Task_Decision
		rejected string // step
	}{
		"approved":          {input: input("boss@example.org"), decide: runsv1.Task_APPROVE},
		"rejected":          {input: input("boss@example.org"), decide: runsv1.Task_REJECT},
		"customer":          {input: customer(), decide: runsv1.Task_APPROVE},
		"customer-rejected": {input: customer(), decide: runsv1.Task_APPROVE, rejected: "second-approval"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			env := processtest.New(t, onboarding.Process)
			(&town{}).fake(env)
			env.Decide(0, tc.decide, "as recorded")
			env.Fill("documents", handedIn)
			if tc.rejected != "" {
				env.WhenTask(tc.rejected, runsv1.Task_REJECT, "as recorded")
			}
			processtest.Record(t, env, name, testenv.Temporal(t), tc.input, process.Fact{ID: "fact", Kind: accepted, Data: []byte(answer(1))})
		})
	}
}
