package main

import (
	"context"
	"embed"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"time"

	"connectrpc.com/connect"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/workflow"
	"golang.org/x/sync/errgroup"

	identityact "github.com/microservicehub/mshub/activities/identity"
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
	"github.com/microservicehub/mshub/services/runs/v1/runsv1connect"
	"github.com/microservicehub/mshub/workflows/process"
)

// Pools as large as the product's.
const (
	serviceConns = 16
	workerConns  = 6
)

// Processes for measurements. They borrow a door of the house, whose service is a stand-in.
var (
	identity *identityact.Activities

	oneStep = process.Definition{
		Name: "one-step", Title: "One step", Input: &identityv1.GetUserRequest{}, Result: &identityv1.User{},
		Steps: []process.Step{{Name: "look", Title: "Look somebody up", Kind: process.Activity}},
		Workflow: func(ctx workflow.Context, in *identityv1.GetUserRequest) (*identityv1.User, error) {
			return process.Do(ctx, "look", identity.GetUser, in)
		},
	}
	// manySteps looks up "NAME/1" to "NAME/COUNT" for the input "NAME/COUNT", as many at once as all workers have places.
	manySteps = process.Definition{
		Name: "many-steps", Title: "Many steps", Input: &identityv1.GetUserRequest{}, Result: &identityv1.User{},
		Steps: []process.Step{{Name: "look", Title: "Look them up", Kind: process.Many}},
		Workflow: func(ctx workflow.Context, in *identityv1.GetUserRequest) (*identityv1.User, error) {
			name, count := batchOf(in.GetName())
			item := func(item int32) *identityv1.GetUserRequest {
				return &identityv1.GetUserRequest{Name: fmt.Sprintf("%s/%d", name, item)}
			}
			return &identityv1.User{}, process.Each(ctx, "look", count, workers*slots, identity.GetUser, item)
		},
	}
	definitions = []process.Definition{oneStep, manySteps}
)

//go:embed forms migrations
var embedded embed.FS

func inside(folder string) fs.FS {
	f, err := fs.Sub(embedded, folder)
	if err != nil {
		panic(err) // the folder is embedded
	}
	return f
}

// house is the runs role in this process, built as cmd/mshub builds it, on engines started as `mshub up` starts them,
// beside a service that the measurement brings along.
type house struct {
	rig       *rig
	server    *temporal.DevServer
	temporal  client.Client
	telemetry *observability.Telemetry
	calls     connect.Interceptor
	issuer    *issuer
	db        *postgres.DB
	mux       *http.ServeMux
	runs      runsv1connect.RunsServiceClient
	closers   []func()
}

// newHouse starts it without a worker. Eager is for a house whose worker shares this process.
func newHouse(ctx context.Context, eager bool, service func(*postgres.DB) identityv1connect.IdentityServiceHandler) (*house, error) {
	h := &house{}
	err := h.startEngines(ctx)
	if err == nil {
		err = h.startService(ctx, eager, service)
	}
	if err != nil {
		h.close()
		return nil, err
	}
	return h, nil
}

func (h *house) closing(f func()) { h.closers = append(h.closers, f) }

func (h *house) close() {
	for _, f := range slices.Backward(h.closers) {
		f()
	}
}

func (h *house) startEngines(ctx context.Context) error {
	var err error
	if h.rig, err = newRig(ctx, true); err != nil {
		return err
	}
	h.closing(h.rig.close)
	own := postgres.Schema{Name: "bench", Migrations: inside("migrations")}
	if err := postgres.Migrate(ctx, h.rig.database.URL(), "", events.Schema(), auditstore.Schema(), runs.Schema(), own); err != nil {
		return err
	}
	h.server, err = temporal.StartDevServer(ctx, temporal.DevServerConfig{
		Binary: os.Getenv("MSHUB_TEMPORAL_BIN"), Dir: filepath.Join(h.rig.dir, "temporal"), Log: slog.New(slog.DiscardHandler),
		OpenRuns: func(context.Context) ([]string, error) { return nil, nil },
	})
	if err != nil {
		return err
	}
	h.closing(func() { _ = h.server.Stop(context.WithoutCancel(ctx)) })
	if h.telemetry, h.temporal, err = dial(ctx, h.server.Address()); err != nil {
		return err
	}
	h.closing(h.temporal.Close)
	h.calls, err = h.telemetry.RPCTracing()
	return err
}

