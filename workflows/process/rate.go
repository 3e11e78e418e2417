package process

import (
	"errors"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"
	"google.golang.org/protobuf/proto"

	runcontext "github.com/microservicehub/mshub/internal/temporal"
)

// attempt makes the call of a trial with its retries. Temporal makes those; of a step with a rate the kit does, because each
// attempt needs a place of its own in the line to the outside system.
func attempt[Req, Res proto.Message](ctx workflow.Context, f *frame, t *trial, item int32, verb Verb[Req, Res], req Req) (Res, error) {
	if t.step.Rate == "" {
		return call(withActivity(ctx, t.step.Timeout, stepRetries, t.step.Title), verb, req)
	}
	for n := int32(1); ; n++ {
		run := runcontext.RunOf(ctx)
		run.Tried = n - 1
		result, err := call(withActivity(runcontext.WithRun(ctx, run), t.step.Timeout, singleAttempt, t.step.Title), verb, req)
		if err == nil || n == stepRetries.MaximumAttempts || refused(err) || temporal.IsCanceledError(err) {
			return result, err
		}
		t.resting = true
		stopped := workflow.Sleep(ctx, pauseAfter(n, err))
		if stopped == nil {
			stopped = f.turn(ctx, t.step, item)
		}
		t.resting = false
		if stopped != nil {
			return result, stopped
		}
	}
}

// singleAttempt is the policy of calls whose retries the kit makes.
var singleAttempt = &temporal.RetryPolicy{MaximumAttempts: 1}

// pauseAfter is how long after the n-th attempt the next is made: as the policy says, or as the service asked.
func pauseAfter(n int32, err error) time.Duration {
	if asked, ok := errors.AsType[*temporal.ApplicationError](err); ok && asked.NextRetryDelay() > 0 {
		return asked.NextRetryDelay()
	}
	return min(stepRetries.InitialInterval<<(n-1), stepRetries.MaximumInterval)
}
