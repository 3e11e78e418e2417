package events_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/jackc/pgx/v5"
	goredis "github.com/redis/go-redis/v9"

	"github.com/microservicehub/mshub/events"
	"github.com/microservicehub/mshub/internal/redis"
	"github.com/microservicehub/mshub/internal/testenv"
)

// fanOut is a Redis that a test may hurt.
type fanOut struct {
	url         string
	stop, start func()
}

// fanOuts are the servers that the feed has to work on, and to survive.
var fanOuts = map[string]func(t *testing.T) fanOut{
	"redis-server": func(t *testing.T) fanOut {
		server := testenv.OwnRedis(t)
		return fanOut{url: server.URL(), stop: func() { server.Stop(t) }, start: func() { server.Start(t) }}
	},
	"miniredis": func(t *testing.T) fanOut {
		server := miniredis.RunT(t)
		return fanOut{url: "redis://" + server.Addr(), stop: server.Close, start: func() { in(t, server.Restart()) }}
	},
}

// Viewers of two nodes drop at random, Redis dies, comes back and forgets, some writers never wake anybody: every viewer
// still sees 1..n, each once, in order.
func TestResumeExactlyOnce(t *testing.T) {
	t.Parallel()
	for name, newFanOut := range fanOuts {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const total = 400
			server := newFanOut(t)
			connect := func() *goredis.Client {
				client, err := redis.Open(t.Context(), server.url)
				in(t, err)
				return client
			}
			db := testenv.Postgres(t, events.Schema())
			first, second := houseOn(t, db, connect()), houseOn(t, db, connect())
			second.journal = first.journal

			done := make(chan error, 8)
			for i := range cap(done) {
				node := []*house{first, second}[i%2]
				go func() { done <- node.watchWithDrops(total+1, rand.New(rand.NewPCG(uint64(i), 7))) }()
			}
			go hurt(t.Context(), server, connect())
			for i := range total {
				first.write(i)
			}
			for range cap(done) {
				in(t, <-done)
			}
		})
	}
}

// write appends one event, waking by each of the ways there are: at once, after a foreign commit, not at all.
func (h *house) write(i int) {
	h.t.Helper()
	if i%3 == 0 {
		in(h.t, h.publisher.Publish(h.t.Context(), h.event(i)))
		return
	}
	var seq int64
	in(h.t, h.db.Tx(h.t.Context(), h.journal.organisation, func(tx pgx.Tx) (err error) {
		seq, _, err = events.Append(h.t.Context(), tx, h.event(i))
		return err
	}))
	if i%3 == 1 {
		h.publisher.Wake(h.t.Context(), h.journal.run, seq)
	}
}

// hurt kills Redis twice and makes it forget in between.
func hurt(ctx context.Context, server fanOut, client *goredis.Client) {
	defer func() { _ = client.Close() }()
	pause := func() { time.Sleep(150 * time.Millisecond) } // so long it lives, so long it is dead
	for range 2 {
		pause()
		server.stop()
		pause()
		if ctx.Err() != nil {
			return
		}
		server.start()
		_ = client.FlushAll(ctx).Err()
	}
}

// watchWithDrops sees a run to its last seq, over as many connections as it takes, and checks every step.
func (h *house) watchWithDrops(last int64, random *rand.Rand) error {
	topic := events.RunTopic(h.journal.run)
	member := h.member()
	for seen := int64(0); seen < last; {
		v := h.view(member)
		v.subscribe(topic, seen)
		for drop := random.IntN(60); drop > 0 && seen < last; {
			f, err := v.next()
			if err != nil {
				return fmt.Errorf("after %d: %w", seen, err)
			}
			switch f.Type {
			case "subscribed":
			case "event":
				if f.Seq != seen+1 {
					return fmt.Errorf("seq %d after %d", f.Seq, seen)
				}
				seen++
				drop--
			default:
				return fmt.Errorf("after %d: %+v", seen, f)
			}
		}
		_ = v.conn.NetConn().Close()
	}
	return nil
}
