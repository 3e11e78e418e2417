package process

import (
	"fmt"
	"slices"

	"go.temporal.io/sdk/workflow"
	"google.golang.org/protobuf/proto"

	eventsv1 "github.com/microservicehub/mshub/events/v1"
	runsv1 "github.com/microservicehub/mshub/services/runs/v1"
)

// Undo is how a step that answers with Res is undone. Make one with UndoBy.
type Undo[Res proto.Message] struct {
	run        func(ctx workflow.Context, answer Res) error
	has        func(ctx workflow.Context, answer Res) bool
	evenIfKept bool
	farewell   bool
}

// UndoBy undoes a step by a verb. The request is made at the time of undoing, from the step's answer; the answer is nil
// if none came (a time-out, a cancel), so the verb must accept that nothing was done. A nil request: there is nothing to
// undo. Verbs that undo must be safe to repeat.
//
// An undo that fails for as long as the setting UndoPatience asks a person: undo again, or leave it.
func UndoBy[Res, Req, UndoRes proto.Message](verb Verb[Req, UndoRes], request func(ctx workflow.Context, answer Res) Req) Undo[Res] {
	return Undo[Res]{
		has: func(ctx workflow.Context, answer Res) bool { return request(ctx, answer).ProtoReflect().IsValid() },
		run: func(ctx workflow.Context, answer Res) error {
			_, err := call(withActivity(ctx, 0, undoRetries(Setting(ctx, UndoPatience)), "Undo"), verb, request(ctx, answer))
			return err
		},
	}
}

// EvenIfKept has the undo run also when who cancels keeps what was done, for what nobody wants to keep: scratch space. Its
// request learns by Kept what to leave alone.
func (u Undo[Res]) EvenIfKept() Undo[Res] {
	u.evenIfKept = true
	return u
}

// Farewell has the undo run when the run ends, not when it is reset to go on: for a word to somebody, which takes nothing back.
func (u Undo[Res]) Farewell() Undo[Res] {
	u.farewell = true
	return u
}

// Kept is true, while things are being undone, if who cancelled keeps what was done.
func Kept(ctx workflow.Context) bool { return frameOf(ctx).keeps() }

func (f *frame) keeps() bool { return f.cancelled != nil && f.cancelled.Keep }

// undoStep is an Undo bound to its step.
type undoStep struct {
	step       Step
	has        func(workflow.Context) bool
	run        func(workflow.Context) error
	evenIfKept bool
	farewell   bool
}

func (u Undo[Res]) step(step Step, answer *answer[Res]) *undoStep {
	return &undoStep{
		step:       step,
		has:        func(ctx workflow.Context) bool { return u.has(ctx, answer.value) },
		run:        func(ctx workflow.Context) error { return u.run(ctx, answer.value) },
		evenIfKept: u.evenIfKept,
		farewell:   u.farewell,
	}
}

// forget takes undos back: there is nothing to undo any more.
func (f *frame) forget(undos []*undoStep) {
	f.undo = slices.DeleteFunc(f.undo, func(u *undoStep) bool { return slices.Contains(undos, u) })
}

// compensate undoes what was done, last first, each with its own retries, on a context that no cancel reaches. An undo that
// a person leaves does not keep the others from being tried; the end of the run then says that something was left behind.
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
	f.must(f.record(ctx, begin))
	for _, u := range slices.Backward(f.undo) {
		if f.keeps() && !u.evenIfKept {
			continue
		}
		if left := f.undoOne(ctx, u); left != nil {
			finish.State = runsv1.Run_FAILED
			finish.Error = left
			finish.Error.Message = f.reason + "; step " + u.step.Name + " " + left.GetMessage()
		}
	}
}

// undoOne undoes a step, however often a person wants that tried. The error says what was left, nil if nothing.
func (f *frame) undoOne(ctx workflow.Context, u *undoStep) *runsv1.RunError {
	if !u.has(ctx) {
		return nil
	}
	for {
		f.must(f.record(ctx, &eventsv1.Event{Kind: stepCompensating, Step: u.step.Name, State: f.stateNow()}))
		err := f.tryUndo(ctx, u)
		if err == nil {
			f.must(f.record(ctx, &eventsv1.Event{Kind: stepCompensated, Step: u.step.Name, State: f.stateNow()}))
			return nil
		}
		failure := failureOf(err)
		left := &runsv1.RunError{
			Code: failure.GetCode(), Reason: ReasonUndoFailed, Step: u.step.Name, Message: "could not be undone: " + failure.GetMessage(),
		}
		f.must(f.record(ctx, &eventsv1.Event{
			Kind: stepFailed, Step: u.step.Name, State: f.stateNow(), Reason: left.GetReason(), Message: left.GetMessage(),
		}))
		task, err := f.askAboutUndo(ctx, u.step, left)
		if err != nil { // nobody can be asked: the run must end all the same
			return left
		}
		if task.GetDecision() != runsv1.Task_APPROVE {
			left.Message += fmt.Sprintf("; left so by %s: %s", task.GetDecidedBy(), task.GetReason())
			return left
		}
	}
}

// tryUndo makes the call with its retries; an operator may call off the wait for the next attempt.
func (f *frame) tryUndo(ctx workflow.Context, u *undoStep) error {
	for {
		attempts, cancel := workflow.WithCancel(f.inside(ctx, u.step.Name, 0, "undo"))
		t := &trial{step: u.step, cancel: cancel, undo: true}
		f.trials = append(f.trials, t)
		err := u.run(attempts)
		f.trials = slices.DeleteFunc(f.trials, func(other *trial) bool { return other == t })
		cancel()
		if err == nil || !t.off || refused(err) {
			return err
		}
	}
}

const (
	// undoRole decides about what can't be undone.
	undoRole = "roles/operator"
	// undoItems is where the items of such tasks begin, far from those of tasks that the story raises.
	undoItems = 1 << 20
)

// askAboutUndo puts a failed undo before a person, and returns the decision: approved = undo again. It waits for ever.
func (f *frame) askAboutUndo(ctx workflow.Context, step Step, failure *runsv1.RunError) (*runsv1.Task, error) {
	task := &runsv1.Task{}
	req := &runsv1.CreateTaskRequest{
		Step: step.Name, Item: int32(undoItems + f.number()), Title: "“" + step.Title + "” could not be undone", Assignee: undoRole,
		Description:  failure.GetMessage() + ". Set right what stands in the way and undo it again, or leave it as it is and say why.",
		ApproveLabel: "Undo again", RejectLabel: "Leave it",
		Context: contextOf(map[string]string{"step": step.Name, "because": f.reason}),
	}
	if err := f.tell(ctx, step, activityCreateTask, req, task); err != nil {
		return nil, err
	}
	if err := workflow.Await(ctx, func() bool { return f.tasks[task.GetName()] != nil }); err != nil {
		return nil, err
	}
	return f.tasks[task.GetName()], f.tell(ctx, step, activityAcknowledgeTask, &runsv1.AcknowledgeTaskRequest{Name: task.GetName()}, &runsv1.AcknowledgeTaskResponse{})
}

// must stops the workflow task, not the run, if a line can't be written: its retries never give up, so this is a worker
// that lacks the runs room's activities.
func (f *frame) must(err error) {
	if err != nil {
		panic("process: " + err.Error())
	}
}
