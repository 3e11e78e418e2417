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
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/microservicehub/mshub/events/v1"
	"github.com/microservicehub/mshub/internal/temporal"
)

// tickInterval is the least time between two ticks of one activity.
const tickInterval = 500 * time.Millisecond

// shortCall is how long a call may take before its start is told. A shorter one tells start and end together, in one
// transaction: nobody could have seen it under way. A worker that dies within that time leaves no line of the attempt; the
// next one has its number.
const shortCall = 30 * time.Millisecond

// journalUnavailable is the type of the retryable error of an activity whose events could not be written.
const journalUnavailable = "JournalUnavailable"

// NewInterceptor makes a worker's activities report themselves: step.started with each attempt, step.progress for a
// heartbeat whose only detail is an *events.v1.Progress, step.succeeded with the progress that the result carries.
// Authors of activities and workflows write nothing for it.
//
// A fact must not be lost: if the journal can't be written, the attempt fails and Temporal tries again, which is harmless
// because verbs are idempotent and the journal knows what it has. Ticks may get lost. Activities outside of a run and
// quiet ones report nothing. A step's failure is the frame's to report: only it knows which one is final.
//
// Build is the commit of the worker; its events carry it.
func NewInterceptor(publisher *Publisher, build string) interceptor.WorkerInterceptor {
	return &workerInterceptor{publisher: publisher, build: build}
}

type workerInterceptor struct {
	interceptor.WorkerInterceptorBase
	publisher *Publisher
	build     string
}

func (w *workerInterceptor) InterceptActivity(_ context.Context, next interceptor.ActivityInboundInterceptor) interceptor.ActivityInboundInterceptor {
	return &inbound{ActivityInboundInterceptorBase: interceptor.ActivityInboundInterceptorBase{Next: next}, publisher: w.publisher, build: w.build}
}

type inbound struct {
	interceptor.ActivityInboundInterceptorBase
	publisher *Publisher
	build     string
}

func (i *inbound) Init(next interceptor.ActivityOutboundInterceptor) error {
	return i.Next.Init(&outbound{interceptor.ActivityOutboundInterceptorBase{Next: next}})
}

func (i *inbound) ExecuteActivity(ctx context.Context, in *interceptor.ExecuteActivityInput) (any, error) {
	run, ok := temporal.RunFrom(ctx)
	if !ok || run.Quiet || run.Step == "" {
		return i.Next.ExecuteActivity(ctx, in)
	}
	c := newCall(i.publisher, run, activity.GetInfo(ctx), i.build)
	started := time.AfterFunc(shortCall, func() { _ = c.begin(ctx) }) // what can't be written now is written at the end
	result, err := i.Next.ExecuteActivity(context.WithValue(ctx, callKey{}, c), in)
	started.Stop()
	if err != nil {
		_ = c.begin(ctx) // the attempt's own error says more; what comes of it is written by the frame, or by the next attempt
		return nil, err
	}
	var progress *eventsv1.Progress
	if carries, ok := result.(interface{ GetProgress() *eventsv1.Progress }); ok {
		progress = carries.GetProgress()
	}
	if err := c.succeed(ctx, progress); err != nil {
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
	id    string
	build string

	start sync.Mutex // held while step.started is being written
	begun time.Time  // when the attempt began
	told  bool       // step.started is in the journal

	mu       sync.Mutex
	ticks    int
	lastTick time.Time
}

type callKey struct{}

func newCall(publisher *Publisher, run temporal.RunContext, info activity.Info, build string) *call {
	execution := info.WorkflowExecution.RunID
	if len(execution) > 8 {
		execution = execution[:8] // activity ids start over after continue-as-new
	}
	return &call{
		publisher: publisher, run: run, attempt: run.Tried + info.Attempt, build: build, begun: time.Now(),
		id: fmt.Sprintf("%s/%d/%s.%s", run.Step, run.Item, execution, info.ActivityID),
	}
}

func (c *call) entry(kind, id string, progress *eventsv1.Progress) Entry {
	return Entry{
		Organisation: c.run.Organisation, Run: c.run.Run, ID: id, Progress: progress, ProgressID: c.id,
		Event: &eventsv1.Event{Kind: kind, Step: c.run.Step, Item: c.run.Item, Attempt: c.attempt, Build: c.build},
	}
}

// fact is an entry that comes once in an attempt.
func (c *call) fact(kind string, progress *eventsv1.Progress) Entry {
	return c.entry(kind, fmt.Sprintf("%s/%d/%s", c.id, c.attempt, kind), progress)
}

func (c *call) started() Entry {
	e := c.fact(StepStarted, nil)
	e.Event.Time = timestamppb.New(c.begun)
	return e
}

// begin writes that the attempt has started, once.
func (c *call) begin(ctx context.Context) error {
	c.start.Lock()
	defer c.start.Unlock()
	if c.told {
		return nil
	}
	err := c.report(ctx, c.started())
	c.told = err == nil
	return err
}

// succeed writes that the step is done, and that it started if that is not written yet.
func (c *call) succeed(ctx context.Context, progress *eventsv1.Progress) error {
	c.start.Lock()
	defer c.start.Unlock()
	done := c.fact(StepSucceeded, progress)
	if c.told {
		return c.report(ctx, done)
	}
	return c.report(ctx, c.started(), done)
}

// report writes facts. Its error is one that Temporal retries, unless the run is gone for good.
func (c *call) report(ctx context.Context, facts ...Entry) error {
	err := c.publisher.Publish(ctx, facts...)
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
	if c.begin(ctx) != nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, tickInterval)
	defer cancel()
	id := fmt.Sprintf("%s/%d/%s/%d", c.id, c.attempt, StepProgress, n)
	if err := c.publisher.Publish(ctx, c.entry(StepProgress, id, progress)); err != nil {
		c.publisher.logger.DebugContext(ctx, "progress not written", "run", c.run.Run, "step", c.run.Step, "error", err)
	}
}
