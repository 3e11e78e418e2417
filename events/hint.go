package events

import (
	"sync"
	"time"
)

// hintInterval is the least time between two hints on one topic.
const hintInterval = time.Second

// hintTopic is a hint with viewers on this node. It keeps nothing but the time of the last hint: one that comes too soon
// is given at the end of the interval, more of them once.
type hintTopic struct {
	hub  *Hub
	name string

	mu      sync.Mutex
	viewers map[*client]struct{}
	last    time.Time
	later   *time.Timer // set while one waits
}

func newHintTopic(hub *Hub, name string) *hintTopic {
	return &hintTopic{hub: hub, name: name, viewers: map[*client]struct{}{}}
}

func (t *hintTopic) add(c *client) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.viewers[c] = struct{}{}
}

// remove returns how many are left; the last one takes the waiting hint along.
func (t *hintTopic) remove(c *client) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.viewers, c)
	if len(t.viewers) == 0 {
		t.forget()
	}
	return len(t.viewers)
}

// stop drops the waiting hint.
func (t *hintTopic) stop() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.forget()
}

// fire hints now, or as soon as the interval allows.
func (t *hintTopic) fire() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.later != nil {
		return
	}
	if wait := hintInterval - time.Since(t.last); wait > 0 {
		t.later = time.AfterFunc(wait, func() {
			t.mu.Lock()
			defer t.mu.Unlock()
			t.later = nil
			t.deliver()
		})
		return
	}
	t.deliver()
}

func (t *hintTopic) deliver() {
	t.last = time.Now()
	m := hintMessage(t.name)
	for c := range t.viewers {
		if c.queue.offer(m) {
			t.hub.metrics.events.Inc()
		}
	}
}

func (t *hintTopic) forget() {
	if t.later != nil {
		t.later.Stop()
		t.later = nil
	}
}
