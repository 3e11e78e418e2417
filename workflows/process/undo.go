package process

import (
	"slices"

	"go.temporal.io/sdk/workflow"
	"google.golang.org/protobuf/proto"

	eventsv1 "github.com/microservicehub/mshub/events/v1"
	runsv1 "github.com/microservicehub/mshub/services/runs/v1"
)

// Undo is how a step that answers with Res is undone. Make one with UndoBy.
type Undo[Res proto.Message] struct {
	run func(ctx workflow.Context, answer Res) error
	has func(ctx workflow.Context, answer Res) bool
}

// UndoBy undoes a step by a verb. The request is made at the time of undoing, from the step's answer; the answer is nil
// if none came (a time-out, a cancel), so the verb must accept that nothing was done. A nil request: there is nothing to
// undo. Verbs that undo must be safe to repeat.
func UndoBy[Res, Req, UndoRes proto.Message](verb Verb[Req, UndoRes], request func(ctx workflow.Context, answer Res) Req) Undo[Res] {
	return Undo[Res]{
		has: func(ctx workflow.Context, answer Res) bool { return request(ctx, answer).ProtoReflect().IsValid() },
		run: func(ctx workflow.Context, answer Res) error {
			_, err := call(ctx, 0, undoRetries, "Undo", verb, request(ctx, answer))
			return err
		},
	}
}

// undoStep is an Undo bound to its step.
type undoStep struct {
	step Step
	has  func(workflow.Context) bool
	run  func(workflow.Context) error
}

func (u Undo[Res]) step(step Step, answer *answer[Res]) undoStep {
	return undoStep{
		step: step,
		has:  func(ctx workflow.Context) bool { return u.has(ctx, answer.value) },
		run:  func(ctx workflow.Context) error { return u.run(ctx, answer.value) },
	}
}

// compensate undoes what was done, last first, each with its own retries, on a context that no cancel reaches. An undo that
// fails for good does not keep the others from being tried; the end of the run then says that something was left behind.
func (f *frame) compensate(ctx workflow.Context, finish *runsv1.FinishRunRequest) {
	f.reason = finish.GetError().GetMessage()
	begin := &eventsv1.Event{Kind: runCompensating, State: f.stateNow(), Message: f.reason, Reason: finish.GetError().GetReason()}
	if f.cancelled != nil {
		begin.Actor = f.cancelled.Actor
	}
	if len(f.undo) == 0 && f.cancelled == nil {
		return
	}
	ctx = workflow.WithValue(ctx, frameKey{}, f)
	f.must(f.record(ctx, 0, begin))
	for _, u := range slices.Backward(f.undo) {
		if !u.has(ctx) {
			continue
		}
		f.must(f.record(ctx, 0, &eventsv1.Event{Kind: stepCompensating, Step: u.step.Name, State: f.stateNow()}))
		outcome := &eventsv1.Event{Kind: stepCompensated, Step: u.step.Name, State: f.stateNow()}
		if err := u.run(f.inside(ctx, u.step.Name, 0, "undo")); err != nil {
			failure := failureOf(err)
			outcome.Kind, outcome.Reason, outcome.Message = stepFailed, "UNDO_FAILED", "could not be undone: "+failure.GetMessage()
			finish.State = runsv1.Run_FAILED
			finish.Error = &runsv1.RunError{
				Code: failure.GetCode(), Reason: "UNDO_FAILED", Step: u.step.Name,
				Message: f.reason + "; step " + u.step.Name + " " + outcome.GetMessage(),
			}
		}
		f.must(f.record(ctx, 1, outcome))
	}
}

// must stops the workflow task, not the run, if a line can't be written: its retries never give up, so this is a worker
// that lacks the runs room's activities.
func (f *frame) must(err error) {
	if err != nil {
		panic("process: " + err.Error())
	}
}
