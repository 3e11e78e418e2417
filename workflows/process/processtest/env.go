package processtest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"

	runcontext "github.com/microservicehub/mshub/internal/temporal"
	runsv1 "github.com/microservicehub/mshub/services/runs/v1"
	"github.com/microservicehub/mshub/workflows/process"
)

// Env runs one process once. Not for concurrent use.
type Env struct {
	t          testing.TB
	definition process.Definition
	run        runcontext.RunContext
	settings   map[string]time.Duration
	verbs      []fakeVerb
	// setup is applied to each execution: a run that continues as new has several.
	setup  []func(*testsuite.TestWorkflowEnvironment)
	hooks  map[string]func()
	forms  map[string]*structpb.Struct
	others map[string]decision
	wf     *testsuite.TestWorkflowEnvironment
	tasks  map[string]*runsv1.Task
	answer *decision
	// refuse fails the calls of a step; called is done when one begins.
	refuse map[string]error
	called map[string]func()
	// created hears of each task; set while a history is recorded.
	created func(*runsv1.Task)

	mu sync.Mutex
	// calling are the verbs' calls under way. The test environment doesn't wait for those that were cancelled; a run does,
	// so that whoever reads what the fakes noted is alone with it. A call that comes after the end is not made.
	calling sync.WaitGroup
	over    bool
	Outcome
}

// Outcome is what a run left behind.
type Outcome struct {
	// Executions is 1 + how often the history started anew.
	Executions int
	// Calls are the verbs that were called, in order, attempts included: "SendMail".
	Calls []string
	// Keys are the steps of the calls: "mail", "chunks/7", "mail/undo"; after a reset "mail~1".
	Keys []string
	// Lines are the journal's lines that the frame wrote: "step.failed plan".
	Lines []string
	// Requests are the tasks as the run asked for them, in order.
	Requests []*runsv1.CreateTaskRequest
	// Reserved are the rates in which the run took a place, in order.
	Reserved []string
	// Finish is the last word of the run; nil if it has none.
	Finish *runsv1.FinishRunRequest
	Title  string
	Result proto.Message
	Err    error
}

type decision struct {
	after  time.Duration
	decide runsv1.Task_Decision
	reason string
}

// New prepares a run of the process.
func New(t testing.TB, definition process.Definition) *Env {
	t.Helper()
	if err := definition.Validate(); err != nil {
		t.Fatal(err)
	}
	e := &Env{
		t: t, definition: definition, hooks: map[string]func(){}, refuse: map[string]error{}, called: map[string]func(){}, forms: map[string]*structpb.Struct{}, others: map[string]decision{}, tasks: map[string]*runsv1.Task{},
		run: runcontext.RunContext{Organisation: uuid.Must(uuid.NewV7()), Run: uuid.Must(uuid.NewV7()), Actor: "users/" + uuid.NewString()},
	}
	e.fakeRuns()
	return e
}

// On fakes a verb, named by its method. It may fail as package activities would: see Refuse and Away.
func On[Req, Res proto.Message](e *Env, verb process.Verb[Req, Res], f func(Req) (Res, error)) {
	on(e, verbName(verb), func(_ context.Context, req Req) (Res, error) { return f(req) })
}

func on[Req, Res proto.Message](e *Env, name string, f process.Verb[Req, Res]) {
	e.verbs = slices.DeleteFunc(e.verbs, func(v fakeVerb) bool { return v.name == name })
	e.verbs = append(e.verbs, fakeVerb{name, (func(context.Context, Req) (Res, error))(f)})
}

type fakeVerb struct {
	name string
	f    any
}

// verbName is the name under which Temporal knows a method value: "(*Activities).SendMail-fm" is SendMail.
func verbName(verb any) string {
	name := runtime.FuncForPC(reflect.ValueOf(verb).Pointer()).Name()
	return strings.TrimSuffix(name[strings.LastIndex(name, ".")+1:], "-fm")
}

// Refuse is a service's no: no other attempt is made.
func Refuse(code, reason, message string) error {
	return temporal.NewApplicationErrorWithOptions(message, reason, temporal.ApplicationErrorOptions{NonRetryable: true, Details: []any{code}})
}

