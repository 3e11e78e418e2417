package runs

import (
	"google.golang.org/protobuf/proto"

	"github.com/microservicehub/mshub/events"
	eventsv1 "github.com/microservicehub/mshub/events/v1"
	runsv1 "github.com/microservicehub/mshub/services/runs/v1"
)

// fold draws the steps of a snapshot as the journal left them. It is pure; the console does the same with live events.
//
//   - the highest attempt counts, and a later step.started opens a step again
//   - a step of many calls ends by the event without an item
//   - a reset names the steps that begin anew
//   - when the run has ended, a step under way ended with it, and a step that never came was left out
func fold(snapshot []*runsv1.Step, journal []*eventsv1.Event, state runsv1.Run_State) []*runsv1.Step {
	steps := make([]*runsv1.Step, 0, len(snapshot))
	byName := make(map[string]*runsv1.Step, len(snapshot))
	for _, s := range snapshot {
		step := proto.CloneOf(s)
		steps = append(steps, step)
		byName[step.GetName()] = step
	}
	for _, e := range journal {
		if e.GetKind() == events.RunReset {
			for _, name := range e.GetData().GetFields()["steps"].GetListValue().GetValues() {
				again(byName[name.GetStringValue()])
			}
			continue
		}
		step, ok := byName[e.GetStep()]
		if !ok {
			continue
		}
		if after, ok := after[e.GetKind()]; ok && (e.GetItem() <= 0 || after != runsv1.Step_SUCCEEDED) {
			move(step, after, e)
		}
	}
	if state >= runsv1.Run_COMPLETED {
		for _, step := range steps {
			settle(step, state)
		}
	}
	return steps
}

// after is the state of a step after an event of a kind.
var after = map[string]runsv1.Step_State{
	events.StepStarted:      runsv1.Step_RUNNING,
	events.StepWaiting:      runsv1.Step_WAITING,
	events.StepSucceeded:    runsv1.Step_SUCCEEDED,
	events.StepFailed:       runsv1.Step_FAILED,
	events.StepTimedOut:     runsv1.Step_TIMED_OUT,
	events.StepSkipped:      runsv1.Step_SKIPPED,
	events.StepCompensating: runsv1.Step_COMPENSATING,
	events.StepCompensated:  runsv1.Step_COMPENSATED,
}

func move(step *runsv1.Step, to runsv1.Step_State, e *eventsv1.Event) {
	step.State = to
	step.Attempt = max(step.GetAttempt(), e.GetAttempt())
	if step.GetStartTime() == nil {
		step.StartTime = e.GetTime()
	}
	if e.GetMessage() != "" {
		step.Message = e.GetMessage()
	}
	switch to {
	case runsv1.Step_RUNNING, runsv1.Step_WAITING, runsv1.Step_COMPENSATING:
		step.EndTime = nil
	default:
		step.EndTime = e.GetTime()
	}
	if to == runsv1.Step_RUNNING || to == runsv1.Step_SUCCEEDED && e.GetMessage() == "" {
		step.Message = ""
	}
}

// again draws a step as if it had never come: a reset has it done once more.
func again(step *runsv1.Step) {
	if step != nil {
		step.State, step.Attempt, step.Message, step.StartTime, step.EndTime = runsv1.Step_PENDING, 0, "", nil, nil
	}
}

func settle(step *runsv1.Step, state runsv1.Run_State) {
	switch step.GetState() {
	case runsv1.Step_PENDING:
		if state == runsv1.Run_COMPLETED {
			step.State = runsv1.Step_SKIPPED
		}
	case runsv1.Step_RUNNING, runsv1.Step_WAITING, runsv1.Step_COMPENSATING:
		step.State, step.Message = runsv1.Step_FAILED, "the run ended during this step"
	}
}
