package main

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"time"

	"connectrpc.com/connect"
	goredis "github.com/redis/go-redis/v9"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/workflow"
	"golang.org/x/sync/errgroup"

	"github.com/microservicehub/mshub/internal/auth"
	"github.com/microservicehub/mshub/internal/config"
	"github.com/microservicehub/mshub/internal/lifecycle"
	"github.com/microservicehub/mshub/internal/postgres"
	"github.com/microservicehub/mshub/internal/redis"
	"github.com/microservicehub/mshub/internal/rpc"
	"github.com/microservicehub/mshub/internal/temporal"
	"github.com/microservicehub/mshub/observability"
)

// house is what one process runs: some or all roles, and what they share. The roles' builders (roles.go) fill mux, background
// and closers; start opens what they need first, stop goes the way back.
type house struct {
	set   *settings
	rooms *roomSettings
	keys  config.Keys
	roles []string
	data  string
	// up is true for `mshub up`: captured mail and reflection are for one machine only.
	up        bool
	telemetry *observability.Telemetry
	log       *slog.Logger
	health    *lifecycle.Health

	db       *postgres.DB
	redis    *goredis.Client
	temporal client.Client
	verifier *auth.Verifier
	handler  []connect.HandlerOption
	http     *observability.HTTP
	shared   *http.Client

	mux *http.ServeMux
	// background work runs from start to stop, each restarted by itself if it can be; its error ends the house.
	background []task
	// closers run in reverse order at stop.
	closers []func(ctx context.Context) error
	// draining is called when the process begins to stop, before listeners close.
	draining []func()
	running  *errgroup.Group
	cancel   context.CancelFunc
}

type task struct {
	name string
	run  func(ctx context.Context) error
}

func (h *house) has(role string) bool { return slices.Contains(h.roles, role) }

// inBackground adds background work.
func (h *house) inBackground(name string, run func(ctx context.Context) error) {
	h.background = append(h.background, task{name, run})
}

// closing adds a step of the way back.
func (h *house) closing(f func(ctx context.Context) error) { h.closers = append(h.closers, f) }

// start opens the connections, builds the roles, starts the background work. fail ends the house.
func (h *house) start(ctx context.Context, fail func(error)) error {
	h.mux, h.shared, h.http = http.NewServeMux(), rpc.HTTPClient(), h.telemetry.NewHTTP()
	if err := h.connect(ctx); err != nil {
		return err
	}
	tracing, err := h.telemetry.RPCTracing()
	if err != nil {
		return err
	}
	revocations := auth.NewRevocations(time.Now)
	h.verifier = auth.NewVerifier(h.set.PublicURL, h.signingKeys(), revocations, time.Now)
	h.handler = rpc.HandlerOptions(h.log, auth.NewInterceptor(h.verifier), tracing, observability.NewRPCInterceptor(h.telemetry.Registry))
	for _, r := range roleTable {
		if h.has(r.name) {
			if err := r.build(ctx, h); err != nil {
				return err
			}
		}
	}
	h.watchRevocations(revocations)
	h.routes()

	running, cancel := context.WithCancel(context.WithoutCancel(ctx))
	h.cancel = cancel
	h.running = &errgroup.Group{}
	for _, t := range h.background {
		h.running.Go(func() error {
			if err := t.run(running); err != nil && running.Err() == nil {
				h.log.Error("background work ended", "work", t.name, "error", err)
				fail(err)
			}
			return nil
		})
	}
	return nil
}

// enginePatience is how long a start waits for an engine that is starting too, or again.
const enginePatience = 30 * time.Second

// connect opens what the chosen roles share.
func (h *house) connect(ctx context.Context) error {
	if needsDatabase(h.roles) {
		db, err := postgres.Open(ctx, h.set.DatabaseURL.Reveal(), h.set.DatabaseConns)
		if err != nil {
			return err
		}
		h.db = db
		h.closing(func(context.Context) error { db.Close(); return nil })
		h.health.Add("database", func(ctx context.Context) error {
			if err := db.Ping(ctx); err != nil {
				return errors.New("PostgreSQL does not answer")
			}
			return postgres.CheckVersion(ctx, h.set.DatabaseURL.Reveal(), schemas()...)
		})
	}
	if h.set.RedisURL != "" {
		redis.LogTo(h.log)
		patience, cancel := context.WithTimeout(ctx, enginePatience)
		opened, err := redis.Open(patience, h.set.RedisURL.Reveal())
		cancel()
		if err != nil {
			return err
		}
		h.redis = opened
		h.closing(func(context.Context) error { return opened.Close() })
	}
	if h.has("runs") || h.has("worker") || h.has("worker-batch") {
		return h.dialTemporal(ctx)
	}
	return nil
}

