package events_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
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

func TestGapThenTail(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.publish(0, 450) // more than two pages
	topic := events.RunTopic(h.journal.run)
	v := h.view(h.member())
	v.subscribe(topic, 0)
	if f := v.expect("subscribed"); f.Seq != 451 || f.Topic != topic {
		t.Errorf("subscribed at %+v", f)
	}
	v.expectEvents(topic, 1, 451)
	h.publish(1000, 3)
	v.expectEvents(topic, 452, 454)

	// Following again starts again from the new position.
	v.subscribe(topic, 450)
	v.expect("subscribed")
	v.expectEvents(topic, 451, 454)

	// After unsubscribe nothing comes; the hint that follows proves that nothing was before it.
	v.send(map[string]any{"type": "unsubscribe", "topic": topic})
	v.subscribe(events.DatasetTopic("flights"), 0)
	v.expect("subscribed")
	v.expect("hint") // from now on this node listens: look again
	h.publish(2000, 1)
	h.publisher.Hint(auth.With(t.Context(), h.member()), events.DatasetTopic("flights"))
	if f := v.expect("hint"); f.Topic != "dataset:flights" {
		t.Errorf("%+v", f)
	}
}

func TestEventsCarryWhatTheJournalHolds(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	v := h.view(h.member())
	v.subscribe(events.RunTopic(h.journal.run), 1)
	v.expect("subscribed")
	h.journal.step(events.StepSucceeded, "load", 2, 1, &eventsv1.Progress{Done: 5, Total: 9, Unit: "rows"})
	h.publisher.Wake(t.Context(), h.journal.run, 2)
	got := v.expect("event").Event
	progress, _ := got["progress"].(map[string]any)
	if got["run"] != events.RunName(h.journal.run) || got["seq"] != "2" || got["kind"] != "step.succeeded" || got["item"] != 2.0 ||
		got["state"] != "RUNNING" || progress["done"] != "5" || progress["total"] != "9" {
		t.Errorf("%v", got)
	}
}

func TestBeyondTheEndGivesASnapshot(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.publish(0, 4)
	topic := events.RunTopic(h.journal.run)
	v := h.view(h.member())
	v.subscribe(topic, 1_000_000)
	v.expect("subscribed")
	f := v.expect("reset")
	if f.Seq != 5 || f.Snapshot["seq"] != "5" || f.Snapshot["state"] != "RUNNING" || f.Snapshot["step"] != "load" {
		t.Errorf("%+v", f)
	}
	h.publish(10, 1)
	v.expectEvents(topic, 6, 6)
}

func TestOthersSeeNothing(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	stranger := auth.Caller{Kind: auth.User, Organisation: uuid.New(), User: uuid.New(), Permissions: []string{"*"}}
	member := h.member()
	v := h.view(stranger)
	for _, topic := range []string{
		events.RunTopic(h.journal.run), events.RunTopic(uuid.New()), // no way to tell one from the other
		events.RunsTopic(h.journal.organisation), events.InboxTopic(member.User),
		"org:x:runs", "org:" + stranger.Organisation.String() + ":secrets", "run:1", "weather",
	} {
		v.subscribe(topic, 0)
		if f := v.expect("error"); f.Topic != topic || f.Code != "not_found" {
			t.Errorf("%s: %+v", topic, f)
		}
	}

	// The same dataset's name in two organisations: a hint reaches its own.
	v.subscribe(events.DatasetTopic("flights"), 0)
	v.expect("subscribed")
	v.expect("hint") // from now on this node listens
	h.publisher.Hint(auth.With(t.Context(), member), events.DatasetTopic("flights"))
	v.expectSilence(1300 * time.Millisecond)

	nobody := h.view(auth.Caller{Kind: auth.User, Organisation: h.journal.organisation, User: uuid.New()})
	nobody.subscribe(events.RunsTopic(h.journal.organisation), 0)
	if f := nobody.expect("error"); f.Code != "permission_denied" {
		t.Errorf("without permission: %+v", f)
	}
}

