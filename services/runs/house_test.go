package runs_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"
	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/microservicehub/mshub/activities"
	runsact "github.com/microservicehub/mshub/activities/runs"
	"github.com/microservicehub/mshub/events"
	"github.com/microservicehub/mshub/internal/auth"
	"github.com/microservicehub/mshub/internal/postgres"
	"github.com/microservicehub/mshub/internal/temporal"
	"github.com/microservicehub/mshub/internal/testenv"
	auditstore "github.com/microservicehub/mshub/services/audit/store"
	"github.com/microservicehub/mshub/services/runs"
	runsv1 "github.com/microservicehub/mshub/services/runs/v1"
	"github.com/microservicehub/mshub/services/runs/v1/runsv1connect"
	onboardingv1 "github.com/microservicehub/mshub/workflows/onboarding/v1"
	"github.com/microservicehub/mshub/workflows/process"
)

func TestMain(m *testing.M) {
	if os.Getenv(workerEnv) != "" {
		os.Exit(workerProcess())
	}
	os.Exit(testenv.Main(m))
}

// house is the runs role with a worker, on real engines, and processes of its own that do nothing but tell the test.
type house struct {
	t       *testing.T
	db      *postgres.DB
	client  client.Client
	issuer  *testenv.TestIssuer
	url     string
	events  *events.Publisher
	service *runs.Service
	org     uuid.UUID
	probe   *probe
	worker  worker.Worker
	defs    []process.Definition
	queue   string
	// decides is the directory; nil believes every name.
	decides atomic.Pointer[func(ctx context.Context, name string) (bool, error)]

	databaseURL, redisURL string
}

// steps of the test's processes; every call tells the probe.
func definitions(queue string) []process.Definition {
	shape := process.Definition{Input: &onboardingv1.Input{}, Result: &onboardingv1.Result{}, Queue: queue}
	three, asking, many, waiting := shape, shape, shape, shape
	three.Name, three.Title, three.Workflow = "three", "Three steps", threeSteps
	three.Steps = []process.Step{
		{Name: "one", Title: "One", Kind: process.Activity},
		{Name: "two", Title: "Two", Kind: process.Activity},
		{Name: "three", Title: "Three", Kind: process.Activity},
	}
	asking.Name, asking.Title, asking.Workflow = "asking", "A decision", askingStep
	asking.Steps = []process.Step{
		{Name: "one", Title: "One", Kind: process.Activity},
		{Name: "approval", Title: "Approve", Kind: process.Human},
	}
	asking.Permission = "identity.write"
	asking.Settings = map[string]time.Duration{"deadline": time.Hour}
	many.Name, many.Title, many.Workflow = "many", "Many calls", manyCalls
	many.Steps = []process.Step{{Name: "each", Title: "Each", Kind: process.Many}, {Name: "one", Title: "One", Kind: process.Activity}}
	waiting.Name, waiting.Title, waiting.Workflow = "waiting", "A fact", waitingStep
	waiting.Steps = []process.Step{{Name: "acceptance", Title: "Acceptance", Kind: process.Timer}}
	waiting.StartOn = "identity.user.signed_up"
	long := many
	long.Name, long.Title, long.Workflow = "long", "Very many calls", longWay
	parks := three
	parks.Name, parks.Title, parks.OnFailure, parks.RetryInput = "parks", "Three steps that wait for an operator", process.Park, "approver"
	parks.Steps = slices.Clone(three.Steps)
	parks.Steps[1].Skippable = true
	limited, serial, single, voted := three, three, three, asking
	limited.Name, limited.Title, limited.Concurrency = "limited", "Two at once", 2
	serial.Name, serial.Title, serial.Key, serial.KeyConcurrency = "serial", "One after the other", "displayName", 1
	single.Name, single.Title, single.Singleton = "single", "Alone", true
	voted.Name, voted.Title, voted.Workflow, voted.Permission = "voted", "Two must approve", votedStep, ""
	telling := three
	telling.Name, telling.Title, telling.StartOn = "telling", "Tells others", events.FactWebhookDue
	own := three
	own.Name, own.Title, own.Input, own.Workflow = "own", "By itself", &onboardingv1.Approval{}, ownStep
	own.Steps = []process.Step{{Name: "one", Title: "One", Kind: process.Activity}}
	own.Schedule = process.Schedule{Cron: "0 7 * * *", TimeZone: "Europe/Berlin"}
	return []process.Definition{three, asking, many, waiting, long, parks, limited, serial, single, voted, telling, own}
}

