package notify

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/microservicehub/mshub/events"
	"github.com/microservicehub/mshub/internal/audit"
	"github.com/microservicehub/mshub/internal/auth"
	"github.com/microservicehub/mshub/internal/postgres"
	"github.com/microservicehub/mshub/internal/rpc"
	"github.com/microservicehub/mshub/services/notify/store"
	notifyv1 "github.com/microservicehub/mshub/services/notify/v1"
)

// ListDeliveries pages through a webhook's, the newest first.
func (w *Webhooks) ListDeliveries(ctx context.Context, req *notifyv1.ListDeliveriesRequest) (*notifyv1.ListDeliveriesResponse, error) {
	hook, err := w.webhook(ctx, req.GetParent())
	if err != nil {
		return nil, err
	}
	size := postgres.PageSize(req.GetPageSize())
	params := store.ListDeliveriesParams{Webhook: hook.ID, Before: uuid.Max, Page: int32(size) + 1}
	if req.GetState() != 0 {
		params.State = req.GetState().String()
	}
	if req.GetPageToken() != "" {
		if err := postgres.DecodePage(req.GetPageToken(), &params.Before); err != nil {
			return nil, err
		}
	}
	var rows []store.Delivery
	err = w.db.Tx(ctx, auth.From(ctx).Organisation, func(tx pgx.Tx) (err error) {
		rows, err = w.q.ListDeliveries(ctx, tx, params)
		return err
	})
	if err != nil {
		return nil, err
	}
	res := &notifyv1.ListDeliveriesResponse{}
	if len(rows) > size {
		rows = rows[:size]
		res.NextPageToken = postgres.EncodePage(rows[size-1].ID)
	}
	for _, row := range rows {
		res.Deliveries = append(res.Deliveries, shown(ctx, row))
	}
	return res, nil
}

// RedeliverDelivery begins an ended delivery anew. What is kept for a call that is repeated holds nothing of what the event
// tells, which may be about people.
func (w *Webhooks) RedeliverDelivery(ctx context.Context, req *notifyv1.RedeliverDeliveryRequest) (*notifyv1.Delivery, error) {
	webhook, id, err := parseDelivery(req.GetName())
	if err != nil {
		return nil, err
	}
	var row store.Delivery
	res := &notifyv1.Delivery{}
	err = w.once(ctx, "RedeliverDelivery", req, res, func(tx pgx.Tx) error {
		hook, err := w.locked(ctx, tx, webhook)
		if err != nil {
			return err
		}
		row, err = w.q.LockDelivery(ctx, tx, store.LockDeliveryParams{Webhook: webhook, ID: id})
		switch {
		case errors.Is(err, pgx.ErrNoRows):
			return rpc.NotFound("delivery", req.GetName())
		case err != nil:
			return err
		case hook.State != webhookEnabled:
			return rpc.Precondition("WEBHOOK_DISABLED", "the webhook is disabled; enable it first")
		case row.State == deliveryPending:
			return rpc.Precondition("DELIVERY_PENDING", "the delivery is still tried; wait for its end")
		}
		now := w.now()
		if row, err = w.q.ReviveDelivery(ctx, tx, store.ReviveDeliveryParams{ID: id, Now: &now}); err != nil {
			return err
		}
		if err := due(ctx, tx, webhook, id); err != nil {
			return err
		}
		proto.Merge(res, wireDelivery(row))
		res.Data = nil
		return audit.Append(ctx, tx, audit.Entry{Action: webhookService + "RedeliverDelivery", Target: req.GetName(), After: map[string]any{"event": row.Event}})
	})
	if err != nil {
		return nil, err
	}
	if row.ID == id { // not a repeated call
		res.Data = shown(ctx, row).GetData()
	}
	return res, nil
}

// pingEvery is how often one webhook can be tested: whoever may test must not be able to shoot at an address.
const pingEvery = 10 * time.Second

