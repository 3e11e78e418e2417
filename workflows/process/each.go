package process

import (
	"cmp"

	"go.temporal.io/sdk/workflow"
	"google.golang.org/protobuf/proto"

	eventsv1 "github.com/microservicehub/mshub/events/v1"
)

// itemsPerExecution is after how many items the history starts anew: each leaves a few events, and Temporal wants to see
// no more than some thousands.
const itemsPerExecution = 500

// Each runs a declared step of many calls: items 1..count, at most parallel at once, in order of their start. A pause or a
// cancel takes effect before the next item. The first failure stops the step after the calls under way; in a process that
// parks, an operator may have the failed items tried again or left out.
//
// Answers are not kept: what the calls did is summed by the service that did it.
func Each[Req, Res proto.Message](ctx workflow.Context, step string, count int32, parallel int, verb Verb[Req, Res], request func(item int32) Req) error {
	return EachThen(ctx, step, count, parallel, verb, request, nil)
}

// EachThen is Each whose calls have a sequel that needs their answers: then runs for each item that was called, within the
// item, so that it may call beside it (Aside). Its failure is the item's.
func EachThen[Req, Res proto.Message](
	ctx workflow.Context, step string, count int32, parallel int, verb Verb[Req, Res], request func(item int32) Req,
	then func(ctx workflow.Context, item int32, answer Res) error,
) error {
	f := frameOf(ctx)
	declared, err := f.enter(ctx, step, Many)
	if err != nil {
		return err
	}
	if _, done := f.carry.Results[step]; done {
		return nil
	}
	failing := false // stops the step while the failure is still being written
	next, err := f.items(ctx, declared, count, parallel, &failing, func(ctx workflow.Context, item int32) error {
		for {
			answer, err := try(ctx, f, declared, item, verb, func(workflow.Context) (Req, error) { return request(item), nil })
			if err == nil && then != nil {
				err = then(f.inside(ctx, step, item, ""), item, answer)
			}
			if err == nil {
				return nil
			}
			if !f.parks(ctx, err) {
				if failing {
					return nil // the first failure is told, and is the step's
				}
				failing = true
			}
			switch f.decide(ctx, declared, item, &err) {
			case tryAgain:
			case leaveOut:
				return nil
			default:
				failing = true
				return err
			}
		}
	})
	if err != nil {
		return err
	}
	f.carry.Next[step] = next
	if next <= count {
		return workflow.NewContinueAsNewError(f.outside(ctx), f.definition.Name, f.input)
	}
	f.carry.Results[step] = []byte("{}")
	delete(f.carry.Next, step)
	return f.record(ctx, &eventsv1.Event{Kind: stepSucceeded, Step: step, State: f.stateNow()})
}

// items makes the calls of a step until all are made, one is failing, or the history is full; next is the first not made.
func (f *frame) items(
	ctx workflow.Context, step Step, count int32, parallel int, failing *bool, call func(workflow.Context, int32) error,
) (next int32, failed error) {
	first := max(f.carry.Next[step.Name], 1)
	running := 0
	calls, done := workflow.NewDisconnectedContext(ctx) // waiting for the calls under way outlasts a cancel
	defer done()
	for next = first; next <= count && !*failing && failed == nil && !f.full(ctx, next-first); next++ {
		if err := workflow.Await(calls, func() bool { return running < parallel || *failing }); err != nil {
			return next, err
		}
		if *failing {
			break
		}
		if failed = f.holds(ctx, step.Name); failed != nil {
			break
		}
		if failed = f.gate(ctx); failed != nil {
			break
		}
		item := next
		running++
		workflow.Go(ctx, func(ctx workflow.Context) {
			defer func() { running-- }()
			if err := call(ctx, item); err != nil && failed == nil {
				failed = err
			}
		})
	}
	err := workflow.Await(calls, func() bool { return running == 0 })
	return next, cmp.Or(failed, err)
}

// full is true when the history is long enough.
func (f *frame) full(ctx workflow.Context, items int32) bool {
	return items >= itemsPerExecution || items > 0 && workflow.GetInfo(ctx).GetContinueAsNewSuggested()
}
