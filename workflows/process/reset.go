package process

import (
	"encoding/json"
	"maps"
	"slices"

	"go.temporal.io/sdk/workflow"
	"google.golang.org/protobuf/types/known/structpb"

	eventsv1 "github.com/microservicehub/mshub/events/v1"
)

func (f *frame) mayReset(c Command) error {
	if err := f.mayUndo(); err != nil {
		return err
	}
	if !f.entered[c.Step] {
		return refuse("NOT_REACHED", "the run has not come to this step yet")
	}
	for _, name := range f.stepsFrom(c.Step) {
		if step, _ := f.definition.step(name); step.Once && f.entered[name] {
			return refuse("NOT_RESETTABLE", "“"+step.Title+"” can be done once in a run; cancel it and start another, or reset to a later step")
		}
	}
	return nil
}

// resetTo only stops the story; rewind does the rest.
func (f *frame) resetTo(_ workflow.Context, c Command) error {
	f.reset, f.paused = &c, false
	f.stop()
	return nil
}

// rewind undoes what was done from a step on, last first, and has the story run again: the steps before it give their kept
// answers, so it arrives there. What is done again has idempotency keys and tasks of its own.
func (f *frame) rewind(ctx workflow.Context) error {
	last, done := workflow.NewDisconnectedContext(ctx)
	defer done()
	last = workflow.WithValue(last, frameKey{}, f)
	f.ending, f.reason = true, f.reset.Reason
	clear(f.parked)
	steps := f.stepsFrom(f.reset.Step)
	undone := f.undoFrom(last, steps)
	f.dropFrom(steps, undone)
	f.ending = false // from here on the run goes on, in its next execution
	names := &structpb.ListValue{}
	for _, name := range steps {
		f.carry.Epochs[name]++
		names.Values = append(names.Values, structpb.NewStringValue(name))
	}
	f.must(f.record(last, &eventsv1.Event{
		Kind: runReset, Step: f.reset.Step, State: f.stateNow(), Actor: f.reset.Actor, Message: f.reset.Reason,
		Data: &structpb.Struct{Fields: map[string]*structpb.Value{"steps": structpb.NewListValue(names)}},
	}))
	return workflow.NewContinueAsNewError(f.outside(ctx), f.definition.Name, f.input)
}

// stepsFrom are a step and all that are declared after it.
func (f *frame) stepsFrom(step string) []string {
	var names []string
	for _, s := range f.definition.Steps {
		if s.Name == step || len(names) > 0 {
			names = append(names, s.Name)
		}
	}
	return names
}

// undoFrom undoes the given steps and says whether there was anything to undo.
func (f *frame) undoFrom(ctx workflow.Context, steps []string) bool {
	undos := slices.DeleteFunc(slices.Clone(f.undo), func(u *undoStep) bool { return u.farewell || !slices.Contains(steps, u.step.Name) || !u.has(ctx) })
	if len(undos) > 0 {
		f.must(f.record(ctx, &eventsv1.Event{Kind: runCompensating, State: f.stateNow(), Actor: f.reset.Actor, Message: f.reset.Reason, Reason: "RESET"}))
	}
	for _, u := range slices.Backward(undos) {
		f.undoOne(ctx, u) // what a person leaves stays; the step is done again all the same
	}
	return len(undos) > 0
}

// dropFrom forgets what the given steps brought. A fact stays true if nothing was undone, unless the very first of them
// waits for it.
func (f *frame) dropFrom(steps []string, undone bool) {
	for i, name := range steps {
		step, _ := f.definition.step(name)
		if raw, ok := f.carry.Results[name]; ok && step.Kind == Timer && i > 0 && !undone {
			var fact Fact
			if json.Unmarshal(raw, &fact) == nil && fact.Kind != "" {
				f.facts = append(f.facts, fact)
			}
		}
	}
	dropped := func(name string) bool { return slices.Contains(steps, name) }
	maps.DeleteFunc(f.carry.Results, func(name string, _ json.RawMessage) bool { return dropped(name) })
	maps.DeleteFunc(f.carry.Next, func(name string, _ int32) bool { return dropped(name) })
	maps.DeleteFunc(f.carry.Skipped, func(name string, _ bool) bool { return dropped(name) })
}
