package events_test

import (
	"bufio"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/microservicehub/mshub/events"
	"github.com/microservicehub/mshub/internal/auth"
)

// stream is an open /live/events.
type stream struct {
	t     testing.TB
	res   *http.Response
	lines *bufio.Scanner
}

func (h *house) get(query string, header map[string]string) *stream {
	h.t.Helper()
	req, err := http.NewRequestWithContext(h.t.Context(), http.MethodGet, h.url+"/live/events?"+query, nil)
	in(h.t, err)
	for name, value := range header {
		req.Header.Set(name, value)
	}
	res, err := http.DefaultClient.Do(req)
	in(h.t, err)
	h.t.Cleanup(func() { _ = res.Body.Close() })
	lines := bufio.NewScanner(res.Body)
	lines.Buffer(nil, 1<<20)
	return &stream{h.t, res, lines}
}

// next reads one event: its name, id and data.
func (s *stream) next() (name, id, data string) {
	s.t.Helper()
	for s.lines.Scan() {
		field, value, _ := strings.Cut(s.lines.Text(), ": ")
		switch field {
		case "event":
			name = value
		case "id":
			id = value
		case "data":
			data = value
		case "":
			if data != "" {
				return name, id, data
			}
		}
	}
	s.t.Fatalf("the stream ended: %v", s.lines.Err())
	return "", "", ""
}

func TestStreamResumes(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.publish(0, 5)
	bearer := "Bearer " + h.token()
	topic := events.RunTopic(h.journal.run)
	s := h.get("topic="+topic+"&topic="+events.RunsTopic(h.journal.organisation), map[string]string{"Authorization": bearer, "Last-Event-ID": "3"})
	if got := s.res.Header.Get("Content-Type"); s.res.StatusCode != http.StatusOK || got != "text/event-stream" {
		t.Fatalf("%s, %s", s.res.Status, got)
	}
	var ids []string
	names := map[string]int{}
	h.publish(10, 2)
	for len(ids) < 5 {
		name, id, data := s.next()
		names[name]++
		if id == "" {
			continue
		}
		ids = append(ids, id)
		var event map[string]any
		if err := json.Unmarshal([]byte(data), &event); err != nil || event["kind"] == "" || event["seq"] != id {
			t.Errorf("id %s with %s", id, data)
		}
	}
	if got := strings.Join(ids, " "); got != "4 5 6 7 8" {
		t.Errorf("ids %s", got)
	}
	for names["hint"] == 0 {
		name, _, _ := s.next()
		names[name]++
	}
}

func TestStreamRefuses(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	member := h.member()
	bearer := "Bearer " + h.issuer.Token(member)
	expired := member
	expired.Expiry = time.Now().Add(-time.Minute)
	stranger := h.issuer.Token(auth.Caller{Kind: auth.User, Organisation: uuid.New(), User: uuid.New(), Permissions: []string{"*"}})
	run := events.RunTopic(h.journal.run)
	for name, c := range map[string]struct {
		query  string
		header map[string]string
		status int
		code   string
	}{
		"no token":          {"topic=" + run, nil, 401, "unauthenticated"},
		"an expired token":  {"topic=" + run, map[string]string{"Authorization": "Bearer " + h.issuer.Token(expired)}, 401, "unauthenticated"},
		"a token in a URL":  {"topic=" + run + "&access_token=" + h.issuer.Token(member), nil, 401, "unauthenticated"},
		"foreign run":       {"topic=" + run, map[string]string{"Authorization": "Bearer " + stranger}, 404, "not_found"},
		"no such run":       {"topic=" + events.RunTopic(uuid.New()), map[string]string{"Authorization": bearer}, 404, "not_found"},
		"no topic":          {"", map[string]string{"Authorization": bearer}, 400, "invalid_argument"},
		"two runs":          {"topic=" + run + "&topic=" + run, map[string]string{"Authorization": bearer}, 400, "invalid_argument"},
		"a strange id":      {"topic=" + run, map[string]string{"Authorization": bearer, "Last-Event-ID": "abc"}, 400, "invalid_argument"},
		"a strange origin":  {"topic=" + run, map[string]string{"Authorization": bearer, "Origin": "https://evil.example.org"}, 403, "permission_denied"},
		"an unknown secret": {"topic=org:x:runs", map[string]string{"Authorization": bearer}, 404, "not_found"},
	} {
		s := h.get(c.query, c.header)
		var body frame
		if err := json.NewDecoder(s.res.Body).Decode(&body); err != nil || s.res.StatusCode != c.status || body.Code != c.code || body.Message == "" {
			t.Errorf("%s: %s %+v %v", name, s.res.Status, body, err)
		}
	}
	res, err := http.Post(h.url+"/live/events", "text/plain", nil)
	in(t, err)
	_ = res.Body.Close()
	if res.StatusCode != http.StatusMethodNotAllowed || res.Header.Get("Allow") != http.MethodGet {
		t.Errorf("POST: %s", res.Status)
	}
}

func TestStreamEndsWithItsToken(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	short := h.member()
	short.Expiry = time.Now().Add(4 * time.Second)
	s := h.get("topic="+events.RunTopic(h.journal.run)+"&after=999", map[string]string{"Authorization": "Bearer " + h.issuer.Token(short)})
	names := []string{}
	for len(names) < 2 {
		name, _, data := s.next()
		names = append(names, name)
		if want := map[string]string{"reset": `"seq":"1"`, "close": `3005`}[name]; !strings.Contains(data, want) {
			t.Error(data)
		}
	}
	if got := strings.Join(names, " "); got != "reset close" {
		t.Error(got)
	}
	if s.lines.Scan() && s.lines.Text() != "" {
		t.Errorf("after the end: %q", s.lines.Text())
	}
}
