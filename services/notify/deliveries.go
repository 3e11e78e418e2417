package notify

import (
	"context"
	"errors"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
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
		res.Deliveries = append(res.Deliveries, wireDelivery(row))
	}
	return res, nil
}

// RedeliverDelivery begins an ended delivery anew.
func (w *Webhooks) RedeliverDelivery(ctx context.Context, req *notifyv1.RedeliverDeliveryRequest) (*notifyv1.Delivery, error) {
	webhook, id, err := parseDelivery(req.GetName())
	if err != nil {
		return nil, err
	}
	var row store.Delivery
	err = w.db.Tx(ctx, auth.From(ctx).Organisation, func(tx pgx.Tx) error {
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
		return audit.Append(ctx, tx, audit.Entry{Action: webhookService + "RedeliverDelivery", Target: req.GetName(), After: map[string]any{"event": row.Event}})
	})
	if err != nil {
		return nil, err
	}
	return wireDelivery(row), nil
}

// TestWebhook sends a ping, once, also to a disabled webhook. It says nothing about whether the webhook fails.
func (w *Webhooks) TestWebhook(ctx context.Context, req *notifyv1.TestWebhookRequest) (*notifyv1.Delivery, error) {
	hook, err := w.webhook(ctx, req.GetName())
	if err != nil {
		return nil, err
	}
	organisation := auth.From(ctx).Organisation
	id, err := uuid.NewV7()
	if err != nil {
		return nil, err
	}
	var row store.Delivery
	err = w.db.Tx(ctx, organisation, func(tx pgx.Tx) error {
		now := w.now()
		until := now.Add(w.config.Timeout + claimSlack)
		if _, err := w.q.InsertDelivery(ctx, tx, store.InsertDeliveryParams{
			ID: id, Webhook: hook.ID, Event: eventPing, Data: []byte(`{"webhook":"` + webhookName(hook.ID) + `"}`), HappenedAt: now, Now: now,
		}); err != nil {
			return err
		}
		if row, err = w.q.ClaimDelivery(ctx, tx, store.ClaimDeliveryParams{ID: id, Until: &until}); err != nil {
			return err
		}
		return audit.Append(ctx, tx, audit.Entry{Action: webhookService + "TestWebhook", Target: webhookName(hook.ID)})
	})
	if err != nil {
		return nil, err
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
		row, err = w.q.EndAttempt(ctx, tx, end)
		return err
	})
	if err != nil {
		return nil, err
	}
	return wireDelivery(row), nil
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
