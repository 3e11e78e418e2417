package events

import (
	"context"
	"encoding/json"
	"errors"
	"sync"

	"github.com/gorilla/websocket"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/microservicehub/mshub/events/v1"
)

const (
	// queueLimit is what may wait for one viewer, in bytes; a live event beyond it closes the connection.
	queueLimit = 1 << 20
	// queueRoom is below what a viewer that catches up gets more: the journal waits, the queue needn't.
	queueRoom = 256 << 10
)

// message is one frame on its way to viewers. It doesn't change, so all viewers of a topic share it.
type message struct {
	kind string // the frame's type
	seq  int64  // of an event
	text []byte // the frame: JSON
	bare []byte // what it says, without the frame around it: an event's data in a stream

	once     sync.Once
	prepared *websocket.PreparedMessage
}

// frame returns the message as WebSocket bytes, framed once however many receive it.
func (m *message) frame() *websocket.PreparedMessage {
	m.once.Do(func() { m.prepared, _ = websocket.NewPreparedMessage(websocket.TextMessage, m.text) }) // fails for control frames only
	return m.prepared
}

// Types of the frames that viewers get.
const (
	frameSubscribed = "subscribed"
	frameEvent      = "event"
	frameReset      = "reset"
	frameHint       = "hint"
	frameError      = "error"
)

// serverFrame is what a viewer gets; the kinds are listed beside clientFrame.
type serverFrame struct {
	Type     string          `json:"type"`
	Topic    string          `json:"topic,omitempty"`
	Seq      *int64          `json:"seq,omitempty"`
	Event    json.RawMessage `json:"event,omitempty"`
	Snapshot json.RawMessage `json:"snapshot,omitempty"`
	Code     string          `json:"code,omitempty"`
	Message  string          `json:"message,omitempty"`
}

func newMessage(f serverFrame) *message {
	text, err := json.Marshal(f)
	if err != nil {
		text = []byte(`{"type":"error","code":"internal","message":"this event can't be shown"}`)
	}
	m := &message{kind: f.Type, text: text, bare: text}
	if f.Seq != nil {
		m.seq = *f.Seq
	}
	return m
}

func eventMessage(topic string, seq int64, event []byte) *message {
	m := newMessage(serverFrame{Type: frameEvent, Topic: topic, Seq: &seq, Event: event})
	m.bare = event
	return m
}

func subscribedMessage(topic string, seq int64) *message {
	return newMessage(serverFrame{Type: frameSubscribed, Topic: topic, Seq: &seq})
}

func resetMessage(topic string, snapshot *eventsv1.Snapshot) *message {
	raw, err := protojson.Marshal(snapshot)
	if err != nil {
		raw = nil
	}
	m := newMessage(serverFrame{Type: frameReset, Topic: topic, Seq: &snapshot.Seq, Snapshot: raw})
	m.bare = raw
	return m
}

func watchingMessage(topic string) *message {
	return newMessage(serverFrame{Type: frameSubscribed, Topic: topic})
}

func hintMessage(topic string) *message {
	return newMessage(serverFrame{Type: frameHint, Topic: topic})
}

func errorMessage(topic, code, text string) *message {
	return newMessage(serverFrame{Type: frameError, Topic: topic, Code: code, Message: text})
}

// errQueueClosed says that the viewer is going or gone.
var errQueueClosed = errors.New("the connection is closing")

// queue is what waits for one viewer: many fill it, its writer alone empties it. Nobody ever waits for a slow viewer but
// the viewer's own reading of the journal.
type queue struct {
	ready  chan struct{}   // holds one value if there is something to take
	alive  context.Context //nolint:containedctx // of the connection, not of a call: ends when the queue is closed
	cancel context.CancelFunc

	mu      sync.Mutex
	items   []*message
	bytes   int           // waiting or being written
	room    chan struct{} // closed when there is room again; nil while nobody waits
	closing *closing      // set once; what was waiting is dropped then
}

func newQueue(ctx context.Context) *queue {
	alive, cancel := context.WithCancel(ctx)
	return &queue{ready: make(chan struct{}, 1), alive: alive, cancel: cancel}
}

// offer adds a live message. False: the viewer is too slow (the queue is now closed for it) or going already.
func (q *queue) offer(m *message) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closing != nil {
		return false
	}
	if q.bytes > 0 && q.bytes+len(m.text) > queueLimit {
		q.shut(closing{code: closeSlow, reason: "too slow: reconnect and resume from your last seq"}, nil)
		return false
	}
	q.add(m)
	return true
}

// put adds a message as soon as there is room.
func (q *queue) put(ctx context.Context, m *message) error {
	for {
		q.mu.Lock()
		if q.closing != nil {
			q.mu.Unlock()
			return errQueueClosed
		}
		if q.bytes < queueRoom {
			q.add(m)
			q.mu.Unlock()
			return nil
		}
		if q.room == nil {
			q.room = make(chan struct{})
		}
		room := q.room
		q.mu.Unlock()
		select {
		case <-room:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// take returns what waits and, once the queue is closed, why. The writer calls it after each value from ready.
func (q *queue) take() ([]*message, *closing) {
	q.mu.Lock()
	defer q.mu.Unlock()
	items := q.items
	q.items = nil
	return items, q.closing
}

// why returns why the queue was closed; call it only after close.
func (q *queue) why() closeCode {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.closing.code
}

// written gives back the room of a message that was taken.
func (q *queue) written(m *message) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.bytes -= len(m.text)
	if q.bytes < queueRoom {
		q.release()
	}
}

// close ends the connection with a code, after the last message if there is one. Only the first call counts.
func (q *queue) close(c closing, last *message) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.shut(c, last)
}

func (q *queue) shut(c closing, last *message) {
	if q.closing != nil {
		return
	}
	q.closing = &c
	q.items = nil
	if last != nil {
		q.items = []*message{last}
	}
	q.cancel()
	q.signal()
	q.release()
}

func (q *queue) add(m *message) {
	q.items = append(q.items, m)
	q.bytes += len(m.text)
	q.signal()
}

func (q *queue) signal() {
	select {
	case q.ready <- struct{}{}:
	default:
	}
}

func (q *queue) release() {
	if q.room != nil {
		close(q.room)
		q.room = nil
	}
}
