package notify

import (
	"context"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/microservicehub/mshub/events"
	"github.com/microservicehub/mshub/internal/postgres"
	"github.com/microservicehub/mshub/services/notify/store"
)

const (
	// fanOutEvery is how often an idle node looks for facts; a busy one does not pause.
	fanOutEvery = 500 * time.Millisecond
	fanOutBatch = 200
)

// FanOut tells facts to the webhooks that asked for them, until ctx ends. Every node may run it; they pass by what another
// one holds.
func (w *Webhooks) FanOut(ctx context.Context) error {
	for {
		n, err := w.Tell(ctx)
		if err != nil && ctx.Err() == nil {
			w.logger.WarnContext(ctx, "facts could not be told to webhooks; it will be tried again", "error", err)
		}
		if n == fanOutBatch {
			continue
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(fanOutEvery):
		}
	}
}

// Tell is one round: each fact becomes a delivery for every enabled webhook of its organisation that asked for its kind,
// and each delivery a fact that starts its run, all in one transaction. Facts that nobody asked for cost one update
// together. It returns how many facts there were.
func (w *Webhooks) Tell(ctx context.Context) (n int, err error) {
	err = w.db.System(ctx, func(tx pgx.Tx) error {
		facts, err := events.UntoldFacts(ctx, tx, fanOutBatch)
		if n = len(facts); err != nil || n == 0 {
			return err
		}
		hooks, err := w.enabled(ctx, tx, facts)
		if err != nil {
			return err
		}
		for _, fact := range facts {
			for _, hook := range hooks[fact.Organisation] {
				if !slices.ContainsFunc(hook.Events, func(pattern string) bool { return matches(pattern, fact.Kind) }) {
					continue
				}
				if err := w.deliverLater(ctx, tx, hook, fact); err != nil {
					return err
				}
			}
		}
		return events.ToldFacts(ctx, tx, facts)
	})
	return n, err
}

// enabled are the webhooks of the facts' organisations.
func (w *Webhooks) enabled(ctx context.Context, tx pgx.Tx, facts []events.Fact) (map[uuid.UUID][]store.EnabledWebhooksRow, error) {
	var organisations []uuid.UUID
	for _, fact := range facts {
		if !slices.Contains(organisations, fact.Organisation) {
			organisations = append(organisations, fact.Organisation)
		}
	}
	rows, err := w.q.EnabledWebhooks(ctx, tx, organisations)
	hooks := map[uuid.UUID][]store.EnabledWebhooksRow{}
	for _, row := range rows {
		hooks[row.OrganisationID] = append(hooks[row.OrganisationID], row)
	}
	return hooks, err
}

func (w *Webhooks) deliverLater(ctx context.Context, tx pgx.Tx, hook store.EnabledWebhooksRow, fact events.Fact) error {
	if err := store.Enter(ctx, tx, fact.Organisation); err != nil {
		return err
	}
	id, err := uuid.NewV7()
	if err != nil {
		return err
	}
	inserted, err := w.q.InsertDelivery(ctx, tx, store.InsertDeliveryParams{
		ID: id, Webhook: hook.ID, Fact: &fact.ID, Event: fact.Kind, Data: fact.Payload, HappenedAt: fact.Time, Now: w.now(),
	})
	if err != nil || inserted == 0 {
		return err
	}
	return due(ctx, tx, hook.ID, id)
}

const (
	// keepDeliveries is how long a delivery that has ended can be read and made again.
	keepDeliveries = 30 * 24 * time.Hour
	// overdueAfter is how late an attempt may be before another run takes the delivery on.
	overdueAfter = time.Hour
	overdueBatch = 500
)

// Housekeep takes on deliveries whose run was lost and forgets old ones, every few minutes until ctx ends. Every node may
// run it; one works.
func (w *Webhooks) Housekeep(ctx context.Context) error {
	const every = 5 * time.Minute
	return w.db.Leader(ctx, "notify.webhooks", every, func(ctx context.Context) error {
		ticker := time.NewTicker(every)
		defer ticker.Stop()
		for {
			if err := w.CleanUp(ctx); err != nil && ctx.Err() == nil {
				w.logger.WarnContext(ctx, "deliveries could not be looked after; it will be tried again", "error", err)
			}
			select {
			case <-ctx.Done():
				return nil
			case <-ticker.C:
			}
		}
	})
}

// CleanUp is one round of Housekeep; it forgets kept answers too.
func (w *Webhooks) CleanUp(ctx context.Context) error {
	now := w.now()
	before := now.Add(-overdueAfter)
	err := w.db.System(ctx, func(tx pgx.Tx) error {
		late, err := w.q.OverdueDeliveries(ctx, tx, store.OverdueDeliveriesParams{Now: &now, Before: &before, Batch: overdueBatch})
		for _, row := range late {
			if err := store.Enter(ctx, tx, row.OrganisationID); err != nil {
				return err
			}
			if err := due(ctx, tx, row.Webhook, row.ID); err != nil {
				return err
			}
		}
		return err
	})
	if err != nil {
		return err
	}
	for {
		var n int64
		err := w.db.System(ctx, func(tx pgx.Tx) error {
			answers, err := postgres.ForgetOnce(ctx, tx, schema, forgetBatch)
			if err != nil {
				return err
			}
			deliveries, err := w.q.ForgetDeliveries(ctx, tx, store.ForgetDeliveriesParams{Before: now.Add(-keepDeliveries), Batch: forgetBatch})
			n = max(answers, deliveries)
			return err
		})
		if err != nil || n < forgetBatch {
			return err
		}
	}
}
