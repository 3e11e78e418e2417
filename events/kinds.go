package events

import (
	"fmt"
	"slices"
)

// Kinds of events: the only list. run.* is written by the runs role and by the frame of workflows; step.started,
// step.progress and step.succeeded by the worker's interceptor; the other step.* by the frame.
const (
	RunStarted      = "run.started"
	RunAdmitted     = "run.admitted" // got its slot, having been queued
	RunRunning      = "run.running"
	RunWaiting      = "run.waiting"
	RunPaused       = "run.paused"
	RunResumed      = "run.resumed"
	RunParked       = "run.parked"   // a step failed for good; an operator decides
	RunUnparked     = "run.unparked" // the operator has decided
	RunReset        = "run.reset"    // goes on from a step; data.steps are done again
	RunCompensating = "run.compensating"
	RunCompleted    = "run.completed"
	RunFailed       = "run.failed"
	RunCancelled    = "run.cancelled"
	RunTerminated   = "run.terminated"
	RunTimedOut     = "run.timed_out"
	RunLost         = "run.lost"

	StepStarted      = "step.started"
	StepProgress     = "step.progress" // a tick: state, not a fact; may be left out
	StepSucceeded    = "step.succeeded"
	StepFailed       = "step.failed"
	StepTimedOut     = "step.timed_out"
	StepWaiting      = "step.waiting"
	StepSkipped      = "step.skipped"
	StepCompensating = "step.compensating"
	StepCompensated  = "step.compensated"
)

// effect is what an event of a kind does to its run's state, unless the entry says otherwise.
type effect struct {
	state string // "" = nothing
	// soft effects come from steps: they don't wake a run that is paused or compensating.
	soft bool
}

const (
	running = "RUNNING"
	waiting = "WAITING"
)

// effects has every kind. States are those of services.runs.v1.Run.State. A run that has ended stays ended, whatever
// comes late; only LOST can be taken back, by the run itself.
var effects = map[string]effect{
	RunStarted:      {state: "STARTING"},
	RunAdmitted:     {state: "STARTING"},
	RunRunning:      {state: running},
	RunWaiting:      {state: waiting},
	RunPaused:       {state: "PAUSED"},
	RunResumed:      {state: running},
	RunParked:       {state: waiting},
	RunUnparked:     {state: running},
	RunReset:        {state: running},
	RunCompensating: {state: "COMPENSATING"},
	RunCompleted:    {state: "COMPLETED"},
	RunFailed:       {state: "FAILED"},
	RunCancelled:    {state: "CANCELLED"},
	RunTerminated:   {state: "TERMINATED"},
	RunTimedOut:     {state: "TIMED_OUT"},
	RunLost:         {state: "LOST"},

	StepStarted:      {state: running, soft: true},
	StepProgress:     {},
	StepSucceeded:    {state: running, soft: true},
	StepFailed:       {},
	StepTimedOut:     {},
	StepWaiting:      {state: waiting, soft: true},
	StepSkipped:      {},
	StepCompensating: {},
	StepCompensated:  {},
}

// Kinds returns every kind, sorted.
func Kinds() []string {
	kinds := make([]string, 0, len(effects))
	for kind := range effects {
		kinds = append(kinds, kind)
	}
	slices.Sort(kinds)
	return kinds
}

// EventID names an event within its run, the same at every repetition. Item is 0 for a step that is called once,
// attempt 0 for what has no attempts.
func EventID(step string, item, attempt int32, kind string) string {
	return fmt.Sprintf("%s/%d/%d/%s", step, item, attempt, kind)
}
