package main

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"connectrpc.com/connect"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
	"golang.org/x/sync/errgroup"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/microservicehub/mshub/activities"
	identityact "github.com/microservicehub/mshub/activities/identity"
	runsact "github.com/microservicehub/mshub/activities/runs"
	"github.com/microservicehub/mshub/events"
	"github.com/microservicehub/mshub/internal/auth"
	"github.com/microservicehub/mshub/internal/postgres"
	"github.com/microservicehub/mshub/internal/redis"
	"github.com/microservicehub/mshub/internal/rpc"
	"github.com/microservicehub/mshub/internal/temporal"
	"github.com/microservicehub/mshub/observability"
	auditstore "github.com/microservicehub/mshub/services/audit/store"
	identityv1 "github.com/microservicehub/mshub/services/identity/v1"
	"github.com/microservicehub/mshub/services/identity/v1/identityv1connect"
	"github.com/microservicehub/mshub/services/runs"
	runsv1 "github.com/microservicehub/mshub/services/runs/v1"
	"github.com/microservicehub/mshub/services/runs/v1/runsv1connect"
	onboardingv1 "github.com/microservicehub/mshub/workflows/onboarding/v1"
	"github.com/microservicehub/mshub/workflows/process"
)

const (
	oneStepName = "onestep"
	plainQueue  = "plain"
	// Pools as large as a house's.
	serviceConns, workerConns = 16, 6
)

// oneStepProcess borrows a door, because start forms are drawn from generated schemas.
var oneStepProcess = process.Definition{
	Name: oneStepName, Title: "One step", Input: &onboardingv1.Input{}, Result: &onboardingv1.Result{},
	Steps: []process.Step{{Name: "look", Title: "Look somebody up", Kind: process.Activity}},
	Workflow: func(ctx workflow.Context, in *onboardingv1.Input) (*onboardingv1.Result, error) {
		var identity *identityact.Activities
		user, err := process.Do(ctx, "look", identity.GetUser, &identityv1.GetUserRequest{Name: in.GetEmail()})
		return &onboardingv1.Result{User: user.GetName()}, err
	},
}

// plainWorkflow and plainActivity are the same without the house.
func plainWorkflow(ctx workflow.Context, in *onboardingv1.Input) (*onboardingv1.Result, error) {
	ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{StartToCloseTimeout: time.Minute})
	user := &identityv1.User{}
	err := workflow.ExecuteActivity(ctx, plainActivity, &identityv1.GetUserRequest{Name: in.GetEmail()}).Get(ctx, user)
	return &onboardingv1.Result{User: user.GetName()}, err
}

func plainActivity(_ context.Context, in *identityv1.GetUserRequest) (*identityv1.User, error) {
	return &identityv1.User{Name: in.GetName()}, nil
}

var input = &onboardingv1.Input{Email: "ada@example.org", DisplayName: "Ada", Role: "member"}

// identityStub answers at once: what is measured is the way to a service and back, not its work.
type identityStub struct {
	identityv1connect.UnimplementedIdentityServiceHandler
}

func (identityStub) GetUser(_ context.Context, in *identityv1.GetUserRequest) (*identityv1.User, error) {
	return &identityv1.User{Name: in.GetName()}, nil
}

// oneStep is the runs role and a worker in this process, built as cmd/mshub builds them, on engines started as `mshub up`
// starts them; and the peer's worker beside them.
type oneStep struct {
	temporal client.Client
	peer     client.Client
	runs     runsv1connect.RunsServiceClient
	input    *structpb.Struct
	closers  []func()
}

// run is one run of the process, seen to its end.
func (o *oneStep) run(ctx context.Context) error {
	run, err := o.runs.StartRun(ctx, &runsv1.StartRunRequest{Process: oneStepName, Input: o.input})
	if err != nil {
		return err
	}
	return o.temporal.GetWorkflow(ctx, strings.TrimPrefix(run.GetName(), "runs/"), "").Get(ctx, nil)
}

func newOneStep(ctx context.Context) (*oneStep, error) {
	o := &oneStep{}
	if err := o.start(ctx); err != nil {
		o.close()
		return nil, err
	}
	return o, nil
}

func (o *oneStep) closing(f func()) { o.closers = append(o.closers, f) }

func (o *oneStep) close() {
	for _, f := range slices.Backward(o.closers) {
		f()
	}
}

func (o *oneStep) start(ctx context.Context) error {
	r, err := newRig(ctx, true)
	if err != nil {
		return err
	}
	o.closing(r.close)
	if err := postgres.Migrate(ctx, r.database.URL(), "", events.Schema(), auditstore.Schema(), runs.Schema()); err != nil {
		return err
	}
	quiet := slog.New(slog.DiscardHandler)
	server, err := temporal.StartDevServer(ctx, temporal.DevServerConfig{
		Binary: os.Getenv("MSHUB_TEMPORAL_BIN"), Dir: filepath.Join(r.dir, "temporal"), Log: quiet,
		OpenRuns: func(context.Context) ([]string, error) { return nil, nil },
	})
	if err != nil {
		return err
	}
	o.closing(func() { _ = server.Stop(context.WithoutCancel(ctx)) })
	telemetry, err := observability.Setup(ctx, observability.Config{Service: "bench", Output: io.Discard})
	if err != nil {
		return err
	}
	if err := o.startPeer(ctx, server.Address()); err != nil {
		return err
	}
	return o.startHouse(ctx, r.database.URL(), server.Address(), telemetry)
}

