package events

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"connectrpc.com/connect"
	"github.com/gorilla/websocket"

	"github.com/microservicehub/mshub/internal/rpc"
)

const (
	authTimeout  = 5 * time.Second  // until the first frame, which must be auth
	pingInterval = 25 * time.Second // below the idle timeouts of proxies
	pongTimeout  = 10 * time.Second
	writeTimeout = 10 * time.Second // of one frame
	closeGrace   = 2 * time.Second  // to take a close frame and answer it
	readLimit    = 64 << 10         // of one frame
)

// position is a seq in a client's frame: a number, or a string as in the API's JSON.
type position int64

func (p *position) UnmarshalJSON(raw []byte) error {
	n, err := strconv.ParseInt(string(bytes.Trim(raw, `"`)), 10, 64)
	if err != nil || n < 0 {
		return errors.New(`"after" is a seq: a whole number from 0 on`)
	}
	*p = position(n)
	return nil
}

// clientFrame is what a viewer sends:
//
//	{"type":"auth","token":"…"}                        first within 5 s, and again with a newer token
//	{"type":"subscribe","topic":"run:ID","after":0}    events after a seq; hint topics take none
//	{"type":"unsubscribe","topic":"…"}
//
// It gets serverFrames:
//
//	{"type":"subscribed","topic","seq"}                the journal ends at seq; what lies between comes now
//	{"type":"event","topic","seq","event":{…}}         each seq once, in order
//	{"type":"reset","topic","seq","snapshot":{…}}      the position asked for doesn't exist: go on from this one
//	{"type":"hint","topic"}                            look again
//	{"type":"error","topic","code","message"}          a topic that can't be had, or the reason before a close
type clientFrame struct {
	Type  string   `json:"type"`
	Token string   `json:"token"`
	Topic string   `json:"topic"`
	After position `json:"after"`
}

// WebSocket serves /live.
func (h *Hub) WebSocket() http.Handler {
	upgrader := websocket.Upgrader{
		HandshakeTimeout: 10 * time.Second,
		ReadBufferSize:   1 << 10,
		WriteBufferSize:  4 << 10,
		WriteBufferPool:  &sync.Pool{},
		CheckOrigin:      func(r *http.Request) bool { return h.origins.allow(r.Header.Get("Origin")) },
		Error: func(w http.ResponseWriter, r *http.Request, status int, reason error) {
			err := rpc.Invalid("Upgrade", "this address speaks WebSocket: %s", reason)
			if status == http.StatusForbidden {
				err = rpc.Denied("ORIGIN", "pages of this origin may not connect")
			}
			writeError(w, r, err)
		},
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := newClient(h, "websocket")
		if !h.join(c) {
			c.queue.cancel()
			writeError(w, r, rpc.Unavailable("this node is going; try again"))
			return
		}
		conn, err := upgrader.Upgrade(w, r, nil)
		if err != nil { // answered
			c.leave()
			return
		}
		// On goroutines of their own, so that what net/http holds for the request is freed.
		s := &socket{client: c, conn: conn, written: make(chan struct{})}
		go s.write()
		go s.read() //nolint:contextcheck // it outlives the request
	})
}

// socket is a client's WebSocket: read and write are its two goroutines.
type socket struct {
	client  *client
	conn    *websocket.Conn
	written chan struct{} // closed when write has ended
}

// read obeys the viewer's frames until the connection ends, then clears up.
func (s *socket) read() {
	defer func() {
		s.client.leave()
		<-s.written
		_ = s.conn.Close()
	}()
	s.conn.SetReadLimit(readLimit)
	s.await(authTimeout)
	s.conn.SetPongHandler(func(string) error { s.await(pingInterval + pongTimeout); return nil })
	for first := true; ; first = false {
		kind, raw, err := s.conn.ReadMessage()
		if err != nil {
			var late net.Error
			if first && errors.As(err, &late) && late.Timeout() {
				s.refuse(closeNoToken, rpc.Unauthenticated("NO_TOKEN", `the first frame must come within 5 s: {"type":"auth","token":"…"}`))
			}
			return
		}
		if !s.obey(kind, raw, first) {
			s.drainReads()
			return
		}
		s.await(pingInterval + pongTimeout)
	}
}

