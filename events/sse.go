package events

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"connectrpc.com/connect"

	"github.com/microservicehub/mshub/internal/auth"
	"github.com/microservicehub/mshub/internal/rpc"
)

// SSE serves /live/events: what the WebSocket gives, for programs and for networks that know no WebSocket.
//
//	GET /live/events?topic=run:ID&topic=org:ID:runs
//	Authorization: Bearer …
//	Last-Event-ID: 41          resume a run after this seq; or ?after=41
//
// A run's events have no name, their seq as `id:`, the events.v1.Event as `data:`. Others are named: reset (the data is an
// events.v1.Snapshot), hint, close. Comments keep the stream alive.
//
// A token can't be renewed in a stream: at its end the stream ends, and the client comes again with a new one.
func (h *Hub) SSE() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet {
			w.Header().Set("Allow", http.MethodGet)
			http.Error(w, "", http.StatusMethodNotAllowed)
			return
		}
		if !h.origins.allow(r.Header.Get("Origin")) {
			writeError(w, r, rpc.Denied("ORIGIN", "pages of this origin may not connect"))
			return
		}
		c := newClient(h, "sse")
		if !h.join(c) {
			c.queue.cancel()
			writeError(w, r, rpc.Unavailable("this node is going; try again"))
			return
		}
		defer c.leave()
		if err := c.open(r); err != nil {
			writeError(w, r, rpc.Public(r.Context(), h.logger, "live", err))
			return
		}
		c.stream(w, r)
	})
}

// open does what the first frames of a WebSocket do.
func (c *client) open(r *http.Request) error {
	caller, err := c.hub.verifier.Authenticate(r.Context(), r.Header)
	if err != nil {
		return err
	}
	_, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if err := c.welcome(caller, token); err != nil {
		return err
	}
	query := r.URL.Query()
	var after position
	for _, given := range []string{query.Get("after"), r.Header.Get("Last-Event-ID")} { // a reconnecting client knows better than its address
		if given != "" {
			if err := after.UnmarshalJSON([]byte(given)); err != nil {
				return rpc.Invalid("Last-Event-ID", "%.40q is not a seq: a whole number from 0 on", given)
			}
		}
	}
	topics := query["topic"]
	if len(topics) == 0 {
		return rpc.Invalid("topic", "is missing: /live/events?topic=run:ID")
	}
	runs := 0
	for _, topic := range topics {
		if _, ok := runOf(topic); ok {
			runs++
		}
		if runs > 1 {
			return rpc.Invalid("topic", "one run a stream: Last-Event-ID belongs to one")
		}
		if err := c.follow(topic, int64(after)); err != nil { //nolint:contextcheck // the connection's, which c has
			return err
		}
	}
	return nil
}

// stream writes the queue until the client goes or has to.
func (c *client) stream(w http.ResponseWriter, r *http.Request) {
	control := http.NewResponseController(w)
	header := w.Header()
	header.Set("Content-Type", "text/event-stream")
	header.Set("Cache-Control", "no-store")
	header.Set("X-Accel-Buffering", "no") // nginx would hold events back
	write := func(text string) bool {
		// Also lifts the server's own write timeout. Not every wrapper can; then that timeout ends the stream, and the client resumes.
		_ = control.SetWriteDeadline(time.Now().Add(writeTimeout))
		_, err := w.Write([]byte(text))
		return err == nil
	}
	ticker := time.NewTicker(pingInterval)
	defer ticker.Stop()
	if !write("retry: 1000\n\n") || control.Flush() != nil {
		return
	}
	for {
		select {
		case <-r.Context().Done():
			return
		case <-ticker.C:
			if !write(":\n\n") {
				return
			}
		case <-c.queue.ready:
		}
		items, why := c.queue.take()
		for _, m := range items {
			if !write(m.sse()) {
				return
			}
			c.queue.written(m)
		}
		if why != nil {
			write(fmt.Sprintf("event: close\ndata: {\"code\":%d,\"message\":%q}\n\n", why.code, why.reason))
		}
		if control.Flush() != nil || why != nil {
			return
		}
	}
}

// sse is the message as an event of a stream; JSON has no line breaks. That a topic is followed is said by the answer's 200.
func (m *message) sse() string {
	switch m.kind {
	case frameSubscribed:
		return ""
	case frameEvent:
		return fmt.Sprintf("id: %d\ndata: %s\n\n", m.seq, m.bare)
	default:
		return fmt.Sprintf("event: %s\ndata: %s\n\n", m.kind, m.bare)
	}
}

func writeError(w http.ResponseWriter, r *http.Request, err error) {
	auth.WriteError(connect.NewErrorWriter(), w, r, err)
}
