package events

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"
)

const (
	// subscribeBatch is how many channels one command to Redis names.
	subscribeBatch = 512
	// wakeBuffer is how many messages go-redis holds for us; we take them at once, so it is only for bursts.
	wakeBuffer = 4096
)

// wakeups is this node's one subscription to Redis: a channel for each followed topic. It changes the subscription on a
// goroutine of its own, because go-redis may block for seconds while Redis is away. Redis forgets nothing that matters:
// whenever a channel is (re)subscribed, the hub is told that something may have been missed on it.
type wakeups struct {
	client redis.UniversalClient
	awake  func(channel string, seq int64) // must not block; seq is 0 for "something may have been missed"

	changed chan struct{} // holds one value if there are changes

	mu      sync.Mutex
	changes map[string]bool // channel -> wanted; not yet told to Redis
}

func newWakeups(client redis.UniversalClient, awake func(channel string, seq int64)) *wakeups {
	return &wakeups{client: client, awake: awake, changed: make(chan struct{}, 1), changes: map[string]bool{}}
}

// want listens to a channel from soon on.
func (w *wakeups) want(channel string) { w.change(channel, true) }

// drop stops listening.
func (w *wakeups) drop(channel string) { w.change(channel, false) }

func (w *wakeups) change(channel string, wanted bool) {
	w.mu.Lock()
	w.changes[channel] = wanted
	w.mu.Unlock()
	select {
	case w.changed <- struct{}{}:
	default:
	}
}

// run listens until ctx ends.
func (w *wakeups) run(ctx context.Context) {
	pubsub := w.client.Subscribe(ctx)
	var changing sync.WaitGroup
	changing.Go(func() {
		for {
			select {
			case <-ctx.Done():
				return
			case <-w.changed:
				w.apply(ctx, pubsub)
			}
		}
	})
	// Channel() would hide reconnects, and with them that messages were lost.
	for incoming := range stream(ctx, pubsub) {
		switch m := incoming.(type) {
		case *redis.Message:
			seq, _ := strconv.ParseInt(m.Payload, 10, 64)
			w.awake(m.Channel, max(seq, 0))
		case *redis.Subscription:
			if m.Kind == "subscribe" {
				w.awake(m.Channel, 0)
			}
		}
	}
	changing.Wait()
}

// stream closes the subscription when ctx ends; that ends the channel too.
func stream(ctx context.Context, pubsub *redis.PubSub) <-chan any {
	context.AfterFunc(ctx, func() { _ = pubsub.Close() })
	return pubsub.ChannelWithSubscriptions(redis.WithChannelSize(wakeBuffer))
}

// apply tells Redis the changes. go-redis remembers the channels even if Redis is away, and subscribes on reconnect.
func (w *wakeups) apply(ctx context.Context, pubsub *redis.PubSub) {
	w.mu.Lock()
	changes := w.changes
	w.changes = map[string]bool{}
	w.mu.Unlock()
	var wanted, dropped []string
	for channel, want := range changes {
		if want {
			wanted = append(wanted, channel)
		} else {
			dropped = append(dropped, channel)
		}
	}
	for batch := range slices.Chunk(wanted, subscribeBatch) {
		_ = pubsub.Subscribe(ctx, batch...)
	}
	for batch := range slices.Chunk(dropped, subscribeBatch) {
		_ = pubsub.Unsubscribe(ctx, batch...)
	}
}

// runOfChannel reads the run out of a run's channel.
func runOfChannel(channel string) (uuid.UUID, bool) {
	id, ok := strings.CutPrefix(channel, "mshub:run:")
	if !ok {
		return uuid.Nil, false
	}
	run, err := uuid.Parse(id)
	return run, err == nil
}
