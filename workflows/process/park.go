package process

import (
	"errors"
	"maps"
	"slices"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	eventsv1 "github.com/microservicehub/mshub/events/v1"
)

// verdict is what becomes of a step that has failed for good.
type verdict int

const (
	undecided verdict = iota
	giveUp            // the story gets the failure
	tryAgain
	leaveOut
)

// parking is a step that waits for an operator. Many calls of one step may wait together.
type parking struct {
	// told is true once the journal says so; before, no operator can have seen it.
	told    bool
	verdict verdict
}

// decide writes the failure of a step's call and finds out what becomes of it: in a process that parks, an operator says
// so. When the verdict is giveUp, err becomes what the story sees.
func (f *frame) decide(ctx workflow.Context, step Step, item int32, err *error) verdict {
	cause := *err
	if !f.parks(ctx, cause) {
		*err = f.failed(ctx, step.Name, item, cause)
		return giveUp
	}
	p := f.parked[step.Name]
	first := p == nil
	if first {
		p = &parking{}
		f.parked[step.Name] = p // from here on no other call of the step begins
	}
	failed, failure := f.failed(ctx, step.Name, item, cause), failureOf(cause)
	if !errors.As(failed, new(*stepError)) { // the journal could not be written, for good
		*err = failed
		return giveUp
	}
	if first {
		parked := &eventsv1.Event{
			Kind: runParked, Step: step.Name, Item: item, State: f.stateNow(), Message: failure.GetMessage(), Reason: failure.GetReason(),
		}
		if *err = f.record(ctx, parked); *err != nil {
			return giveUp
		}
		p.told = true
	}
	if *err = workflow.Await(ctx, func() bool { return p.verdict != undecided }); *err != nil {
		if f.parked[step.Name] == p {
			delete(f.parked, step.Name)
		}
		return giveUp
	}
	return p.verdict
}

// parks is true if a failure is for an operator to judge: not when the run is ending, or was stopped.
func (f *frame) parks(ctx workflow.Context, cause error) bool {
	return f.definition.OnFailure == Park && ctx.Err() == nil && !temporal.IsCanceledError(cause)
}

// holds waits while a step is parked; its other calls are not begun meanwhile.
func (f *frame) holds(ctx workflow.Context, step string) error {
	if f.parked[step] == nil {
		return nil
	}
	return workflow.Await(ctx, func() bool { return f.parked[step] == nil })
}

func (f *frame) mayRetryStep(c Command) error {
	if f.waits(c, true) {
		return nil // an undo, though the run is ending
	}
	if err := f.mayCommand(); err != nil {
		return err
	}
	if p := f.parked[f.meant(c)]; p != nil && p.told || f.waits(c, false) {
		return nil
	}
	return refuse("NOT_FAILED", "this step has not failed; it does not wait to be tried again")
}

// waits is true if a call, or an undo, that a command may be about waits for its next attempt.
func (f *frame) waits(c Command, undo bool) bool {
	return slices.ContainsFunc(f.trials, func(t *trial) bool {
		return t.undo == undo && !t.off && (c.BackingOff || t.resting) && (c.Step == "" || t.step.Name == c.Step)
	})
}

// meant is the step that a command is about: of a command that names none, the first that waits for an operator.
func (f *frame) meant(c Command) string {
	if c.Step != "" || len(f.parked) == 0 {
		return c.Step
	}
	return slices.Sorted(maps.Keys(f.parked))[0]
}

func (f *frame) retryStep(ctx workflow.Context, c Command) error {
	if f.parked[f.meant(c)] == nil {
		f.callOff(c.Step)
		return nil
	}
	return f.unpark(ctx, c, tryAgain)
}

func (f *frame) maySkipStep(c Command) error {
	if err := f.mayCommand(); err != nil {
		return err
	}
	name := f.meant(c)
	if step, _ := f.definition.step(name); name != "" && !step.mayBeSkipped() {
		return refuse("NOT_SKIPPABLE", "the process can't go on without this step")
	}
	if p := f.parked[name]; p == nil || !p.told {
		return refuse("NOT_FAILED", "only a failed step that the run waits with can be skipped")
	}
	return nil
}

func (f *frame) skipStep(ctx workflow.Context, c Command) error {
	return f.unpark(ctx, c, leaveOut, &eventsv1.Event{Kind: stepSkipped, Step: f.meant(c), Actor: c.Actor, Message: c.Reason})
}

// unpark writes an operator's word, then lets the step have it.
func (f *frame) unpark(ctx workflow.Context, c Command, v verdict, more ...*eventsv1.Event) error {
	step := f.meant(c)
	p := f.parked[step]
	if p == nil {
		return refuse("NOT_FAILED", "somebody else has decided about this step just now")
	}
	delete(f.parked, step)
	lines := append([]*eventsv1.Event{{Kind: runUnparked, Step: step, State: f.stateNow(), Actor: c.Actor, Message: c.Reason}}, more...)
	for _, other := range slices.Sorted(maps.Keys(f.parked)) { // the run stays parked for them
		lines = append(lines, &eventsv1.Event{Kind: runParked, Step: other, State: f.stateNow()})
	}
	err := f.record(ctx, lines...)
	p.verdict = v
	return err
}