type (
	in  = onboardingv1.Input
	out = onboardingv1.Result
)

func threeSteps(ctx workflow.Context, input *in) (*out, error) {
	var p *probe
	undo := func(workflow.Context, *out) *in { return input }
	if _, err := process.Do(ctx, "one", p.ProbeOne, input, process.UndoBy(p.ProbeUndoOne, undo)); err != nil {
		return nil, err
	}
	if _, err := process.Do(ctx, "two", p.ProbeTwo, input, process.UndoBy(p.ProbeUndoTwo, undo)); err != nil {
		return nil, err
	}
	return process.Do(ctx, "three", p.ProbeThree, input, process.UndoBy(p.ProbeUndoThree, undo))
}

func askingStep(ctx workflow.Context, input *in) (*out, error) {
	var p *probe
	if _, err := process.Do(ctx, "one", p.ProbeOne, input, process.UndoBy(p.ProbeUndoOne, func(workflow.Context, *out) *in { return input })); err != nil {
		return nil, err
	}
	task, err := process.Task(ctx, "approval", process.TaskSpec{
		Title: "Approve " + input.GetDisplayName(), Assignee: input.GetApprover(), Due: process.Setting(ctx, "deadline"),
	})
	if err != nil {
		return nil, err
	}
	if task.GetDecision() != runsv1.Task_APPROVE {
		return nil, process.Fail("REJECTED", "%s", task.GetReason())
	}
	return &out{DecidedBy: task.GetDecidedBy()}, nil
}

func ownStep(ctx workflow.Context, _ *onboardingv1.Approval) (*out, error) {
	var p *probe
	return process.Do(ctx, "one", p.ProbeOne, &in{})
}

func votedStep(ctx workflow.Context, input *in) (*out, error) {
	var p *probe
	if _, err := process.Do(ctx, "one", p.ProbeOne, input); err != nil {
		return nil, err
	}
	task, err := process.Task(ctx, "approval", process.TaskSpec{
		Title: "Approve " + input.GetDisplayName(), Assignee: "roles/approver", Quorum: 2, FourEyes: true, Excluded: []string{input.GetApprover()},
		Form: &onboardingv1.Documents{},
	})
	if err != nil {
		return nil, err
	}
	documents := &onboardingv1.Documents{}
	if task.GetDecision() == runsv1.Task_APPROVE {
		if err := process.Form(task, documents); err != nil {
			return nil, err
		}
	}
	return &out{DecidedBy: task.GetDecision().String(), Documents: documents.GetFiles()}, nil
}

func manyCalls(ctx workflow.Context, input *in) (*out, error) {
	var p *probe
	if err := process.Each(ctx, "each", 30, 2, p.ProbeItem, func(item int32) *in { return &in{DisplayName: fmt.Sprint(item)} }); err != nil {
		return nil, err
	}
	return process.Do(ctx, "one", p.ProbeOne, input)
}

// longWay has more items than one history takes.
func longWay(ctx workflow.Context, input *in) (*out, error) {
	var p *probe
	if _, err := process.Do(ctx, "one", p.ProbeOne, input); err != nil {
		return nil, err
	}
	return &out{User: "done"}, process.Each(ctx, "each", 510, 8, p.ProbeItem, func(item int32) *in { return &in{DisplayName: fmt.Sprint(item)} })
}

func waitingStep(ctx workflow.Context, _ *in) (*out, error) {
	limits := process.Wait{Timeout: time.Hour, About: process.About{Field: "user", Name: "users/1"}}
	fact, err := process.AwaitFact(ctx, "acceptance", "identity.invitation.accepted", limits)
	return &out{User: fact.ID, DecidedBy: string(fact.Data)}, err
}

// probe is the test's room: each call is noted, and may be held or failed.
type probe struct {
	mu    sync.Mutex
	calls []string
	// on is asked at each call; nil = succeed.
	on func(ctx context.Context, call string) error
}

