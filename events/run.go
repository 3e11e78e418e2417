package events

import (
	"context"
	"sync"
	"time"

	"connectrpc.com/connect"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/microservicehub/mshub/events/store"
)

const (
	// pageSize is how many events one read of the journal brings.
	pageSize = 200
	// retryPause is between two reads for a viewer while the journal can't be read.
	retryPause = 500 * time.Millisecond
)

// runTopic is one run with viewers on this node. A new viewer catches up by itself, from the journal, at its own pace;
// once it is where the others are it goes live. For all that are live the journal is read once.
//
// Every viewer has a cursor and takes what is beyond it in order of seq, so an event can't come twice or be left out,
// whichever of the two roads it takes.
type runTopic struct {
	hub               *Hub
	organisation, run uuid.UUID
	name              string
	followers         int // the hub's, under its lock

	mu      sync.Mutex
	live    map[*viewer]struct{}
	last    int64 // given to all that are live
	top     int64 // where the journal is said to end
	unsure  bool  // something may have been missed
	reading bool  // a pump is at work
}

// viewer is a client on a run.
type viewer struct {
	client *client
	cursor int64 // last event given; under the topic's lock once live
}

func newRunTopic(hub *Hub, organisation, run uuid.UUID) *runTopic {
	return &runTopic{hub: hub, organisation: organisation, run: run, name: RunTopic(run), live: map[*viewer]struct{}{}}
}

// grown says that the journal ends at seq or later.
func (t *runTopic) grown(seq int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.top = max(t.top, seq)
	t.pump()
}

// missed says that wake-ups may have been lost.
func (t *runTopic) missed() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.unsure = true
	t.pump()
}

// pump reads on for those who are live, unless that is under way or there is nothing to read. Under the lock.
func (t *runTopic) pump() {
	if t.reading || !t.behind() || t.hub.ctx.Err() != nil {
		return
	}
	t.reading = true
	t.hub.group.Go(t.read)
}

func (t *runTopic) behind() bool { return len(t.live) > 0 && (t.unsure || t.top > t.last) }

// read gives those who are live what is new, until nothing is. If the journal can't be read, the hub's next check tries again.
func (t *runTopic) read() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for t.behind() {
		after, top := t.last, t.top
		t.unsure = false
		t.mu.Unlock()
		lines, err := t.page(t.hub.ctx, after)
		t.mu.Lock()
		if err != nil {
			t.unsure = true
			break
		}
		if t.last != after {
			continue // nobody was live meanwhile, and somebody else is now
		}
		for _, line := range lines {
			t.deliver(eventMessage(t.name, line.Seq, line.Payload))
		}
		if len(lines) < pageSize && t.top == top {
			t.top = t.last // whoever said that there is more was wrong
		}
	}
	t.reading = false
}

// deliver gives an event to everybody who is live and has not had it. Under the lock.
func (t *runTopic) deliver(m *message) {
	t.last = m.seq
	for v := range t.live {
		if m.seq <= v.cursor {
			continue
		}
		v.cursor = m.seq
		if !v.client.queue.offer(m) {
			delete(t.live, v)
			continue
		}
		t.hub.metrics.events.Inc()
	}
}

// follow takes a client in from a position on, and returns what ends it; when that has returned, no further event comes.
func (t *runTopic) follow(c *client, after int64) (stop func()) {
	ctx, cancel := context.WithCancel(c.queue.alive)
	done := make(chan struct{})
	v := &viewer{client: c, cursor: after}
	go func() {
		defer close(done)
		t.catchUp(ctx, v)
	}()
	return func() {
		cancel()
		<-done
		t.mu.Lock()
		defer t.mu.Unlock()
		delete(t.live, v)
	}
}

// catchUp brings a viewer from its cursor to where the others are, then makes it live.
func (t *runTopic) catchUp(ctx context.Context, v *viewer) {
	if !t.position(ctx, v) {
		return
	}
	for {
		lines, ok := retry(ctx, t.hub, func() ([]store.ReadEventsRow, error) { return t.page(ctx, v.cursor) })
		if !ok {
			return
		}
		for _, line := range lines {
			if v.client.queue.put(ctx, eventMessage(t.name, line.Seq, line.Payload)) != nil {
				return
			}
			v.cursor = line.Seq
			t.hub.metrics.events.Inc()
		}
		if len(lines) < pageSize && t.enter(ctx, v) {
			return
		}
	}
}

// position tells the viewer where the journal ends. A viewer that claims to have seen more gets a snapshot and goes on
// from there: its journal was another one.
func (t *runTopic) position(ctx context.Context, v *viewer) bool {
	head, ok := retry(ctx, t.hub, func() (head RunHead, err error) {
		err = t.hub.db.Tx(ctx, t.organisation, func(tx pgx.Tx) error {
			head, err = Head(ctx, tx, t.run)
			return err
		})
		if connect.CodeOf(err) == connect.CodeNotFound { // deleted just now: the end, as far as a viewer can see
			return RunHead{Run: t.run}, nil
		}
		return head, err
	})
	if !ok || v.client.queue.put(ctx, subscribedMessage(t.name, head.Seq)) != nil {
		return false
	}
	if v.cursor <= head.Seq {
		return true
	}
	v.cursor = head.Seq
	return v.client.queue.put(ctx, resetMessage(t.name, head.snapshot())) == nil
}

// enter makes a viewer live if it is where the others are.
func (t *runTopic) enter(ctx context.Context, v *viewer) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case ctx.Err() != nil:
		return true
	case len(t.live) == 0:
		t.last = v.cursor
	case v.cursor < t.last:
		return false
	}
	t.live[v] = struct{}{}
	t.top = max(t.top, v.cursor) // the others have not seen what it may have
	t.pump()
	return true
}

func (t *runTopic) page(ctx context.Context, after int64) (lines []store.ReadEventsRow, err error) {
	t.hub.metrics.reads.Inc()
	err = t.hub.db.Tx(ctx, t.organisation, func(tx pgx.Tx) error {
		lines, err = read(ctx, tx, t.run, after, pageSize)
		return err
	})
	return lines, err
}

// retry asks the database until it answers; false if the viewer has gone before.
func retry[T any](ctx context.Context, h *Hub, ask func() (T, error)) (T, bool) {
	for said := false; ; said = true {
		answer, err := ask()
		if err == nil {
			return answer, true
		}
		if ctx.Err() == nil && !said {
			h.logger.WarnContext(ctx, "the journal can't be read for a viewer; trying again", "error", err)
		}
		select {
		case <-ctx.Done():
			return answer, false
		case <-time.After(retryPause):
		}
	}
}
