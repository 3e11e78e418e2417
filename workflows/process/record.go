package process

import (
	"fmt"

	"go.temporal.io/sdk/workflow"

	eventsv1 "github.com/microservicehub/mshub/events/v1"
	runcontext "github.com/microservicehub/mshub/internal/temporal"
	runsv1 "github.com/microservicehub/mshub/services/runs/v1"
)

// Kinds of events that the frame writes; the list of all is in the events room. What an activity can tell (its start,
// ticks, success) is told by the activity.
const (
	stepFailed       = "step.failed"
	stepTimedOut     = "step.timed_out"
	stepWaiting      = "step.waiting"
	stepSucceeded    = "step.succeeded"
	stepSkipped      = "step.skipped"
	stepCompensating = "step.compensating"
	stepCompensated  = "step.compensated"
	runPaused        = "run.paused"
	runResumed       = "run.resumed"
	runParked        = "run.parked"
	runUnparked      = "run.unparked"
	runReset         = "run.reset"
	runCompensating  = "run.compensating"
)

// Names of the runs room's activities: the kit is a leaf and knows them by name.
const (
	activityRecordEvents    = "RecordEvents"
	activityFinishRun       = "FinishRun"
	activityCreateTask      = "CreateTask"
	activityExpireTask      = "ExpireTask"
	activityWithdrawTask    = "WithdrawTask"
	activityAcknowledgeTask = "AcknowledgeTask"
	activityEscalateTask    = "EscalateTask"
	activityReserveRate     = "ReserveRate"
)

// record writes lines that no activity can write, by one short local activity; repeating the call is harmless.
func (f *frame) record(ctx workflow.Context, events ...*eventsv1.Event) error {
	ctx, done := workflow.NewDisconnectedContext(ctx)
	defer done()
	req := &runsv1.RecordEventsRequest{}
	for _, event := range events {
		id := fmt.Sprintf("frame/%s/%s/%d", event.GetKind(), event.GetStep(), f.number())
		req.Entries = append(req.Entries, &runsv1.RecordEventsRequest_Entry{EventId: id, Event: event})
	}
	return workflow.ExecuteLocalActivity(withRecord(f.outside(ctx)), activityRecordEvents, req).Get(ctx, nil)
}

// number tells apart what may happen more than once in a run.
func (f *frame) number() int {
	f.carry.Commands++
	return f.carry.Commands
}

func (f *frame) finish(ctx workflow.Context, req *runsv1.FinishRunRequest) error {
	return workflow.ExecuteLocalActivity(withRecord(f.outside(ctx)), activityFinishRun, req).Get(ctx, nil)
}

// outside gives calls that belong to the run but to none of its steps.
func (f *frame) outside(ctx workflow.Context) workflow.Context {
	return runcontext.WithRun(ctx, f.run)
}

// inside gives calls that belong to a step. A call with a name ("undo") is beside the step: nobody reports it as the
// step's own start or end.
func (f *frame) inside(ctx workflow.Context, step string, item int32, call string) workflow.Context {
	run := f.run
	run.Step, run.Item, run.Call, run.Quiet = step, item, call, call != ""
	run.Epoch = f.carry.Epochs[step]
	return runcontext.WithRun(ctx, run)
}

// stateNow is the run's state as a line of the journal gives it.
func (f *frame) stateNow() string {
	switch {
	case f.ending:
		return runsv1.Run_COMPENSATING.String()
	case f.paused:
		return runsv1.Run_PAUSED.String()
	case f.waiting > 0 || len(f.parked) > 0:
		return runsv1.Run_WAITING.String()
	}
	return runsv1.Run_RUNNING.String()
}

// failed writes the final failure of a step and returns the error that the author's code sees.
func (f *frame) failed(ctx workflow.Context, step string, item int32, cause error) error {
	failure := failureOf(cause)
	kind := stepFailed
	if failure.GetReason() == ReasonTimedOut || failure.GetReason() == ReasonExpired {
		kind = stepTimedOut
	}
	err := f.record(ctx, &eventsv1.Event{
		Kind: kind, Step: step, Item: item, State: f.stateNow(), Message: failure.GetMessage(), Reason: failure.GetReason(),
	})
	if err != nil {
		return err
	}
	return &stepError{step: step, cause: cause}
}

// SetTitle gives the run the name that people know it by, once the story has it: the file's, the person's.
func SetTitle(ctx workflow.Context, title string) error {
	f := frameOf(ctx)
	if f.carry.Title == title {
		return nil
	}
	f.carry.Title = title
	req := &runsv1.RecordEventsRequest{Title: title}
	return workflow.ExecuteLocalActivity(withRecord(f.outside(ctx)), activityRecordEvents, req).Get(ctx, nil)
}
