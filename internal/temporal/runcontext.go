package temporal

import (
	"context"

	"github.com/google/uuid"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/workflow"
)

// runHeader is the Temporal header that carries the RunContext.
const runHeader = "mshub-run"

// RunContext says in whose name a workflow and its activities work. It is set once, at the start of the run, and travels
// in a Temporal header: to the workflow, over continue-as-new, and with the step's name added to each activity.
type RunContext struct {
	Organisation uuid.UUID `json:"organisation"`
	Run          uuid.UUID `json:"run"`
	// Actor started the run: "users/ID", "clients/ID", "facts/ID".
	Actor string `json:"actor"`
	// Step is the declared name of the step that an activity belongs to; empty outside of one.
	Step string `json:"step,omitempty"`
	// Item numbers the calls of one step from 1, if there are many; 0 if there is one.
	Item int32 `json:"item,omitempty"`
	// Epoch counts how often a reset had the step done again: what it did before must not be mistaken for what it does now.
	Epoch int32 `json:"epoch,omitempty"`
	// Tried counts the attempts of the call that were made before as calls of their own, of a step with a rate.
	Tried int32 `json:"tried,omitempty"`
	// Call names a call beside the step itself ("undo", "remind"), so that both have their own idempotency key.
	Call string `json:"call,omitempty"`
	// Quiet calls belong to a step but are not it (a reminder, an undo): nobody reports them as the step's start or end.
	Quiet bool `json:"quiet,omitempty"`
	// Interruptible calls end as soon as the run does not want them any more; others are finished all the same.
	Interruptible bool `json:"interruptible,omitempty"`
}

// WithRun returns a workflow context under which activities, children and continue-as-new carry run.
func WithRun(ctx workflow.Context, run RunContext) workflow.Context {
	return workflow.WithValue(ctx, runKey{}, run)
}

// RunOf returns the run that a workflow context belongs to; the zero RunContext outside of one.
func RunOf(ctx workflow.Context) RunContext {
	run, _ := ctx.Value(runKey{}).(RunContext)
	return run
}

// ContextWithRun returns a context for client.ExecuteWorkflow: the started workflow belongs to run.
func ContextWithRun(ctx context.Context, run RunContext) context.Context {
	return context.WithValue(ctx, runKey{}, run)
}

// RunFrom returns the run in whose name an activity works; false outside of one.
func RunFrom(ctx context.Context) (RunContext, bool) {
	run, ok := ctx.Value(runKey{}).(RunContext)
	return run, ok
}

type runKey struct{}

// Propagator carries the RunContext in Temporal's headers. Clients and workers of the house must share it.
func Propagator() workflow.ContextPropagator { return propagator{} }

type propagator struct{}

func (propagator) Inject(ctx context.Context, header workflow.HeaderWriter) error {
	run, ok := RunFrom(ctx)
	return write(header, run, ok)
}

func (propagator) InjectFromWorkflow(ctx workflow.Context, header workflow.HeaderWriter) error {
	run, ok := ctx.Value(runKey{}).(RunContext)
	return write(header, run, ok)
}

func (propagator) Extract(ctx context.Context, header workflow.HeaderReader) (context.Context, error) {
	run, ok, err := read(header)
	if !ok || err != nil {
		return ctx, err
	}
	return ContextWithRun(ctx, run), nil
}

func (propagator) ExtractToWorkflow(ctx workflow.Context, header workflow.HeaderReader) (workflow.Context, error) {
	run, ok, err := read(header)
	if !ok || err != nil {
		return ctx, err
	}
	return WithRun(ctx, run), nil
}

func write(header workflow.HeaderWriter, run RunContext, ok bool) error {
	if !ok {
		return nil
	}
	payload, err := converter.GetDefaultDataConverter().ToPayload(run)
	if err != nil {
		return err
	}
	header.Set(runHeader, payload)
	return nil
}

func read(header workflow.HeaderReader) (run RunContext, ok bool, err error) {
	payload, ok := header.Get(runHeader)
	if !ok {
		return RunContext{}, false, nil
	}
	err = converter.GetDefaultDataConverter().FromPayload(payload, &run)
	return run, err == nil, err
}