// TestWebhook sends a ping, once, also to a disabled webhook. It says nothing about whether the webhook fails. A call that is
// repeated under its idempotency key gets the first answer, and sends nothing.
func (w *Webhooks) TestWebhook(ctx context.Context, req *notifyv1.TestWebhookRequest) (*notifyv1.Delivery, error) {
	const method = webhookService + "TestWebhook"
	webhook, err := parseWebhook(req.GetName())
	if err != nil {
		return nil, err
	}
	organisation, key := auth.From(ctx).Organisation, rpc.IdempotencyKey(ctx)
	id, err := uuid.NewV7()
	if err != nil {
		return nil, err
	}
	var hook store.Webhook
	var row store.Delivery
	res, kept := &notifyv1.Delivery{}, false
	err = w.db.Tx(ctx, organisation, func(tx pgx.Tx) (err error) {
		if kept, err = postgres.Answered(ctx, tx, schema, method, key, req, res); err != nil || kept {
			return err
		}
		if hook, err = w.locked(ctx, tx, webhook); err != nil {
			return err
		}
		now := w.now()
		if err := w.restFromPings(ctx, tx, webhook, now); err != nil {
			return err
		}
		until := now.Add(w.config.Timeout + claimSlack)
		if _, err := w.q.InsertDelivery(ctx, tx, store.InsertDeliveryParams{
			ID: id, Webhook: hook.ID, Event: eventPing, Data: []byte(`{"webhook":"` + webhookName(hook.ID) + `"}`), HappenedAt: now, Now: now,
		}); err != nil {
			return err
		}
		if row, err = w.q.ClaimDelivery(ctx, tx, store.ClaimDeliveryParams{ID: id, Until: &until}); err != nil {
			return err
		}
		return audit.Append(ctx, tx, audit.Entry{Action: method, Target: webhookName(hook.ID)})
	})
	if err != nil {
		return nil, err
	}
	if kept {
		return res, nil
	}
	answer := w.post(ctx, hook, row)
	ctx = context.WithoutCancel(ctx)
	err = w.db.Tx(ctx, organisation, func(tx pgx.Tx) error {
		now := w.now()
		end := store.EndAttemptParams{
			ID: id, State: deliveryDelivered, LastStatus: int32(answer.status), LatencyMs: int32(answer.latency.Milliseconds()), Error: answer.fault, Now: &now,
		}
		if answer.fault != "" {
			end.State = deliveryFailed
		}
		return postgres.Once(ctx, tx, schema, method, key, req, res, func() error {
			row, err := w.q.EndAttempt(ctx, tx, end)
			proto.Reset(res)
			proto.Merge(res, wireDelivery(row))
			return err
		})
	})
	if err != nil {
		return nil, err
	}
	return res, nil
}

// restFromPings refuses a ping too soon after the last one. The webhook is locked: of two at once one waits for the other.
func (w *Webhooks) restFromPings(ctx context.Context, tx pgx.Tx, webhook uuid.UUID, now time.Time) error {
	last, err := w.q.PingSince(ctx, tx, store.PingSinceParams{Webhook: webhook, Since: now.Add(-pingEvery)})
	if errors.Is(err, pgx.ErrNoRows) {
		return nil
	}
	if err != nil {
		return err
	}
	return rpc.Exhausted(last.Add(pingEvery).Sub(now), "a webhook can be tested once in %d seconds; look at its deliveries for the last answer", int(pingEvery.Seconds()))
}

// due publishes that a delivery is to be made; a run of `webhookdelivery` starts on it.
func due(ctx context.Context, tx pgx.Tx, webhook, delivery uuid.UUID) error {
	return events.PublishInside(ctx, tx, events.FactWebhookDue, map[string]any{"delivery": deliveryName(webhook, delivery)})
}

func deliveryName(webhook, id uuid.UUID) string {
	return webhookName(webhook) + "/deliveries/" + id.String()
}

func parseDelivery(name string) (webhook, id uuid.UUID, err error) {
	parent, text, ok := strings.Cut(name, "/deliveries/")
	if webhook, err = parseWebhook(parent); err == nil && ok {
		if id, err = uuid.Parse(text); err == nil && id.String() == text {
			return webhook, id, nil
		}
	}
	return uuid.Nil, uuid.Nil, rpc.NotFound("delivery", name)
}

// shown is a delivery for a person or a client: without what it tells about people, if they may not read that.
func shown(ctx context.Context, row store.Delivery) *notifyv1.Delivery {
	out := wireDelivery(row)
	if aboutPeople(row.Event) && !readsPeople(auth.From(ctx)) {
		out.Data = nil
	}
	return out
}

func wireDelivery(row store.Delivery) *notifyv1.Delivery {
	out := &notifyv1.Delivery{
		Name: deliveryName(row.Webhook, row.ID), Event: row.Event, State: notifyv1.Delivery_State(notifyv1.Delivery_State_value[row.State]),
		Attempts: row.Attempts, LastStatus: row.LastStatus, LatencyMs: row.LatencyMs, Error: row.Error, CreateTime: timestamppb.New(row.CreatedAt),
	}
	if row.LastAttemptAt != nil {
		out.LastAttemptTime = timestamppb.New(*row.LastAttemptAt)
	}
	if row.NextAttemptAt != nil {
		out.NextAttemptTime = timestamppb.New(*row.NextAttemptAt)
	}
	data := &structpb.Struct{}
	if data.UnmarshalJSON(row.Data) == nil {
		out.Data = data
	}
	return out
}
