package process

import (
	"errors"
	"time"

	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"

	runcontext "github.com/microservicehub/mshub/internal/temporal"
	runsv1 "github.com/microservicehub/mshub/services/runs/v1"
)

// NewInterceptor puts the frame around the workflows of the definitions. It belongs into worker.Options.Interceptors,
// beside runcontext's propagator in the client's options.
func NewInterceptor(definitions []Definition) interceptor.WorkerInterceptor {
	byName := make(map[string]*Definition, len(definitions))
	for i := range definitions {
		byName[definitions[i].Name] = &definitions[i]
	}
	return &workerInterceptor{definitions: byName}
}

type workerInterceptor struct {
	interceptor.WorkerInterceptorBase
	definitions map[string]*Definition
}

func (w *workerInterceptor) InterceptWorkflow(ctx workflow.Context, next interceptor.WorkflowInboundInterceptor) interceptor.WorkflowInboundInterceptor {
	definition, ok := w.definitions[workflow.GetInfo(ctx).WorkflowType.Name]
	if !ok {
		return next
	}
	i := &inbound{definition: definition}
	i.Next = next
	return i
}

type inbound struct {
	interceptor.WorkflowInboundInterceptorBase
	definition *Definition
}

// frame is the state of one run inside its workflow. Everything in it follows from the history alone.
type frame struct {
	definition *Definition
	run        runcontext.RunContext
	settings   map[string]time.Duration
	input      any

	// stop cancels the author's context.
	stop      workflow.CancelFunc
	cancelled *Command
	// reset, once commanded, wins over whatever the story still says.
	reset  *Command
	paused bool
	// ending is true once the story is over: nothing can be commanded any more.
	ending bool
	// final is true once a final step has begun: what is done can't be undone any more.
	final bool
	// waiting counts the steps that wait for a person or a fact.
	waiting int
	// parked are the steps that wait for an operator; trials the calls under way; entered the steps that the story came to.
	parked  map[string]*parking
	trials  []*trial
	entered map[string]bool
	// reason is why things are being undone, in words for people.
	reason string

	undo  []*undoStep
	tasks map[string]*runsv1.Task
	facts []Fact
	carry carried
}

type frameKey struct{}

func frameOf(ctx workflow.Context) *frame {
	f, ok := ctx.Value(frameKey{}).(*frame)
	if !ok {
		panic("process: the worker lacks process.NewInterceptor")
	}
	return f
}

// ExecuteWorkflow runs the author's code and brings the run to its end, whatever happens.
func (i *inbound) ExecuteWorkflow(ctx workflow.Context, in *interceptor.ExecuteWorkflowInput) (any, error) {
	f := &frame{
		definition: i.definition, run: runcontext.RunOf(ctx), tasks: map[string]*runsv1.Task{},
		parked: map[string]*parking{}, entered: map[string]bool{},
	}
	if f.run.Run.String() != workflow.GetInfo(ctx).WorkflowExecution.ID {
		return nil, Fail("NOT_A_RUN", "processes are started by the runs service, not by hand")
	}
	if len(in.Args) > 0 {
		f.input = in.Args[0]
	}
	if err := f.restore(ctx); err != nil {
		return nil, err
	}
	if err := f.listen(ctx); err != nil {
		return nil, err
	}
	story, stop := workflow.WithCancel(workflow.WithValue(ctx, frameKey{}, f))
	f.stop = stop
	result, err := i.Next.ExecuteWorkflow(story, in)
	if f.reset != nil && ctx.Err() == nil {
		err = f.rewind(ctx)
	}
	if next := (*workflow.ContinueAsNewError)(nil); errors.As(err, &next) {
		return nil, f.save(ctx, next)
	}
	return f.end(ctx, result, err)
}

// end undoes if need be, and writes the end of the run as the last thing.
func (f *frame) end(ctx workflow.Context, result any, err error) (any, error) {
	f.ending = true
	last, done := workflow.NewDisconnectedContext(ctx)
	defer done()
	finish := &runsv1.FinishRunRequest{State: runsv1.Run_COMPLETED}
	if err == nil {
		var convert error
		if finish.Result, convert = asStruct(result); convert != nil {
			err = convert
		}
	}
	if err != nil {
		finish.State, finish.Error = runsv1.Run_FAILED, failureOf(err)
		if beside := (*stepError)(nil); errors.As(err, &beside) && beside.untold {
			_ = f.failed(last, beside.step, 0, beside.cause) // the story has ended with this error already
		}
		if f.cancelled != nil || temporal.IsCanceledError(ctx.Err()) {
			finish.State = runsv1.Run_CANCELLED
			finish.Error = &runsv1.RunError{Code: "canceled", Reason: ReasonCancelled, Message: f.cancelReason()}
		}
		f.compensate(last, finish)
	}
	if e := workflow.Await(last, func() bool { return workflow.AllHandlersFinished(last) }); e != nil {
		return nil, e
	}
	if e := f.finish(last, finish); e != nil {
		return nil, e
	}
	switch finish.GetState() {
	case runsv1.Run_COMPLETED:
		return result, nil
	case runsv1.Run_CANCELLED:
		return nil, temporal.NewCanceledError()
	}
	return nil, temporal.NewNonRetryableApplicationError(finish.GetError().GetMessage(), finish.GetError().GetReason(), nil)
}

func (f *frame) cancelReason() string {
	if f.cancelled != nil && f.cancelled.Reason != "" {
		return f.cancelled.Reason
	}
	return "the run was cancelled"
}

// Reason says, while things are being undone, why: the reason of a cancel, the message of the failure.
func Reason(ctx workflow.Context) string { return frameOf(ctx).reason }

// Organisation is the run's: "organisations/ID".
func Organisation(ctx workflow.Context) string {
	return "organisations/" + frameOf(ctx).run.Organisation.String()
}

// enter is the gate before each step: an undeclared name fails, a paused run waits here, a cancelled one ends here.
func (f *frame) enter(ctx workflow.Context, name string, kind Kind) (Step, error) {
	step, ok := f.definition.step(name)
	if !ok || step.Kind != kind {
		return Step{}, undeclared(f.definition, name)
	}
	f.entered[name] = true
	if err := f.gate(ctx); err != nil {
		return step, err
	}
	f.final = f.final || step.Final
	return step, nil
}

func undeclared(d *Definition, step string) error {
	return Fail(ReasonUndeclared, "process %q declares no step %q of this kind; add it to its Definition", d.Name, step)
}

func (f *frame) gate(ctx workflow.Context) error {
	if f.paused && ctx.Err() == nil {
		if err := workflow.Await(ctx, func() bool { return !f.paused }); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// asStruct turns a result into what the run row keeps.
func asStruct(result any) (*structpb.Struct, error) {
	message, ok := result.(proto.Message)
	if !ok || !message.ProtoReflect().IsValid() {
		return &structpb.Struct{}, nil
	}
	raw, err := protojson.MarshalOptions{EmitDefaultValues: true}.Marshal(message)
	if err != nil {
		return nil, err
	}
	out := &structpb.Struct{}
	return out, protojson.Unmarshal(raw, out)
}

func (f *frame) restore(ctx workflow.Context) error {
	if payload, ok := workflow.GetInfo(ctx).Memo.GetFields()[settingsMemo]; ok {
		if err := converter.GetDefaultDataConverter().FromPayload(payload, &f.settings); err != nil {
			return err
		}
	}
	return f.load(ctx)
}