// dial connects to Temporal as the product does.
func dial(ctx context.Context, address string) (*observability.Telemetry, client.Client, error) {
	telemetry, err := observability.Setup(ctx, observability.Config{Service: "bench", Output: io.Discard})
	if err != nil {
		return nil, nil, err
	}
	tracing, err := telemetry.TemporalTracing()
	if err != nil {
		return nil, nil, err
	}
	c, err := temporal.Dial(ctx, address, client.Options{
		ContextPropagators: []workflow.ContextPropagator{temporal.Propagator()},
		Interceptors:       []interceptor.ClientInterceptor{tracing},
		MetricsHandler:     observability.NewTemporalMetrics(telemetry.Registry),
	})
	return telemetry, c, err
}

func (h *house) startService(ctx context.Context, eager bool, service func(*postgres.DB) identityv1connect.IdentityServiceHandler) error {
	publisher, db, stop, err := openJournal(ctx, h.rig.database.URL(), serviceConns, h.telemetry.Logger)
	if err != nil {
		return err
	}
	h.closing(stop)
	h.db = db
	if h.issuer, err = newIssuer(); err != nil {
		return err
	}
	room, err := runs.New(runs.Parts{
		DB: db, Events: publisher, Temporal: h.temporal, Processes: definitions, Schemas: inside("forms"), Eager: eager,
		Config: runs.Config{Retention: time.Hour}, Logger: h.telemetry.Logger, Now: time.Now,
	})
	if err != nil {
		return err
	}
	background, cancel := context.WithCancel(ctx)
	var group errgroup.Group
	group.Go(func() error { return room.Run(background) })
	h.closing(func() { cancel(); _ = group.Wait() })

	chain := rpc.HandlerOptions(h.telemetry.Logger, auth.NewInterceptor(h.issuer.verifier), h.calls, observability.NewRPCInterceptor(h.telemetry.Registry))
	h.mux = http.NewServeMux()
	h.mux.Handle(runsv1connect.NewRunsServiceHandler(room, chain...))
	h.mux.Handle(identityv1connect.NewIdentityServiceHandler(service(db), chain...))
	starter := connect.WithInterceptors(h.calls, auth.Bearer(h.issuer.starter, time.Now))
	h.runs = runsv1connect.NewRunsServiceClient(rpc.InMemory(h.mux), issuerURL, starter)
	return nil
}

// listen serves the house's doors to workers in other processes.
func (h *house) listen(ctx context.Context) (base string, err error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	server := &http.Server{Handler: h.mux, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = server.Serve(listener) }()
	h.closing(func() { _ = server.Close() })
	return "http://" + listener.Addr().String(), nil
}

// openJournal opens a pool, and a Redis in this process to which nobody listens.
func openJournal(ctx context.Context, database string, conns int32, log *slog.Logger) (*events.Publisher, *postgres.DB, func(), error) {
	db, err := postgres.Open(ctx, database, conns)
	if err != nil {
		return nil, nil, nil, err
	}
	embedded, err := redis.StartEmbedded()
	if err != nil {
		db.Close()
		return nil, nil, nil, err
	}
	opened, err := redis.Open(ctx, embedded.URL())
	if err != nil {
		embedded.Close()
		db.Close()
		return nil, nil, nil, err
	}
	stop := func() { _ = opened.Close(); embedded.Close(); db.Close() }
	return events.NewPublisher(db, opened, log), db, stop, nil
}
