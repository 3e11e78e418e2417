package process_test

import (
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	runsv1 "github.com/microservicehub/mshub/services/runs/v1"
	"github.com/microservicehub/mshub/workflows/process"
	"github.com/microservicehub/mshub/workflows/process/processtest"
)

func TestStepsWaitForTheirTurn(t *testing.T) {
	t.Parallel()
	d := many(5, 1)
	d.Rates = map[string]process.Rate{"crm": {PerSecond: 0.5}}
	d.Steps = slices.Clone(d.Steps)
	d.Steps[0].Rate, d.Steps[1].Rate = "crm", "crm"
	env := processtest.New(t, d)
	var undone []string
	fake(env, nil, &undone)
	var early int
	env.After(7*time.Second, func() { early = len(env.Calls) })
	got := env.Run(&text{})
	if got.Finish.GetState() != runsv1.Run_COMPLETED || len(got.Reserved) != 6 || early != 3 {
		t.Errorf("reserved %v, %d calls within seven seconds, finish %s", got.Reserved, early, got.Finish)
	}
}

// rated is four whose second step calls a system that bears a call in two seconds, and is away for n attempts.
func rated(t *testing.T, n int32) *processtest.Env {
	d := four
	d.Rates = map[string]process.Rate{"crm": {PerSecond: 0.5}}
	d.Steps = slices.Clone(d.Steps)
	d.Steps[1].Rate = "crm"
	env := processtest.New(t, d)
	var undone []string
	fake(env, nil, &undone)
	var calls atomic.Int32
	processtest.On(env, v.Make2, func(*text) (*text, error) {
		if calls.Add(1) <= n {
			return nil, processtest.Away()
		}
		return say("2"), nil
	})
	return env
}

func attemptsOf(calls []string, verb string) int {
	return strings.Count(strings.Join(calls, " "), verb)
}

func TestEachAttemptWaitsForItsTurn(t *testing.T) {
	t.Parallel()
	for away, want := range map[int32]struct {
		attempts int
		state    runsv1.Run_State
	}{
		3:  {4, runsv1.Run_COMPLETED},
		99: {16, runsv1.Run_FAILED},
	} {
		env := rated(t, away)
		got := env.Run(&text{})
		if n := attemptsOf(got.Calls, "Make2"); n != want.attempts || len(got.Reserved) != n || got.Finish.GetState() != want.state {
			t.Errorf("away %d times: %d attempts, %d places in the line, finish %s", away, n, len(got.Reserved), got.Finish)
		}
	}
}

// Attempts begin after 2, 4.5, 7.5, 11.5 and 17.5 seconds; the next one would be due after 27.5.
func TestAttemptInTheLineIsMadeAtOnceOrHeld(t *testing.T) {
	t.Parallel()
	env := rated(t, 5)
	var resting int
	late := false
	env.After(18*time.Second, func() {
		resting = attemptsOf(env.Calls, "Make2")
		env.Send(process.UpdateRetryStep, about("s2"))
	})
	env.After(26*time.Second, func() { late = true })
	if got := env.Run(&text{}); got.Finish.GetState() != runsv1.Run_COMPLETED || resting != 5 || late || len(got.Reserved) != 6 {
		t.Errorf("%d attempts before it was hurried, late: %t, reserved %v, finish %s", resting, late, got.Reserved, got.Finish)
	}

	env = rated(t, 5)
	var held int
	env.After(18*time.Second, func() { env.Command(process.UpdatePause, "") })
	env.After(time.Hour, func() {
		held = attemptsOf(env.Calls, "Make2")
		env.Command(process.UpdateResume, "")
	})
	if got := env.Run(&text{}); got.Finish.GetState() != runsv1.Run_COMPLETED || held != 5 {
		t.Errorf("%d attempts while paused, finish %s", held, got.Finish)
	}

	env = rated(t, 5)
	env.After(18*time.Second, func() { env.Command(process.UpdateCancel, "enough") })
	if got := env.Run(&text{}); got.Finish.GetState() != runsv1.Run_CANCELLED || attemptsOf(got.Calls, "Make2") != 5 {
		t.Errorf("calls %v, finish %s", got.Calls, got.Finish)
	}
}

// A command that is repeated in another execution of the run is obeyed once: Temporal does not know it there.
func TestRepeatedCommandIsObeyedOnce(t *testing.T) {
	t.Parallel()
	env := processtest.New(t, asking)
	var undone []string
	fake(env, nil, &undone)
	pause := process.Command{ID: "one and the same", Actor: "users/operator"}
	env.After(time.Hour, func() { env.Send(process.UpdatePause, pause) })
	env.After(2*time.Hour, func() { env.Send(process.UpdatePause, pause) }) // not refused for being paused
	env.After(3*time.Hour, func() { env.Command(process.UpdateResume, "") })
	env.After(4*time.Hour, func() { env.Send(process.UpdatePause, pause) })
	env.Decide(5*time.Hour, runsv1.Task_APPROVE, "")
	got := env.Run(&text{})
	if n := attemptsOf(got.Lines, "run.paused"); got.Finish.GetState() != runsv1.Run_COMPLETED || n != 1 {
		t.Errorf("lines %v, finish %s", got.Lines, got.Finish)
	}
}