// Away is a service that can't be reached: other attempts are made.
func Away() error {
	return temporal.NewApplicationErrorWithOptions("away", "UNAVAILABLE", temporal.ApplicationErrorOptions{Details: []any{"unavailable"}})
}

// Set changes a setting of the process for this run.
func (e *Env) Set(name string, value time.Duration) {
	if e.settings == nil {
		e.settings = map[string]time.Duration{}
	}
	e.settings[name] = value
}

// WhenCalled does something at the moment a verb is called, before it answers.
func (e *Env) WhenCalled(verb string, do func()) { e.hooks[verb] = do }

// FailStep fails every call of a step (but not those beside it), as its service would: see Refuse and Away.
func (e *Env) FailStep(step string, err error) { e.refuse[step] = err }

// WhenStep does something when a step's call begins, before it answers.
func (e *Env) WhenStep(step string, do func()) { e.called[step] = do }

// After does something when the run's clock has moved on.
func (e *Env) After(d time.Duration, do func()) {
	e.setup = append(e.setup, func(wf *testsuite.TestWorkflowEnvironment) { wf.RegisterDelayedCallback(do, d) })
}

// Command gives the run an operator's command (process.UpdatePause, …), now: call it from WhenCalled or After. A refused
// one fails the test.
func (e *Env) Command(update, reason string) {
	e.Send(update, process.Command{Actor: "users/operator", Reason: reason})
}

// Send is Command with all that a command can say.
func (e *Env) Send(update string, command process.Command) {
	e.wf.UpdateWorkflowNoRejection(update, uuid.NewString(), e.t, command)
}

// Refused gives the run a command that it must refuse, and tells why it did.
func (e *Env) Refused(update string, command process.Command, why func(reason string)) {
	e.wf.UpdateWorkflow(update, uuid.NewString(), &testsuite.TestUpdateCallback{
		OnAccept:   func() { e.t.Errorf("%s was accepted", update) },
		OnReject:   func(err error) { why(process.ReasonOf(err)) },
		OnComplete: func(any, error) {},
	}, command)
}

// Fact tells the run a fact, now.
func (e *Env) Fact(kind string, data string) {
	e.wf.SignalWorkflow(process.SignalFact, process.Fact{ID: uuid.NewString(), Kind: kind, Data: []byte(data)})
}

// Decide has somebody decide every task a while after it was created.
func (e *Env) Decide(after time.Duration, decide runsv1.Task_Decision, reason string) {
	e.answer = &decision{after, decide, reason}
}

// WhenTask has tasks of one step decided otherwise than Decide says.
func (e *Env) WhenTask(step string, decide runsv1.Task_Decision, reason string) {
	e.others[step] = decision{decide: decide, reason: reason}
}

// Fill puts a form into the decisions about a step.
func (e *Env) Fill(step string, form proto.Message) {
	raw, err := protojson.Marshal(form)
	filled := &structpb.Struct{}
	if err == nil {
		err = protojson.Unmarshal(raw, filled)
	}
	if err != nil {
		e.t.Fatal(err)
	}
	e.forms[step] = filled
}

// Tasks are the last ones that the run created, by their step; "undo STEP" is the question about a failed undo.
func (e *Env) Tasks() map[string]*runsv1.Task { return e.tasks }

// Run runs the process to its end, over continue-as-new.
func (e *Env) Run(input proto.Message) Outcome {
	e.t.Helper()
	header := e.header()
	for {
		e.Executions++
		next := e.execute(input, header)
		if next == nil {
			return e.Outcome
		}
		header = next.Header
	}
}

func (e *Env) header() *commonpb.Header {
	payload, err := converter.GetDefaultDataConverter().ToPayload(e.run)
	if err != nil {
		e.t.Fatal(err)
	}
	return &commonpb.Header{Fields: map[string]*commonpb.Payload{"mshub-run": payload}}
}

