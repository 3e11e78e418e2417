package process

import (
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	eventsv1 "github.com/microservicehub/mshub/events/v1"
	runsv1 "github.com/microservicehub/mshub/services/runs/v1"
)

// Updates and signals that every run understands; the runs service sends them.
const (
	UpdatePause  = "mshub.pause"
	UpdateResume = "mshub.resume"
	UpdateCancel = "mshub.cancel"
	// UpdateRetryStep has a failed step tried again, UpdateSkipStep leaves it out, UpdateReset goes on from a step.
	UpdateRetryStep = "mshub.retry-step"
	UpdateSkipStep  = "mshub.skip-step"
	UpdateReset     = "mshub.reset"
	// SignalTask carries a *runsv1.Task that was decided. It may come more than once.
	SignalTask = "mshub.task"
	// SignalFact carries a Fact. It may come more than once.
	SignalFact = "mshub.fact"
)

// Command is an operator's, already checked for permission by the runs service.
type Command struct {
	// ID is the same whenever the command is repeated; empty = it is not.
	ID string `json:"id,omitempty"`
	// Actor is who commands: "users/ID".
	Actor string `json:"actor"`
	// Reason in the person's words.
	Reason string `json:"reason,omitempty"`
	// Keep what was done, for UpdateCancel.
	Keep bool `json:"keep,omitempty"`
	// Step that UpdateRetryStep, UpdateSkipStep and UpdateReset are about.
	Step string `json:"step,omitempty"`
	// BackingOff is true if a call of the run was seen waiting for its next attempt, which the workflow can't see itself.
	BackingOff bool `json:"backingOff,omitempty"`
}

// listen makes the run answer commands and take signals from its first moment on.
func (f *frame) listen(ctx workflow.Context) error {
	commands := []struct {
		name   string
		check  func(Command) error
		handle func(workflow.Context, Command) error
	}{
		{UpdatePause, f.mayPause, f.pause},
		{UpdateResume, f.mayResume, f.resume},
		{UpdateCancel, f.mayCancel, f.cancel},
		{UpdateRetryStep, f.mayRetryStep, f.retryStep},
		{UpdateSkipStep, f.maySkipStep, f.skipStep},
		{UpdateReset, f.mayReset, f.resetTo},
	}
	for _, command := range commands {
		handle := func(ctx workflow.Context, c Command) error { return f.obey(ctx, c, command.handle) }
		err := workflow.SetUpdateHandlerWithOptions(ctx, command.name, handle, workflow.UpdateHandlerOptions{
			Validator: func(_ workflow.Context, c Command) error {
				if f.carry.Obeyed[c.ID] {
					return nil
				}
				return command.check(c)
			},
		})
		if err != nil {
			return err
		}
	}
	workflow.GoNamed(ctx, "signals", func(ctx workflow.Context) {
		selector := workflow.NewSelector(ctx)
		selector.AddReceive(workflow.GetSignalChannel(ctx, SignalTask), func(workflow.ReceiveChannel, bool) { f.drain(ctx) })
		selector.AddReceive(workflow.GetSignalChannel(ctx, SignalFact), func(workflow.ReceiveChannel, bool) { f.drain(ctx) })
		for { // until the execution ends: a failed undo waits for a decision too
			selector.Select(ctx)
		}
	})
	return nil
}

// obey does what a command says, once: Temporal knows a repeated one within an execution of the run, and the run itself after it.
func (f *frame) obey(ctx workflow.Context, c Command, handle func(workflow.Context, Command) error) error {
	if f.carry.Obeyed[c.ID] {
		return nil
	}
	err := handle(ctx, c)
	if err == nil && c.ID != "" {
		f.carry.Obeyed[c.ID] = true
	}
	return err
}

// drain takes every signal that has arrived.
func (f *frame) drain(ctx workflow.Context) {
	for tasks := workflow.GetSignalChannel(ctx, SignalTask); ; {
		task := &runsv1.Task{}
		if !tasks.ReceiveAsync(task) {
			break
		}
		f.tasks[task.GetName()] = task
	}
	for facts := workflow.GetSignalChannel(ctx, SignalFact); ; {
		var fact Fact
		if !facts.ReceiveAsync(&fact) {
			break
		}
		f.facts = append(f.facts, fact)
	}
}

func refuse(reason, message string) error { return temporal.NewApplicationError(message, reason) }

func (f *frame) mayCommand() error {
	switch {
	case f.ending || f.cancelled != nil:
		return refuse("ENDING", "the run is ending already")
	case f.reset != nil:
		return refuse("RESETTING", "the run is being reset; look again in a moment")
	}
	return nil
}

func (f *frame) mayPause(Command) error {
	if f.paused {
		return refuse("ALREADY_PAUSED", "the run is paused already")
	}
	return f.mayCommand()
}

func (f *frame) mayResume(Command) error {
	if err := f.mayCommand(); err != nil {
		return err
	}
	if !f.paused {
		return refuse("NOT_PAUSED", "the run is not paused")
	}
	return nil
}

func (f *frame) mayCancel(c Command) error {
	if c.Keep && !f.definition.Keepable {
		return refuse("NOT_KEEPABLE", "what this process has done can't be kept; cancel it without")
	}
	return f.mayUndo()
}

// mayUndo refuses what would undo while, or after, something is done for good.
func (f *frame) mayUndo() error {
	if f.final {
		return refuse("ENDING", "the run does what can't be undone any more; it ends by itself")
	}
	return f.mayCommand()
}

// pause also calls off the waiting for a next attempt, which comes after the pause, and long calls that bear it.
func (f *frame) pause(ctx workflow.Context, c Command) error {
	f.paused = true
	if c.BackingOff {
		f.callOff("")
	}
	f.interrupt(ctx)
	return f.commanded(ctx, runPaused, c)
}

func (f *frame) resume(ctx workflow.Context, c Command) error {
	f.paused = false
	return f.commanded(ctx, runResumed, c)
}

// cancel only stops the story; what was done is undone at the end of ExecuteWorkflow.
func (f *frame) cancel(_ workflow.Context, c Command) error {
	f.cancelled, f.paused = &c, false
	f.stop()
	return nil
}

func (f *frame) commanded(ctx workflow.Context, kind string, c Command) error {
	return f.record(ctx, &eventsv1.Event{Kind: kind, State: f.stateNow(), Actor: c.Actor, Message: c.Reason})
}
