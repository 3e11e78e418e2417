package events_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/gorilla/websocket"
	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus"
	goredis "github.com/redis/go-redis/v9"

	"github.com/microservicehub/mshub/events"
	"github.com/microservicehub/mshub/events/v1"
	"github.com/microservicehub/mshub/internal/auth"
	"github.com/microservicehub/mshub/internal/postgres"
	"github.com/microservicehub/mshub/internal/redis"
	"github.com/microservicehub/mshub/internal/testenv"
)

// house is a node: hub, both transports over real HTTP, and a publisher.
type house struct {
	t         testing.TB
	db        *postgres.DB
	hub       *events.Hub
	publisher *events.Publisher
	issuer    *testenv.TestIssuer
	registry  *prometheus.Registry
	url       string
	journal   *journal
}

func newHouse(t testing.TB) *house {
	t.Helper()
	client, err := redis.Open(t.Context(), testenv.Redis(t))
	in(t, err)
	return houseOn(t, testenv.Postgres(t, events.Schema()), client)
}

// houseOn is a node on given engines; several share a journal and a Redis.
func houseOn(t testing.TB, db *postgres.DB, client *goredis.Client) *house {
	t.Helper()
	t.Cleanup(func() { _ = client.Close() })
	h := &house{t: t, db: db, issuer: testenv.Issuer(t), registry: prometheus.NewRegistry()}
	logger := slog.New(slog.DiscardHandler)
	h.publisher = events.NewPublisher(db, client, logger)
	h.hub = events.NewHub(events.HubConfig{
		DB: db, Redis: client, Verifier: h.issuer.Verifier(), Authorize: h.authorize,
		Origins: []string{"https://hub.example.org"}, Metrics: h.registry, Logger: logger, Now: time.Now,
	})
	in(t, h.hub.Start(t.Context()))
	mux := http.NewServeMux()
	mux.Handle("/live", h.hub.WebSocket())
	mux.Handle("/live/events", h.hub.SSE())
	server := httptest.NewServer(mux)
	h.url = server.URL
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := h.hub.Stop(ctx); err != nil {
			t.Error(err)
		}
		server.Close()
	})
	h.journal = newJournal(t, db)
	return h
}

// authorize is runs.GetRun as far as a hub can tell: a run of another organisation is not found.
func (h *house) authorize(ctx context.Context, token string, run uuid.UUID) error {
	caller, err := h.issuer.Verifier().Verify(ctx, token)
	if err != nil {
		return err
	}
	return h.db.Tx(ctx, caller.Organisation, func(tx pgx.Tx) error {
		_, err := events.Head(ctx, tx, run)
		return err
	})
}

// member is a person of the journal's organisation.
func (h *house) member() auth.Caller {
	return auth.Caller{Kind: auth.User, Organisation: h.journal.organisation, User: uuid.New(), Permissions: []string{"*"}}
}

func (h *house) token() string { return h.issuer.Token(h.member()) }

// publish appends n events of the house's run, ids from first on, and wakes.
func (h *house) publish(first, n int) {
	h.t.Helper()
	for i := range n {
		in(h.t, h.publisher.Publish(h.t.Context(), h.event(first+i)))
	}
}

func (h *house) event(id int) events.Entry {
	return events.Entry{
		Organisation: h.journal.organisation, Run: h.journal.run, ID: fmt.Sprint("event ", id),
		Event: &eventsv1.Event{Kind: events.StepStarted, Step: "load", Message: fmt.Sprint(id)},
	}
}

// frame is what a viewer gets.
type frame struct {
	Type     string         `json:"type"`
	Topic    string         `json:"topic"`
	Code     string         `json:"code"`
	Message  string         `json:"message"`
	Seq      int64          `json:"seq"`
	Event    map[string]any `json:"event"`
	Snapshot map[string]any `json:"snapshot"`
}

// viewer is a WebSocket.
type viewer struct {
	t    testing.TB
	conn *websocket.Conn
}

// dial opens a socket without saying anything.
func (h *house) dial() *viewer {
	h.t.Helper()
	conn, res, err := websocket.DefaultDialer.DialContext(h.t.Context(), "ws"+strings.TrimPrefix(h.url, "http")+"/live", nil)
	in(h.t, err)
	_ = res.Body.Close()
	h.t.Cleanup(func() { _ = conn.Close() })
	return &viewer{h.t, conn}
}

// view opens a socket and shows a token.
func (h *house) view(caller auth.Caller) *viewer {
	h.t.Helper()
	v := h.dial()
	v.send(map[string]any{"type": "auth", "token": h.issuer.Token(caller)})
	return v
}

func (v *viewer) send(f any) {
	v.t.Helper()
	in(v.t, v.conn.WriteJSON(f))
}

func (v *viewer) subscribe(topic string, after int64) {
	v.t.Helper()
	v.send(map[string]any{"type": "subscribe", "topic": topic, "after": after})
}

func (v *viewer) next() (frame, error) {
	_ = v.conn.SetReadDeadline(time.Now().Add(30 * time.Second))
	_, raw, err := v.conn.ReadMessage()
	if err != nil {
		return frame{}, err
	}
	var f frame
	return f, json.Unmarshal(raw, &f)
}

// expect reads one frame of a type. Hints come whenever they may be needed, so others don't mind them.
func (v *viewer) expect(kind string) frame {
	v.t.Helper()
	f, err := v.next()
	for err == nil && f.Type == "hint" && kind != "hint" {
		f, err = v.next()
	}
	if err != nil || f.Type != kind {
		v.t.Fatalf("got %+v, %v; want a frame %q", f, err, kind)
	}
	return f
}

// expectSilence wants nothing to come for a while, longer than a hint may be held back.
func (v *viewer) expectSilence(d time.Duration) {
	v.t.Helper()
	_ = v.conn.SetReadDeadline(time.Now().Add(d))
	if _, raw, err := v.conn.ReadMessage(); err == nil {
		v.t.Fatalf("got %s", raw)
	}
}

// expectEvents reads events with exactly these seqs.
func (v *viewer) expectEvents(topic string, from, to int64) {
	v.t.Helper()
	for seq := from; seq <= to; seq++ {
		if f := v.expect("event"); f.Seq != seq || f.Topic != topic {
			v.t.Fatalf("got seq %d of %s, want %d", f.Seq, f.Topic, seq)
		}
	}
}

// expectClose reads on until the connection is closed, and wants a code.
func (v *viewer) expectClose(code int) {
	v.t.Helper()
	for {
		_, err := v.next()
		if err == nil {
			continue
		}
		var closed *websocket.CloseError
		if !errors.As(err, &closed) || closed.Code != code {
			v.t.Fatalf("closed with %v, want code %d", err, code)
		}
		return
	}
}