// obey does what one frame says; false if the connection is to end.
func (s *socket) obey(kind int, raw []byte, first bool) bool {
	var frame clientFrame
	if kind != websocket.TextMessage {
		return s.refuse(closeBadFrames, rpc.Invalid("frame", "frames are JSON texts"))
	}
	if err := json.Unmarshal(raw, &frame); err != nil {
		return s.refuse(closeBadFrames, rpc.Invalid("frame", "is not understood: %s", err))
	}
	c := s.client
	if frame.Type == "auth" {
		caller, err := c.hub.verifier.Verify(c.queue.alive, frame.Token)
		if err == nil {
			err = c.welcome(caller, frame.Token)
		}
		switch connect.CodeOf(err) {
		case connect.CodeUnavailable:
			return s.refuse(closeTryAgain, err)
		default:
			if err != nil {
				return s.refuse(closeNoToken, err)
			}
			return true
		}
	}
	if first {
		return s.refuse(closeNoToken, rpc.Unauthenticated("NO_TOKEN", `the first frame must be {"type":"auth","token":"…"}`))
	}
	switch {
	case frame.Topic == "" || len(frame.Topic) > maxTopic:
		return s.refuse(closeBadFrames, rpc.Invalid("topic", "has %d characters; 1 to %d are allowed", len(frame.Topic), maxTopic))
	case frame.Type == "subscribe":
		if err := c.follow(frame.Topic, int64(frame.After)); err != nil {
			return c.queue.put(c.queue.alive, errorMessage(frame.Topic, connect.CodeOf(err).String(), rpc.Message(err))) == nil
		}
		return true
	case frame.Type == "unsubscribe":
		c.unfollow(frame.Topic)
		return true
	}
	return s.refuse(closeBadFrames, rpc.Invalid("type", "%.40q is none of auth, subscribe, unsubscribe", frame.Type))
}

// refuse says why and closes. It returns false, as obey does.
func (s *socket) refuse(code closeCode, err error) bool {
	s.client.queue.close(closing{code, rpc.Message(err)}, errorMessage("", connect.CodeOf(err).String(), rpc.Message(err)))
	return false
}

// drainReads waits for the viewer's answer to our close frame, so that it reads ours before the connection is gone.
func (s *socket) drainReads() {
	s.await(closeGrace)
	for {
		if _, _, err := s.conn.NextReader(); err != nil {
			return
		}
	}
}

func (s *socket) await(d time.Duration) { _ = s.conn.SetReadDeadline(time.Now().Add(d)) }

// write empties the queue until it is closed. A viewer that takes nothing for a while is cut off.
func (s *socket) write() {
	defer close(s.written)
	ticker := time.NewTicker(pingInterval)
	defer ticker.Stop()
	queue := s.client.queue
	// A write to a viewer that stopped reading blocks; the close that overtakes it must not.
	watchdog := context.AfterFunc(queue.alive, func() {
		time.AfterFunc(closeGrace, func() { _ = s.conn.NetConn().Close() })
	})
	defer watchdog()
	for {
		select {
		case <-queue.ready:
		case <-ticker.C:
			if s.conn.WriteControl(websocket.PingMessage, nil, time.Now().Add(writeTimeout)) != nil {
				s.cut()
				return
			}
			continue
		}
		items, why := queue.take()
		for _, m := range items {
			_ = s.conn.SetWriteDeadline(time.Now().Add(writeTimeout))
			if s.conn.WritePreparedMessage(m.frame()) != nil {
				s.cut()
				return
			}
			queue.written(m)
		}
		if why == nil {
			continue
		}
		if why.code == closeGone {
			return
		}
		frame := websocket.FormatCloseMessage(int(why.code), truncate(why.reason))
		_ = s.conn.WriteControl(websocket.CloseMessage, frame, time.Now().Add(closeGrace))
		s.await(closeGrace) // wakes read, which may wait for a pong
		return
	}
}

// cut ends the connection at once; read notices.
func (s *socket) cut() { _ = s.conn.NetConn().Close() }

// truncate fits a reason into a control frame.
func truncate(reason string) string {
	const most = 123
	if len(reason) > most {
		reason = strings.ToValidUTF8(reason[:most], "")
	}
	return reason
}

// origins is the allow-list of pages that may connect.
type origins map[string]bool

// newOrigins takes addresses; of a loopback address all names of the loopback are meant.
func newOrigins(addresses []string) origins {
	allowed := origins{}
	for _, address := range addresses {
		u, err := url.Parse(address)
		if err != nil {
			continue
		}
		allowed[u.Scheme+"://"+u.Host] = true
		if ip := net.ParseIP(u.Hostname()); u.Hostname() == "localhost" || ip != nil && ip.IsLoopback() {
			for _, host := range []string{"localhost", "127.0.0.1", "[::1]"} {
				if port := u.Port(); port != "" {
					host += ":" + port
				}
				allowed[u.Scheme+"://"+host] = true
			}
		}
	}
	return allowed
}

// allow permits listed pages, and programs, which name no origin: they show their token like everybody else.
func (o origins) allow(origin string) bool { return origin == "" || o[origin] }
