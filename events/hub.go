package events

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"

	"github.com/microservicehub/mshub/events/store"
	"github.com/microservicehub/mshub/internal/auth"
	"github.com/microservicehub/mshub/internal/postgres"
)

const (
	// checkInterval bounds what a lost wake-up costs.
	checkInterval = 2 * time.Second
	// checkTimeout bounds one check, so that a hanging database doesn't stop the next.
	checkTimeout = 10 * time.Second
	// drainTime is over what the closes of a node that goes are spread, so that its viewers don't all come back at once.
	drainTime = 3 * time.Second
)

// Authorize says whether the bearer of a token may see a run; the error is shown. It asks runs.GetRun.
type Authorize func(ctx context.Context, token string, run uuid.UUID) error

// HubConfig is what a Hub works with.
type HubConfig struct {
	DB        *postgres.DB
	Redis     redis.UniversalClient
	Verifier  *auth.Verifier
	Authorize Authorize
	// Origins whose pages may connect, as in "https://hub.example.org"; the first is MSHUB_PUBLIC_URL.
	Origins []string
	Metrics prometheus.Registerer
	Logger  *slog.Logger
	Now     func() time.Time
}

// Hub connects this node's viewers with the journal. Start it before it serves; Stop closes the viewers' connections,
// spread over a few seconds, and ends everything it runs.
type Hub struct {
	db        *postgres.DB
	verifier  *auth.Verifier
	authorize Authorize
	origins   origins
	metrics   *metrics
	logger    *slog.Logger
	now       func() time.Time

	wakeups *wakeups
	revoked chan struct{} // holds one value if tokens were taken back

	ctx    context.Context //nolint:containedctx // of everything the hub runs, from Start to Stop
	cancel context.CancelFunc
	group  sync.WaitGroup

	mu       sync.Mutex
	draining bool
	clients  map[*client]struct{}
	runs     map[uuid.UUID]*runTopic
	hints    map[string]*hintTopic // by channel
	empty    chan struct{}         // closed when the last client has left a draining hub
}

// NewHub wires a hub; nothing runs yet.
func NewHub(c HubConfig) *Hub {
	ctx, cancel := context.WithCancel(context.Background())
	h := &Hub{
		db: c.DB, verifier: c.Verifier, authorize: c.Authorize, origins: newOrigins(c.Origins), metrics: newMetrics(c.Metrics),
		logger: c.Logger, now: c.Now, revoked: make(chan struct{}, 1), ctx: ctx, cancel: cancel,
		clients: map[*client]struct{}{}, runs: map[uuid.UUID]*runTopic{}, hints: map[string]*hintTopic{}, empty: make(chan struct{}),
	}
	h.wakeups = newWakeups(c.Redis, h.awake)
	return h
}

// Start begins to listen. It needs neither Redis nor PostgreSQL to be there yet.
func (h *Hub) Start(context.Context) error {
	h.verifier.Revocations().Watch(func() {
		select {
		case h.revoked <- struct{}{}:
		default:
		}
	})
	h.group.Go(func() { h.wakeups.run(h.ctx) })
	h.group.Go(h.watch)
	return nil
}

// Drain refuses new connections and begins to close the others. It returns at once: fit for http.Server.RegisterOnShutdown.
func (h *Hub) Drain() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.draining {
		return
	}
	h.draining = true
	if len(h.clients) == 0 {
		close(h.empty)
		return
	}
	leaving := make([]*client, 0, len(h.clients))
	for c := range h.clients {
		leaving = append(leaving, c)
	}
	h.group.Go(func() {
		pause := min(drainTime/time.Duration(len(leaving)), 10*time.Millisecond)
		for _, c := range leaving {
			c.queue.close(closing{closeShutdown, "this node is going: reconnect"}, nil)
			select {
			case <-time.After(pause):
			case <-h.ctx.Done():
				pause = 0
			}
		}
	})
}

// Stop drains, waits for the viewers as long as ctx allows, and ends what the hub runs.
func (h *Hub) Stop(ctx context.Context) error {
	h.Drain()
	select {
	case <-h.empty:
	case <-ctx.Done():
	}
	h.mu.Lock()
	for c := range h.clients {
		c.queue.close(closing{closeShutdown, "this node is going: reconnect"}, nil)
	}
	for _, topic := range h.hints {
		topic.stop()
	}
	h.mu.Unlock()
	h.cancel()
	<-h.empty // soon: whoever doesn't read is cut off
	h.group.Wait()
	return nil
}