func TestHintsComeAtMostOnceASecond(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	member := h.member()
	v := h.view(member)
	topic := events.RunsTopic(h.journal.organisation)
	v.subscribe(topic, 0)
	v.expect("subscribed")
	started := time.Now()
	for range 50 {
		h.publisher.Hint(t.Context(), topic)
	}
	v.expect("hint")
	v.expect("hint") // the rest, once
	if waited := time.Since(started); waited < 900*time.Millisecond {
		t.Errorf("two hints within %s", waited)
	}
	// Any event about the run itself hints as well.
	in(t, h.publisher.Publish(t.Context(), events.Entry{
		Organisation: h.journal.organisation, Run: h.journal.run, ID: "done", Event: &eventsv1.Event{Kind: events.RunCompleted},
	}))
	v.expect("hint")
}

func TestTokens(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	member := h.member()
	expired := member
	expired.Expiry = time.Now().Add(-time.Minute)
	for name, c := range map[string]struct {
		first any
		code  int
	}{
		"no token":         {map[string]any{"type": "subscribe", "topic": "run:1"}, 3500},
		"an empty token":   {map[string]any{"type": "auth"}, 3500},
		"a forged token":   {map[string]any{"type": "auth", "token": "a.b.c"}, 3500},
		"an expired token": {map[string]any{"type": "auth", "token": h.issuer.Token(expired)}, 3500},
		"a foreign token":  {map[string]any{"type": "auth", "token": testenv.Issuer(t).Token(member)}, 3500},
	} {
		v := h.dial()
		v.send(c.first)
		if f := v.expect("error"); f.Code != "unauthenticated" {
			t.Errorf("%s: %+v", name, f)
		}
		v.expectClose(c.code)
	}

	t.Run("silence", func(t *testing.T) {
		t.Parallel()
		v := h.dial()
		started := time.Now()
		v.expectClose(3500)
		if waited := time.Since(started); waited < 4*time.Second || waited > 30*time.Second {
			t.Errorf("closed after %s", waited)
		}
	})
	t.Run("expiry bites, renewal helps", func(t *testing.T) {
		t.Parallel()
		short := member
		short.Expiry = time.Now().Add(4 * time.Second)
		left, renewed := h.view(short), h.view(short)
		renewed.send(map[string]any{"type": "auth", "token": h.issuer.Token(member)})
		renewed.subscribe(events.RunTopic(h.journal.run), 1)
		renewed.expect("subscribed")
		left.expectClose(3005)
		h.publish(0, 1)
		renewed.expect("event")
	})
	t.Run("renewal by somebody else", func(t *testing.T) {
		t.Parallel()
		v := h.view(member)
		v.send(map[string]any{"type": "auth", "token": h.token()})
		v.expect("error")
		v.expectClose(3500)
	})
	t.Run("revocation", func(t *testing.T) {
		t.Parallel()
		gone, stays := member, h.member()
		gone.SessionID, stays.SessionID = "gone", "stays"
		one, other := h.view(gone), h.view(stays)
		for _, v := range []*viewer{one, other} {
			v.subscribe(events.DatasetTopic("flights"), 0)
			v.expect("subscribed")
		}
		h.issuer.Verifier().Revocations().Add(auth.Revocation{Kind: "sid", ID: "gone", Time: time.Now()})
		one.expectClose(3005)
		other.subscribe(events.DatasetTopic("weather"), 0)
		other.expect("subscribed")
	})
}

