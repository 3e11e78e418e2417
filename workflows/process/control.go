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
	// SignalTask carries a *runsv1.Task that was decided. It may come more than once.
	SignalTask = "mshub.task"
	// SignalFact carries a Fact. It may come more than once.
	SignalFact = "mshub.fact"
)

// Command is an operator's, already checked for permission by the runs service.
type Command struct {
	// Actor is who commands: "users/ID".
	Actor string `json:"actor"`
	// Reason in the person's words.
	Reason string `json:"reason,omitempty"`
}

// listen makes the run answer commands and take signals from its first moment on.
func (f *frame) listen(ctx workflow.Context) error {
	commands := map[string]struct {
		check  func() error
		handle func(workflow.Context, Command) error
	}{
		UpdatePause:  {f.mayPause, f.pause},
		UpdateResume: {f.mayResume, f.resume},
		UpdateCancel: {f.mayCancel, f.cancel},
	}
	for _, name := range []string{UpdatePause, UpdateResume, UpdateCancel} {
		command := commands[name]
		err := workflow.SetUpdateHandlerWithOptions(ctx, name, command.handle, workflow.UpdateHandlerOptions{
			Validator: func(workflow.Context, Command) error { return command.check() },
		})
		if err != nil {
			return err
		}
	}
	workflow.GoNamed(ctx, "signals", func(ctx workflow.Context) {
		selector := workflow.NewSelector(ctx)
		selector.AddReceive(workflow.GetSignalChannel(ctx, SignalTask), func(workflow.ReceiveChannel, bool) { f.drain(ctx) })
		selector.AddReceive(workflow.GetSignalChannel(ctx, SignalFact), func(workflow.ReceiveChannel, bool) { f.drain(ctx) })
		for !f.ending {
			selector.Select(ctx)
		}
	})
	return nil
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
	if f.ending || f.cancelled != nil {
		return refuse("ENDING", "the run is ending already")
	}
	return nil
}

func (f *frame) mayPause() error {
	if f.paused {
		return refuse("ALREADY_PAUSED", "the run is paused already")
	}
	return f.mayCommand()
}

func (f *frame) mayResume() error {
	if err := f.mayCommand(); err != nil {
		return err
	}
	if !f.paused {
		return refuse("NOT_PAUSED", "the run is not paused")
	}
	return nil
}

func (f *frame) mayCancel() error { return f.mayCommand() }

func (f *frame) pause(ctx workflow.Context, c Command) error {
	f.paused = true
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
	f.carry.Commands++
	return f.record(ctx, f.carry.Commands, &eventsv1.Event{Kind: kind, State: f.stateNow(), Actor: c.Actor, Message: c.Reason})
}