// wakes is Redis as the interface that may be nil.
func (h *house) wakes() goredis.UniversalClient {
	if h.redis == nil {
		return nil
	}
	return h.redis
}

// watchRevocations keeps the list of tokens that were taken back: by the feed every two seconds, and at once when Redis says so.
func (h *house) watchRevocations(list *auth.Revocations) {
	transport, base := h.peer("authserver")
	if base == "" {
		base = h.set.PublicURL
	}
	token := auth.ServiceTokenSource(transport, base+"/oauth2/token", h.keys, "worker")
	feed := auth.RevocationFeed(transport, base+"/oauth2/revocations", token, time.Now)
	wake := make(chan struct{}, 1)
	if h.redis != nil {
		h.inBackground("revocation wake-ups", func(ctx context.Context) error { return h.wakeOnRevocation(ctx, wake) })
	}
	h.inBackground("revocations", func(ctx context.Context) error {
		list.Poll(ctx, h.log, feed, revocationInterval, wake)
		return nil
	})
}

// revocationInterval bounds how long a token lives on after it was taken back while Redis is away.
const revocationInterval = 2 * time.Second

// wakeOnRevocation turns messages, and each reconnection, into "look again".
func (h *house) wakeOnRevocation(ctx context.Context, wake chan<- struct{}) error {
	subscription := h.redis.Subscribe(ctx, revocationChannel)
	defer func() { _ = subscription.Close() }()
	messages := subscription.ChannelWithSubscriptions()
	for {
		select {
		case <-ctx.Done():
			return nil
		case _, ok := <-messages:
			if !ok {
				return nil
			}
			select {
			case wake <- struct{}{}:
			default:
			}
		}
	}
}

// revocationChannel is what the authorization server publishes to.
const revocationChannel = "mshub:revocations"

func (h *house) dialTemporal(ctx context.Context) error {
	tracing, err := h.telemetry.TemporalTracing()
	if err != nil {
		return err
	}
	dialled, err := temporal.Dial(ctx, h.set.TemporalAddress, client.Options{
		Namespace:          h.set.Namespace,
		ContextPropagators: []workflow.ContextPropagator{temporal.Propagator()},
		Interceptors:       []interceptor.ClientInterceptor{tracing},
		MetricsHandler:     observability.NewTemporalMetrics(h.telemetry.Registry),
	})
	if err != nil {
		return err
	}
	h.temporal = dialled
	h.closing(func(context.Context) error { dialled.Close(); return nil })
	h.health.Add("temporal", func(ctx context.Context) error {
		if _, err := dialled.CheckHealth(ctx, &client.CheckHealthRequest{}); err != nil {
			return errors.New("the workflow engine does not answer")
		}
		return nil
	})
	return nil
}

// peer is how this process reaches a role: in memory if it runs here, else by HTTP.
func (h *house) peer(role string) (*http.Client, string) {
	if h.has(role) {
		return rpc.InMemory(h.mux), "http://" + role + ".mshub"
	}
	return h.shared, h.set.Peers.of(role)
}

// signingKeys are read from the authorization server, wherever it runs.
func (h *house) signingKeys() auth.Keys {
	if h.has("authserver") {
		transport, base := h.peer("authserver")
		return auth.HTTPKeys(transport, base+"/oauth2/jwks")
	}
	address := h.set.PublicURL
	if peer := h.set.Peers.of("authserver"); peer != "" {
		address = peer
	}
	return auth.HTTPKeys(h.shared, cmp.Or(h.set.JWKSURL, address+"/oauth2/jwks"))
}

// service returns the client options of a service of the house: its token on every call, the trace handed on.
func (h *house) service(name string, more ...connect.Interceptor) ([]connect.ClientOption, error) {
	tracing, err := h.telemetry.RPCTracing()
	if err != nil {
		return nil, err
	}
	transport, base := h.peer("authserver")
	token := auth.ServiceTokenSource(transport, cmp.Or(base, h.set.PublicURL)+"/oauth2/token", h.keys, name)
	chain := append([]connect.Interceptor{tracing, auth.Bearer(token, time.Now)}, more...)
	return []connect.ClientOption{connect.WithInterceptors(chain...)}, nil
}

// stop ends background work, then closes in reverse order.
func (h *house) stop(ctx context.Context) error {
	if h.cancel != nil {
		h.cancel()
		done := make(chan struct{})
		go func() { _ = h.running.Wait(); close(done) }()
		select {
		case <-done:
		case <-ctx.Done():
			h.log.Warn("background work did not end in time")
		}
	}
	var faults []error
	for _, f := range slices.Backward(h.closers) {
		faults = append(faults, f(ctx))
	}
	return errors.Join(faults...)
}