func TestGarbageFrames(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	long := strings.Repeat("x", 300)
	for _, text := range []string{
		``, `{`, `[]`, `"auth"`, `null`, `{"type":"dance"}`, `{"type":"subscribe"}`, `{"type":"subscribe","topic":7}`,
		`{"type":"subscribe","topic":"run:1","after":-1}`, `{"type":"subscribe","topic":"run:1","after":1.5}`,
		`{"type":"subscribe","topic":"run:1","after":"99999999999999999999"}`, `{"type":"subscribe","topic":"` + long + `"}`,
		"\xff\xfe",
	} {
		v := h.view(h.member())
		in(t, v.conn.WriteMessage(websocket.TextMessage, []byte(text)))
		if f := v.expect("error"); f.Code != "invalid_argument" || f.Message == "" {
			t.Errorf("%.60s: %+v", text, f)
		}
		v.expectClose(3501)
	}
	binary := h.view(h.member())
	in(t, binary.conn.WriteMessage(websocket.BinaryMessage, []byte(`{"type":"unsubscribe","topic":"x"}`)))
	binary.expectClose(3501)

	huge := h.view(h.member())
	_ = huge.conn.WriteMessage(websocket.TextMessage, []byte(strings.Repeat(" ", 65<<10)))
	huge.expectClose(websocket.CloseMessageTooBig)
}

func TestTooManyTopics(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	v := h.view(h.member())
	for i := range 128 {
		v.subscribe(events.DatasetTopic(strconv.Itoa(i)), 0)
		v.expect("subscribed")
	}
	v.subscribe(events.DatasetTopic("one more"), 0)
	if f := v.expect("error"); f.Code != "resource_exhausted" {
		t.Errorf("%+v", f)
	}
	v.subscribe(events.DatasetTopic("7"), 0) // has it already
	v.expect("subscribed")
}

func TestOrigins(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	for origin, want := range map[string]int{
		"": http.StatusSwitchingProtocols, "https://hub.example.org": http.StatusSwitchingProtocols,
		"https://evil.example.org": http.StatusForbidden, "http://hub.example.org": http.StatusForbidden, "null": http.StatusForbidden,
	} {
		header := http.Header{}
		if origin != "" {
			header.Set("Origin", origin)
		}
		conn, res, err := websocket.DefaultDialer.DialContext(t.Context(), "ws"+strings.TrimPrefix(h.url, "http")+"/live", header)
		if err == nil {
			_ = conn.Close()
		}
		if res == nil || res.StatusCode != want {
			t.Errorf("origin %q: %v, %v", origin, res, err)
		}
	}
}

// A viewer that reads nothing is closed, at a bounded cost, while others get everything at once; when it reads again it
// finds the code, and resumes.
func TestSlowReader(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	topic := events.RunTopic(h.journal.run)
	slow, quick := h.view(h.member()), h.view(h.member())
	for _, v := range []*viewer{slow, quick} {
		v.subscribe(topic, 1)
		v.expect("subscribed")
	}
	payload := strings.Repeat("z", 100<<10)
	const n = 150 // 15 MB: more than the sockets' buffers and the queue
	go func() {
		for i := range n {
			e := h.event(i)
			e.Event.Message = payload
			if h.publisher.Publish(t.Context(), e) != nil {
				return
			}
		}
	}()
	quick.expectEvents(topic, 2, n+1)

	last := int64(1)
	for {
		f, err := slow.next()
		if err != nil {
			break
		}
		if f.Seq != last+1 {
			t.Fatalf("seq %d after %d", f.Seq, last)
		}
		last = f.Seq
	}
	if last >= n+1 {
		t.Fatal("the slow reader was never closed")
	}
	again := h.view(h.member())
	again.subscribe(topic, last)
	again.expect("subscribed")
	again.expectEvents(topic, last+1, n+1)
}

func TestShutdownTellsViewersToReconnect(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	var viewers []*viewer
	for range 20 {
		v := h.view(h.member())
		v.subscribe(events.RunTopic(h.journal.run), 1)
		v.expect("subscribed")
		viewers = append(viewers, v)
	}
	stopped := make(chan error)
	go func() { stopped <- h.hub.Stop(context.WithoutCancel(t.Context())) }()
	for _, v := range viewers {
		v.expectClose(3001)
	}
	in(t, <-stopped)
	res, err := http.Get(h.url + "/live")
	in(t, err)
	_ = res.Body.Close()
	if res.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("after the end: %s", res.Status)
	}
}
