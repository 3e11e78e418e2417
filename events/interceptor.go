package events

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"connectrpc.com/connect"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/interceptor"
	sdk "go.temporal.io/sdk/temporal"

	"github.com/microservicehub/mshub/events/v1"
	"github.com/microservicehub/mshub/internal/temporal"
)

// tickInterval is the least time between two ticks of one activity.
const tickInterval = 500 * time.Millisecond

// journalUnavailable is the type of the retryable error of an activity whose events could not be written.
const journalUnavailable = "JournalUnavailable"

// NewInterceptor makes a worker's activities report themselves: step.started with each attempt, step.progress for a
// heartbeat whose only detail is an *events.v1.Progress, step.succeeded with the progress that the result carries.
// Authors of activities and workflows write nothing for it.
//
// A fact must not be lost: if the journal can't be written, the attempt fails and Temporal tries again, which is harmless
// because verbs are idempotent and the journal knows what it has. Ticks may get lost. Activities outside of a run and
// quiet ones report nothing. A step's failure is the frame's to report: only it knows which one is final.
func NewInterceptor(publisher *Publisher) interceptor.WorkerInterceptor {
	return &workerInterceptor{publisher: publisher}
}

type workerInterceptor struct {
	interceptor.WorkerInterceptorBase
	publisher *Publisher
}

func (w *workerInterceptor) InterceptActivity(_ context.Context, next interceptor.ActivityInboundInterceptor) interceptor.ActivityInboundInterceptor {
	return &inbound{ActivityInboundInterceptorBase: interceptor.ActivityInboundInterceptorBase{Next: next}, publisher: w.publisher}
}

type inbound struct {
	interceptor.ActivityInboundInterceptorBase
	publisher *Publisher
}

func (i *inbound) Init(next interceptor.ActivityOutboundInterceptor) error {
	return i.Next.Init(&outbound{interceptor.ActivityOutboundInterceptorBase{Next: next}})
}

func (i *inbound) ExecuteActivity(ctx context.Context, in *interceptor.ExecuteActivityInput) (any, error) {
	run, ok := temporal.RunFrom(ctx)
	if !ok || run.Quiet || run.Step == "" {
		return i.Next.ExecuteActivity(ctx, in)
	}
	c := newCall(i.publisher, run, activity.GetInfo(ctx))
	if err := c.report(ctx, StepStarted, nil); err != nil {
		return nil, err
	}
	result, err := i.Next.ExecuteActivity(context.WithValue(ctx, callKey{}, c), in)
	if err != nil {
		return nil, err
	}
	var progress *eventsv1.Progress
	if carries, ok := result.(interface{ GetProgress() *eventsv1.Progress }); ok {
		progress = carries.GetProgress()
	}
	if err := c.report(ctx, StepSucceeded, progress); err != nil {
		return nil, err
	}
	return result, nil
}

type outbound struct {
	interceptor.ActivityOutboundInterceptorBase
}

func (o *outbound) RecordHeartbeat(ctx context.Context, details ...any) {
	o.Next.RecordHeartbeat(ctx, details...)
	if c, ok := ctx.Value(callKey{}).(*call); ok && len(details) == 1 {
		if progress, ok := details[0].(*eventsv1.Progress); ok {
			c.tick(ctx, progress)
		}
	}
}

// call is one attempt of an activity.
type call struct {
	publisher *Publisher
	run       temporal.RunContext
	attempt   int32
	// id is the activity's, the same for all attempts: it keeps apart the calls of a step that is called again (parked and
	// retried by an operator, in a loop), and counts their progress once.
	id string

	mu       sync.Mutex
	ticks    int
	lastTick time.Time
}

type callKey struct{}

func newCall(publisher *Publisher, run temporal.RunContext, info activity.Info) *call {
	execution := info.WorkflowExecution.RunID
	if len(execution) > 8 {
		execution = execution[:8] // activity ids start over after continue-as-new
	}
	return &call{
		publisher: publisher, run: run, attempt: info.Attempt,
		id: fmt.Sprintf("%s/%d/%s.%s", run.Step, run.Item, execution, info.ActivityID),
	}
}

func (c *call) entry(kind, id string, progress *eventsv1.Progress) Entry {
	return Entry{
		Organisation: c.run.Organisation, Run: c.run.Run, ID: id, Progress: progress, ProgressID: c.id,
		Event: &eventsv1.Event{Kind: kind, Step: c.run.Step, Item: c.run.Item, Attempt: c.attempt},
	}
}

// report writes a fact. Its error is one that Temporal retries, unless the run is gone for good.
func (c *call) report(ctx context.Context, kind string, progress *eventsv1.Progress) error {
	err := c.publisher.Publish(ctx, c.entry(kind, fmt.Sprintf("%s/%d/%s", c.id, c.attempt, kind), progress))
	switch {
	case err == nil:
		return nil
	case connect.CodeOf(err) == connect.CodeNotFound:
		return sdk.NewNonRetryableApplicationError("the run has no journal: it was deleted", journalUnavailable, err)
	case errors.Is(ctx.Err(), context.Canceled):
		return ctx.Err()
	}
	return sdk.NewApplicationError("the journal can't be written now", journalUnavailable, err)
}

// tick writes progress within the activity, rarely enough.
func (c *call) tick(ctx context.Context, progress *eventsv1.Progress) {
	now := time.Now()
	c.mu.Lock()
	if now.Sub(c.lastTick) < tickInterval {
		c.mu.Unlock()
		return
	}
	c.lastTick = now
	c.ticks++
	n := c.ticks
	c.mu.Unlock()

	ctx, cancel := context.WithTimeout(ctx, tickInterval)
	defer cancel()
	id := fmt.Sprintf("%s/%d/%s/%d", c.id, c.attempt, StepProgress, n)
	if err := c.publisher.Publish(ctx, c.entry(StepProgress, id, progress)); err != nil {
		c.publisher.logger.DebugContext(ctx, "progress not written", "run", c.run.Run, "step", c.run.Step, "error", err)
	}
}