func (e *Env) execute(input proto.Message, header *commonpb.Header) *workflow.ContinueAsNewError {
	var suite testsuite.WorkflowTestSuite
	suite.SetLogger(silent())
	e.wf = suite.NewTestWorkflowEnvironment()
	e.wf.SetContextPropagators([]workflow.ContextPropagator{runcontext.Propagator()})
	e.wf.SetHeader(header)
	e.wf.SetTestTimeout(20 * time.Second)
	e.wf.SetStartWorkflowOptions(client.StartWorkflowOptions{ID: e.run.Run.String()})
	e.wf.SetWorkerOptions(worker.Options{Interceptors: []interceptor.WorkerInterceptor{
		process.NewInterceptor([]process.Definition{e.definition}), &watcher{env: e},
	}})
	if e.settings != nil {
		if err := e.wf.SetMemoOnStart(process.SettingsMemo(e.settings)); err != nil {
			e.t.Fatal(err)
		}
	}
	e.wf.RegisterWorkflowWithOptions(e.definition.Workflow, workflow.RegisterOptions{Name: e.definition.Name})
	for _, verb := range e.verbs {
		e.wf.RegisterActivityWithOptions(verb.f, activity.RegisterOptions{Name: verb.name})
	}
	for _, setup := range e.setup {
		setup(e.wf)
	}
	e.wf.SetOnActivityStartedListener(func(info *activity.Info, ctx context.Context, _ converter.EncodedValues) {
		if hook := e.hooks[info.ActivityType.Name]; hook != nil {
			hook()
		}
		if run, _ := runcontext.RunFrom(ctx); run.Call == "" && e.called[run.Step] != nil {
			e.called[run.Step]()
		}
	})
	e.begin()
	e.wf.ExecuteWorkflow(e.definition.Name, input)
	e.end()
	if !e.wf.IsWorkflowCompleted() {
		e.t.Fatal("the run never ended")
	}
	var next *workflow.ContinueAsNewError
	if e.Err = e.wf.GetWorkflowError(); errors.As(e.Err, &next) {
		return next
	}
	if e.Err == nil {
		e.Result = e.definition.Result.ProtoReflect().New().Interface()
		if err := e.wf.GetWorkflowResult(e.Result); err != nil {
			e.t.Fatal(err)
		}
	}
	return nil
}

func (e *Env) begin() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.over = false
}

func (e *Env) end() {
	e.mu.Lock()
	e.over = true
	e.mu.Unlock()
	e.calling.Wait()
}

// enter is true if a call may be made; then it leaves when it is done.
func (e *Env) enter() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.over {
		e.calling.Add(1)
	}
	return !e.over
}

// watcher notes every call of a verb.
type watcher struct {
	interceptor.WorkerInterceptorBase
	env *Env
}

func (w *watcher) InterceptActivity(_ context.Context, next interceptor.ActivityInboundInterceptor) interceptor.ActivityInboundInterceptor {
	return &watched{interceptor.ActivityInboundInterceptorBase{Next: next}, w.env}
}

type watched struct {
	interceptor.ActivityInboundInterceptorBase
	env *Env
}

func (w *watched) ExecuteActivity(ctx context.Context, in *interceptor.ExecuteActivityInput) (any, error) {
	if info := activity.GetInfo(ctx); !info.IsLocalActivity {
		if !w.env.enter() {
			return nil, context.Canceled
		}
		defer w.env.calling.Done()
		w.env.note(ctx, info)
		if run, _ := runcontext.RunFrom(ctx); run.Call == "" && w.env.refuse[run.Step] != nil {
			return nil, w.env.refuse[run.Step]
		}
	}
	return w.Next.ExecuteActivity(ctx, in)
}

func (e *Env) note(ctx context.Context, info activity.Info) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.Calls = append(e.Calls, info.ActivityType.Name)
	run, _ := runcontext.RunFrom(ctx)
	key := run.Step
	if run.Item > 0 {
		key = fmt.Sprintf("%s/%d", key, run.Item)
	}
	if run.Call != "" {
		key += "/" + run.Call
	}
	if run.Epoch > 0 {
		key += fmt.Sprintf("~%d", run.Epoch)
	}
	e.Keys = append(e.Keys, key)
}

// silent drops Temporal's log; what matters is in the Outcome.
func silent() log.Logger { return log.NewStructuredLogger(slog.New(slog.DiscardHandler)) }
