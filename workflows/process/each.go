package process

import (
	"go.temporal.io/sdk/workflow"
	"google.golang.org/protobuf/proto"

	eventsv1 "github.com/microservicehub/mshub/events/v1"
)

// itemsPerExecution is after how many items the history starts anew: each leaves a few events, and Temporal wants to see
// no more than some thousands.
const itemsPerExecution = 500

// Each runs a declared step of many calls: items 1..count, at most parallel at once, in order of their start. A pause or a
// cancel takes effect before the next item. The first failure stops the step after the calls under way.
//
// Answers are not kept: what the calls did is summed by the service that did it.
func Each[Req, Res proto.Message](ctx workflow.Context, step string, count int32, parallel int, verb Verb[Req, Res], request func(item int32) Req) error {
	f := frameOf(ctx)
	declared, err := f.enter(ctx, step, Many)
	if err != nil {
		return err
	}
	if _, done := f.carry.Results[step]; done {
		return nil
	}
	var (
		first   = max(f.carry.Next[step], 1)
		next    = first
		running = 0
		failed  error
	)
	calls, done := workflow.NewDisconnectedContext(ctx) // waiting for the calls under way outlasts a cancel
	defer done()
	for ; next <= count && failed == nil && !f.full(ctx, next-first); next++ {
		if err := workflow.Await(calls, func() bool { return running < parallel || failed != nil }); err != nil {
			return err
		}
		if failed != nil {
			break
		}
		if failed = f.gate(ctx); failed != nil {
			break
		}
		item := next
		running++
		workflow.Go(ctx, func(ctx workflow.Context) {
			defer func() { running-- }()
			_, err := call(f.inside(ctx, step, item, ""), declared.Timeout, stepRetries, declared.Title, verb, request(item))
			if err != nil && failed == nil {
				failed = err // stops the loop while the line is written
				failed = f.failed(ctx, step, item, err)
			}
		})
	}
	if err := workflow.Await(calls, func() bool { return running == 0 }); err != nil {
		return err
	}
	if failed != nil {
		return failed
	}
	f.carry.Next[step] = next
	if next <= count {
		return workflow.NewContinueAsNewError(f.outside(ctx), f.definition.Name, f.input)
	}
	f.carry.Results[step] = []byte("{}")
	delete(f.carry.Next, step)
	return f.record(ctx, 0, &eventsv1.Event{Kind: stepSucceeded, Step: step, State: f.stateNow()})
}

// full is true when the history is long enough.
func (f *frame) full(ctx workflow.Context, items int32) bool {
	return items >= itemsPerExecution || items > 0 && workflow.GetInfo(ctx).GetContinueAsNewSuggested()
}