func (p *probe) call(ctx context.Context, name string) (*out, error) {
	p.mu.Lock()
	p.calls = append(p.calls, name)
	on := p.on
	p.mu.Unlock()
	if on != nil {
		if err := on(ctx, name); err != nil {
			return nil, err
		}
	}
	return &out{User: name}, nil
}

func (p *probe) seen() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]string(nil), p.calls...)
}

func (p *probe) ProbeOne(ctx context.Context, _ *in) (*out, error)   { return p.call(ctx, "one") }
func (p *probe) ProbeTwo(ctx context.Context, _ *in) (*out, error)   { return p.call(ctx, "two") }
func (p *probe) ProbeThree(ctx context.Context, _ *in) (*out, error) { return p.call(ctx, "three") }
func (p *probe) ProbeItem(ctx context.Context, i *in) (*out, error) {
	return p.call(ctx, "item "+i.GetDisplayName())
}
func (p *probe) ProbeUndoOne(ctx context.Context, _ *in) (*out, error) {
	return p.call(ctx, "undo one")
}
func (p *probe) ProbeUndoTwo(ctx context.Context, _ *in) (*out, error) {
	return p.call(ctx, "undo two")
}
func (p *probe) ProbeUndoThree(ctx context.Context, _ *in) (*out, error) {
	return p.call(ctx, "undo three")
}

// newHouse builds everything; the worker is started unless idle.
func newHouse(t *testing.T, on func(ctx context.Context, call string) error) *house {
	t.Helper()
	h := &house{t: t, org: uuid.Must(uuid.NewV7()), probe: &probe{on: on}, queue: "test-" + uuid.NewString()}
	h.defs = definitions(h.queue)
	h.databaseURL = testenv.DatabaseURL(t, events.Schema(), auditstore.Schema(), runs.Schema())
	var err error
	if h.db, err = postgres.Open(t.Context(), h.databaseURL, 8); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.db.Close)
	h.redisURL = testenv.Redis(t)
	redisOptions, err := redis.ParseURL(h.redisURL)
	if err != nil {
		t.Fatal(err)
	}
	rdb := redis.NewClient(redisOptions)
	t.Cleanup(func() { _ = rdb.Close() })
	h.events = events.NewPublisher(h.db, rdb, slog.New(slog.DiscardHandler))
	h.client, err = temporal.Dial(t.Context(), testenv.Temporal(t), client.Options{ContextPropagators: []workflow.ContextPropagator{temporal.Propagator()}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.client.Close)
	h.issuer = testenv.Issuer(t)
	h.service = h.newService(time.Now)
	path, handler := runsv1connect.NewRunsServiceHandler(h.service, h.issuer.Options()...)
	h.url = h.serve(path, handler)
	h.startWorker()
	return h
}

func (h *house) serve(path string, handler http.Handler) string {
	return testenv.Serve(h.t, h.issuer, path, handler)
}

func (h *house) newService(now func() time.Time) *runs.Service {
	h.t.Helper()
	s, err := runs.New(runs.Parts{
		DB: h.db, Events: h.events, Temporal: h.client, Processes: h.defs, Schemas: os.DirFS("../../workflows/schema"),
		Decides: func(ctx context.Context, name string) (bool, error) {
			if decides := h.decides.Load(); decides != nil {
				return (*decides)(ctx, name)
			}
			return true, nil
		},
		Config: runs.Config{Retention: time.Hour}, Logger: slog.New(slog.DiscardHandler), Now: now,
	})
	if err != nil {
		h.t.Fatal(err)
	}
	return s
}

func (h *house) startWorker() {
	h.t.Helper()
	service := h.issuer.As(auth.Caller{Kind: auth.Service, Actor: "services/worker", Scopes: []string{auth.WorkerScope}})
	h.worker = newWorker(h.client, h.queue, h.defs, h.events, h.probe, runsv1connect.NewRunsServiceClient(newHTTPClient(h.t), h.url, service,
		connect.WithInterceptors(activities.ClientInterceptors()...)))
	if err := h.worker.Start(); err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { h.stopWorker() })
}

