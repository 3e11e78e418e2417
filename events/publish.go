package events

import (
	"context"
	"log/slog"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"

	"github.com/microservicehub/mshub/events/store"
	"github.com/microservicehub/mshub/internal/auth"
	"github.com/microservicehub/mshub/internal/postgres"
)

const (
	// wakeTimeout bounds what a wake-up may cost the change that caused it.
	wakeTimeout = 200 * time.Millisecond
	// wakePause is how long a Redis that failed is left alone; viewers find out by the hub's check meanwhile.
	wakePause = time.Second
)

// Publisher appends events and wakes viewers. Safe for concurrent use. Redis being away never fails a call: it costs at
// most one short wait a second.
type Publisher struct {
	db     *postgres.DB
	redis  redis.UniversalClient
	logger *slog.Logger

	silentUntil atomic.Int64 // Unix nanoseconds; after a failure
}

// NewPublisher publishes through the given pool; the worker has a small one of its own. The caller closes both.
func NewPublisher(db *postgres.DB, client redis.UniversalClient, logger *slog.Logger) *Publisher {
	return &Publisher{db: db, redis: client, logger: logger}
}

// Publish appends events of one run in a transaction and round trip of their own, then wakes the run's viewers. An error
// means that they are not in the journal, as far as can be known; publishing them again is harmless.
func (p *Publisher) Publish(ctx context.Context, entries ...Entry) error {
	first := entries[0]
	all := make([]store.AppendEventParams, len(entries))
	listed := false // in the organisation's list of runs
	for i, e := range entries {
		params, err := e.params()
		if err != nil {
			return err
		}
		all[i] = params
		listed = listed || strings.HasPrefix(e.Event.GetKind(), "run.")
	}
	var seq int64
	err := p.db.Batch(ctx, first.Organisation, func(b *pgx.Batch) {
		seq = 0
		for _, params := range all {
			store.QueueAppend(b, params, func(row store.AppendEventRow) {
				if row.Fresh {
					seq = row.Seq
				}
			})
		}
	})
	if err != nil || seq == 0 {
		return first.missing(err)
	}
	wakes := []wake{{runChannel(first.Run), strconv.FormatInt(seq, 10)}}
	if listed {
		wakes = append(wakes, wake{hintChannel(first.Organisation, RunsTopic(first.Organisation)), ""})
	}
	p.publish(ctx, wakes...)
	return nil
}

// Wake tells the viewers of a run that its journal has grown up to seq. Call it after the commit of a transaction that
// called Append. Within a call it also hints at the organisation's list of runs.
func (p *Publisher) Wake(ctx context.Context, run uuid.UUID, seq int64) {
	wakes := []wake{{runChannel(run), strconv.FormatInt(seq, 10)}}
	if organisation := auth.From(ctx).Organisation; organisation != uuid.Nil {
		wakes = append(wakes, wake{hintChannel(organisation, RunsTopic(organisation)), ""})
	}
	p.publish(ctx, wakes...)
}

// Hint tells those who look at a topic ("org:ID:runs", "user:ID:inbox", "dataset:ID") to look again. The names of datasets
// are each organisation's own, so that hint reaches only the caller's organisation.
func (p *Publisher) Hint(ctx context.Context, topic string) {
	organisation := auth.From(ctx).Organisation
	if named, ok := organisationOf(topic); ok {
		organisation = named
	}
	p.publish(ctx, wake{hintChannel(organisation, topic), ""})
}

type wake struct{ channel, message string }

// publish gives up quickly and silently: what it says can be found out otherwise.
func (p *Publisher) publish(ctx context.Context, wakes ...wake) {
	if time.Now().UnixNano() < p.silentUntil.Load() {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), wakeTimeout)
	defer cancel()
	_, err := p.redis.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		for _, w := range wakes {
			pipe.Publish(ctx, w.channel, w.message)
		}
		return nil
	})
	if err == nil {
		return
	}
	now := time.Now()
	if last := p.silentUntil.Swap(now.Add(wakePause).UnixNano()); now.UnixNano()-last > int64(time.Minute) {
		p.logger.WarnContext(ctx, "Redis does not answer; viewers see changes up to two seconds late", "error", err)
	}
}