// join counts a connection in; false if the hub is going.
func (h *Hub) join(c *client) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.draining {
		return false
	}
	h.clients[c] = struct{}{}
	h.metrics.connections.WithLabelValues(c.transport).Inc()
	return true
}

// left counts a connection out.
func (h *Hub) left(c *client, why closeCode) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.clients, c)
	h.metrics.connections.WithLabelValues(c.transport).Dec()
	h.metrics.closed.WithLabelValues(why.label()).Inc()
	if h.draining && len(h.clients) == 0 {
		close(h.empty)
	}
}

// watch finds what no wake-up told: new places of journals, tokens taken back.
func (h *Hub) watch() {
	ticker := time.NewTicker(checkInterval)
	defer ticker.Stop()
	for {
		select {
		case <-h.ctx.Done():
			return
		case <-h.revoked:
			h.mu.Lock()
			for c := range h.clients {
				c.recheck(h.verifier.Revocations())
			}
			h.mu.Unlock()
		case <-ticker.C:
			h.check()
		}
	}
}

// check asks once where all followed journals end.
func (h *Hub) check() {
	h.mu.Lock()
	runs := make([]uuid.UUID, 0, len(h.runs))
	for run := range h.runs {
		runs = append(runs, run)
	}
	h.mu.Unlock()
	if len(runs) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(h.ctx, checkTimeout)
	defer cancel()
	var tops []store.RunTopsRow
	err := h.db.System(ctx, func(tx pgx.Tx) (err error) {
		tops, err = queries.RunTops(ctx, tx, runs)
		return err
	})
	if err != nil {
		if h.ctx.Err() == nil {
			h.logger.WarnContext(ctx, "the journal can't be checked; viewers wait", "error", err)
		}
		return
	}
	for _, top := range tops {
		if topic := h.topicOf(top.Run); topic != nil {
			topic.grown(top.Seq)
		}
	}
}

func (h *Hub) topicOf(run uuid.UUID) *runTopic {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.runs[run]
}

// awake handles what Redis says about a channel; seq is 0 if it was said only that something may have been missed.
func (h *Hub) awake(channel string, seq int64) {
	h.mu.Lock()
	hint := h.hints[channel]
	var topic *runTopic
	if run, ok := runOfChannel(channel); ok {
		topic = h.runs[run]
	}
	h.mu.Unlock()
	switch {
	case hint != nil:
		hint.fire()
	case topic != nil && seq > 0:
		topic.grown(seq)
	case topic != nil:
		topic.missed()
	}
}

// followRun subscribes a client to a run that it may see, and returns what ends it. The organisation is the viewer's: the
// journal is read behind the wall between tenants, whatever was permitted.
func (h *Hub) followRun(c *client, organisation, run uuid.UUID, after int64) (stop func()) {
	h.mu.Lock()
	topic, ok := h.runs[run]
	if !ok {
		topic = newRunTopic(h, organisation, run)
		h.runs[run] = topic
		h.metrics.topics.Inc()
		h.wakeups.want(runChannel(run))
	}
	topic.followers++
	h.mu.Unlock()

	end := topic.follow(c, after)
	return func() {
		end()
		h.mu.Lock()
		defer h.mu.Unlock()
		if topic.followers--; topic.followers == 0 {
			delete(h.runs, run)
			h.metrics.topics.Dec()
			h.wakeups.drop(runChannel(run))
		}
	}
}

// followHint subscribes a client to a hint of its organisation, and returns what ends it.
func (h *Hub) followHint(c *client, organisation uuid.UUID, name string) (stop func()) {
	channel := hintChannel(organisation, name)
	h.mu.Lock()
	defer h.mu.Unlock()
	topic, ok := h.hints[channel]
	if !ok {
		topic = newHintTopic(h, name)
		h.hints[channel] = topic
		h.metrics.topics.Inc()
		h.wakeups.want(channel)
	}
	topic.add(c)
	c.queue.offer(watchingMessage(name))
	return func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		if topic.remove(c) == 0 {
			delete(h.hints, channel)
			h.metrics.topics.Dec()
			h.wakeups.drop(channel)
		}
	}
}
