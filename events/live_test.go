package events_test

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/gorilla/websocket"

	"github.com/microservicehub/mshub/events"
	"github.com/microservicehub/mshub/events/v1"
	"github.com/microservicehub/mshub/internal/auth"
	"github.com/microservicehub/mshub/internal/testenv"
)

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