// newWorker is a worker as cmd/mshub makes it.
func newWorker(c client.Client, queue string, defs []process.Definition, publisher *events.Publisher, p *probe, runs runsv1connect.RunsServiceClient) worker.Worker {
	options := process.WorkerOptions(queue)
	options.WorkerStopTimeout = 5 * time.Second
	options.Interceptors = []interceptor.WorkerInterceptor{activities.NewInterceptor(), events.NewInterceptor(publisher, "test"), process.NewInterceptor(defs)}
	w := worker.New(c, queue, options)
	process.Register(w, queue, defs)
	w.RegisterActivity(runsact.New(runs))
	w.RegisterActivity(p)
	return w
}

func (h *house) stopWorker() {
	if h.worker != nil {
		h.worker.Stop()
		h.worker = nil
	}
}

func (h *house) as(c auth.Caller) runsv1connect.RunsServiceClient {
	return runsv1connect.NewRunsServiceClient(newHTTPClient(h.t), h.url, h.issuer.As(c))
}

// user is somebody of the house's organisation.
func (h *house) user(roles []string, permissions ...string) auth.Caller {
	id := uuid.Must(uuid.NewV7())
	return auth.Caller{Kind: auth.User, User: id, Organisation: h.org, Actor: "users/" + id.String(), Roles: roles, Permissions: permissions}
}

func (h *house) admin() auth.Caller { return h.user([]string{"admin"}, "*") }

func input(t *testing.T, fields map[string]any) *structpb.Struct {
	t.Helper()
	s, err := structpb.NewStruct(fields)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

var ada = map[string]any{"email": "ada@example.org", "displayName": "Ada", "role": "member", "approver": "roles/approver"}

// start starts a run as an administrator.
func (h *house) start(process string) (*runsv1.Run, runsv1connect.RunsServiceClient) {
	h.t.Helper()
	c := h.as(h.admin())
	run, err := c.StartRun(h.t.Context(), &runsv1.StartRunRequest{Process: process, Input: input(h.t, ada)})
	if err != nil {
		h.t.Fatal(err)
	}
	return run, c
}

// until waits for something to become true of a run, by asking; the journal says when to ask again.
func until(t *testing.T, c runsv1connect.RunsServiceClient, name string, what string, ok func(*runsv1.Run) bool) *runsv1.Run {
	t.Helper()
	var run *runsv1.Run
	eventually(t, func() (bool, string) {
		var err error
		if run, err = c.GetRun(t.Context(), &runsv1.GetRunRequest{Name: name}); err != nil {
			t.Fatal(err)
		}
		return ok(run), fmt.Sprintf("%s: run is %s, %s", what, run.GetState(), run)
	})
	return run
}

func inState(state runsv1.Run_State) func(*runsv1.Run) bool {
	return func(run *runsv1.Run) bool { return run.GetState() == state }
}

// eventually asks again and again until ok, for at most two minutes: machines that test may be busy.
func eventually(t *testing.T, ok func() (bool, string)) {
	t.Helper()
	deadline := time.Now().Add(2 * time.Minute)
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for {
		done, state := ok()
		if done {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("still not so after two minutes: %s", state)
		}
		<-ticker.C
	}
}

func (h *house) system(f func(tx pgx.Tx) error) {
	h.t.Helper()
	if err := h.db.System(h.t.Context(), f); err != nil {
		h.t.Fatal(err)
	}
}

// background runs a service's claims and reconciler until the test ends.
func (h *house) background(s *runs.Service) {
	h.t.Helper()
	ctx, stop := context.WithCancel(h.t.Context())
	var done sync.WaitGroup
	done.Go(func() { _ = s.Run(ctx) })
	h.t.Cleanup(func() { stop(); done.Wait() })
}

func contains(text, part string) bool { return strings.Contains(text, part) }

// forget deletes a run's execution, as Temporal does when its retention is over.
func (h *house) forget(name string) error {
	h.t.Helper()
	_, err := h.client.WorkflowService().DeleteWorkflowExecution(h.t.Context(), &workflowservice.DeleteWorkflowExecutionRequest{
		Namespace: "mshub", WorkflowExecution: &commonpb.WorkflowExecution{WorkflowId: strings.TrimPrefix(name, "runs/")},
	})
	if err != nil {
		return err
	}
	eventually(h.t, func() (bool, string) {
		_, err := h.client.DescribeWorkflowExecution(h.t.Context(), strings.TrimPrefix(name, "runs/"), "")
		_, gone := errors.AsType[*serviceerror.NotFound](err)
		return gone, fmt.Sprint(err)
	})
	return nil
}
