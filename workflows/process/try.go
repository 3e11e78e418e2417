package process

import (
	"fmt"
	"slices"
	"time"

	"go.temporal.io/sdk/workflow"
	"google.golang.org/protobuf/proto"

	runcontext "github.com/microservicehub/mshub/internal/temporal"
	runsv1 "github.com/microservicehub/mshub/services/runs/v1"
)

// trial is a call of a step under way, with its attempts and the pauses between them.
type trial struct {
	step   Step
	cancel workflow.CancelFunc
	// called off: if it brings no answer, the call is made anew as soon as the run may go on.
	off bool
	// undo of the step; resting between two attempts that the kit itself makes.
	undo, resting bool
}

// Uninterrupted has the calls under ctx finished in spite of a pause: for runs that began before their step was Interruptible.
func Uninterrupted(ctx workflow.Context) workflow.Context {
	return workflow.WithValue(ctx, uninterruptedKey{}, true)
}

type uninterruptedKey struct{}

// try calls a step's verb with its retries. An operator may call off the wait for the next attempt: to try at once, or
// because the run is paused. An attempt under way is not torn down, its answer counts, unless the step bears that.
func try[Req, Res proto.Message](
	ctx workflow.Context, f *frame, step Step, item int32, verb Verb[Req, Res], request func(workflow.Context) (Req, error),
) (Res, error) {
	step.Interruptible = step.Interruptible && ctx.Value(uninterruptedKey{}) == nil
	for {
		if err := f.gate(ctx); err != nil {
			return empty[Res](), err
		}
		if err := f.turn(ctx, step, item); err != nil {
			return empty[Res](), err
		}
		req, err := request(ctx)
		if err != nil {
			return empty[Res](), err
		}
		if f.paused {
			continue // while the request was made, which may be stale when the run goes on
		}
		attempts, cancel := workflow.WithCancel(f.inside(ctx, step.Name, item, ""))
		t := &trial{step: step, cancel: cancel}
		f.trials = append(f.trials, t)
		if step.Interruptible {
			run := runcontext.RunOf(attempts)
			run.Interruptible = true
			attempts = runcontext.WithRun(attempts, run)
		}
		result, err := attempt(attempts, f, t, item, verb, req)
		f.trials = slices.DeleteFunc(f.trials, func(other *trial) bool { return other == t })
		cancel()
		if err == nil || !t.off || refused(err) || ctx.Err() != nil {
			return result, err
		}
	}
}

// callOff ends the waiting of calls for their next attempt, of one step or ("") of all.
func (f *frame) callOff(step string) {
	for _, t := range slices.Clone(f.trials) {
		if step == "" || t.step.Name == step {
			t.off = true
			t.cancel()
		}
	}
}

// interrupt breaks off the attempts under way of steps that bear it. Runs that were paused by an older build did not.
func (f *frame) interrupt(ctx workflow.Context) {
	for _, t := range slices.Clone(f.trials) {
		if t.step.Interruptible && !t.off && !t.undo && workflow.GetVersion(ctx, "interrupt", workflow.DefaultVersion, 1) >= 1 {
			t.off = true
			t.cancel()
		}
	}
}

// turn waits for a step's turn at a system that bears only so many calls.
func (f *frame) turn(ctx workflow.Context, step Step, item int32) error {
	if step.Rate == "" {
		return nil
	}
	rate := f.definition.Rates[step.Rate]
	req := &runsv1.ReserveRateRequest{Rate: step.Rate, PerSecond: rate.PerSecond, Burst: int32(rate.Burst)}
	place := &runsv1.ReserveRateResponse{}
	line := withRecord(f.inside(ctx, step.Name, item, fmt.Sprintf("rate-%d", f.number())))
	if err := workflow.ExecuteLocalActivity(line, activityReserveRate, req).Get(ctx, place); err != nil {
		return err
	}
	if wait := time.Duration(place.GetWaitMilliseconds()) * time.Millisecond; wait > 0 {
		if err := workflow.Sleep(ctx, wait); err != nil {
			return err
		}
	}
	return f.gate(ctx)
}