func (o *oneStep) startPeer(ctx context.Context, address string) error {
	var err error
	if o.peer, err = temporal.Dial(ctx, address, client.Options{}); err != nil {
		return err
	}
	o.closing(o.peer.Close)
	w := worker.New(o.peer, plainQueue, worker.Options{})
	w.RegisterWorkflow(plainWorkflow)
	w.RegisterActivity(plainActivity)
	if err := w.Start(); err != nil {
		return err
	}
	o.closing(w.Stop)
	return nil
}

func (o *oneStep) startHouse(ctx context.Context, database, address string, telemetry *observability.Telemetry) error {
	tracing, err := telemetry.TemporalTracing()
	if err != nil {
		return err
	}
	o.temporal, err = temporal.Dial(ctx, address, client.Options{
		ContextPropagators: []workflow.ContextPropagator{temporal.Propagator()},
		Interceptors:       []interceptor.ClientInterceptor{tracing},
		MetricsHandler:     observability.NewTemporalMetrics(telemetry.Registry),
	})
	if err != nil {
		return err
	}
	o.closing(o.temporal.Close)
	publisher, err := o.publisher(ctx, database, serviceConns, telemetry.Logger)
	if err != nil {
		return err
	}
	definitions := []process.Definition{oneStepProcess}
	service, err := runs.New(runs.Parts{
		DB: publisher.db, Events: publisher.Publisher, Temporal: o.temporal, Processes: definitions,
		Schemas: os.DirFS("workflows/schema"), Eager: true, Config: runs.Config{Retention: time.Hour}, Logger: telemetry.Logger, Now: time.Now,
	})
	if err != nil {
		return err
	}
	o.inBackground(ctx, service.Run)
	issuer, err := newIssuer()
	if err != nil {
		return err
	}
	calls, err := telemetry.RPCTracing()
	if err != nil {
		return err
	}
	chain := rpc.HandlerOptions(telemetry.Logger, auth.NewInterceptor(issuer.verifier), calls, observability.NewRPCInterceptor(telemetry.Registry))
	mux := http.NewServeMux()
	mux.Handle(runsv1connect.NewRunsServiceHandler(service, chain...))
	mux.Handle(identityv1connect.NewIdentityServiceHandler(identityStub{}, chain...))
	transport, base := rpc.InMemory(mux), "http://house.mshub"

	starter := connect.WithInterceptors(calls, auth.Bearer(issuer.starter, time.Now))
	o.runs = runsv1connect.NewRunsServiceClient(transport, base, starter)
	raw, err := protojson.Marshal(input)
	if err != nil {
		return err
	}
	o.input = &structpb.Struct{}
	if err := protojson.Unmarshal(raw, o.input); err != nil {
		return err
	}

	journal, err := o.publisher(ctx, database, workerConns, telemetry.Logger)
	if err != nil {
		return err
	}
	w := worker.New(o.temporal, process.QueueDefault, worker.Options{Interceptors: []interceptor.WorkerInterceptor{
		activities.NewInterceptor(), events.NewInterceptor(journal.Publisher), process.NewInterceptor(definitions),
	}})
	process.Register(w, process.QueueDefault, definitions)
	asRun := connect.WithInterceptors(append([]connect.Interceptor{calls, auth.Bearer(issuer.worker, time.Now)}, activities.ClientInterceptors()...)...)
	w.RegisterActivity(identityact.New(identityv1connect.NewIdentityServiceClient(transport, base, asRun)))
	w.RegisterActivity(runsact.New(runsv1connect.NewRunsServiceClient(transport, base, asRun)))
	if err := w.Start(); err != nil {
		return err
	}
	o.closing(w.Stop)
	return nil
}

type publisher struct {
	*events.Publisher
	db *postgres.DB
}

// publisher opens a pool and a Redis of its own in this process.
func (o *oneStep) publisher(ctx context.Context, database string, conns int32, log *slog.Logger) (*publisher, error) {
	db, err := postgres.Open(ctx, database, conns)
	if err != nil {
		return nil, err
	}
	o.closing(db.Close)
	embedded, err := redis.StartEmbedded()
	if err != nil {
		return nil, err
	}
	o.closing(embedded.Close)
	opened, err := redis.Open(ctx, embedded.URL())
	if err != nil {
		return nil, err
	}
	o.closing(func() { _ = opened.Close() })
	return &publisher{events.NewPublisher(db, opened, log), db}, nil
}

func (o *oneStep) inBackground(ctx context.Context, run func(context.Context) error) {
	ctx, cancel := context.WithCancel(ctx)
	var group errgroup.Group
	group.Go(func() error { return run(ctx) })
	o.closing(func() { cancel(); _ = group.Wait() })
}
