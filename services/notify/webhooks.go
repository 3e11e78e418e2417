package notify

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"google.golang.org/protobuf/proto"

	"github.com/microservicehub/mshub/internal/audit"
	"github.com/microservicehub/mshub/internal/auth"
	"github.com/microservicehub/mshub/internal/config"
	"github.com/microservicehub/mshub/internal/egress"
	"github.com/microservicehub/mshub/internal/postgres"
	"github.com/microservicehub/mshub/internal/rpc"
	"github.com/microservicehub/mshub/services/notify/store"
	notifyv1 "github.com/microservicehub/mshub/services/notify/v1"
	"github.com/microservicehub/mshub/services/notify/v1/notifyv1connect"
)

const webhookService = "services.notify.v1.WebhookService/"

// schema is where answers are kept under idempotency keys.
const schema = "notify"

// maxWebhooks of one organisation: every fact is compared with each of them.
const maxWebhooks = 100

// Webhooks implements WebhookService. Safe for concurrent use.
type Webhooks struct {
	db     *postgres.DB
	q      *store.Queries
	config WebhookConfig
	policy egress.Policy
	client *http.Client
	box    secretBox
	now    func() time.Time
	logger *slog.Logger
}

var _ notifyv1connect.WebhookServiceHandler = (*Webhooks)(nil)

// NewWebhooks makes the service; keys seal the secrets of the webhooks.
func NewWebhooks(db *postgres.DB, keys config.Keys, cfg WebhookConfig, now func() time.Time, logger *slog.Logger) (*Webhooks, error) {
	policy, err := egress.ParsePolicy(cfg.Allow)
	if err != nil {
		return nil, config.Fault("MSHUB_NOTIFY_WEBHOOK_ALLOW", "%s", err)
	}
	box, err := newSecretBox(keys)
	if err != nil {
		return nil, err
	}
	return &Webhooks{
		db: db, q: store.New(), config: cfg, policy: policy, client: policy.Client(cfg.Timeout), box: box, now: now, logger: logger,
	}, nil
}

// CreateWebhook makes a subscription and its secret, which is in this answer alone: a repeated call with the same idempotency
// key gets the webhook without it.
func (w *Webhooks) CreateWebhook(ctx context.Context, req *notifyv1.CreateWebhookRequest) (*notifyv1.CreateWebhookResponse, error) {
	caller, in := auth.From(ctx), req.GetWebhook()
	if err := w.checkWebhook(in); err != nil {
		return nil, err
	}
	if err := mayRead(caller, in.GetEvents()); err != nil {
		return nil, err
	}
	id, err := uuid.NewV7()
	if err != nil {
		return nil, err
	}
	secret := newSecret()
	params := store.InsertWebhookParams{
		ID: id, Title: in.GetTitle(), Url: in.GetUrl(), Events: in.GetEvents(), State: stateOf(in), Creator: caller.Actor, Now: w.now(),
		Secret: w.box.seal(id, secret),
	}
	return w.withSecret(ctx, "CreateWebhook", req, secret, func(tx pgx.Tx) (row store.Webhook, err error) {
		n, err := w.q.CountWebhooks(ctx, tx)
		if err != nil {
			return row, err
		}
		if n >= maxWebhooks {
			return row, rpc.Precondition("TOO_MANY_WEBHOOKS", "the organisation has %d webhooks; delete one first", n)
		}
		if row, err = w.q.InsertWebhook(ctx, tx, params); err != nil {
			return row, err
		}
		return row, audit.Append(ctx, tx, audit.Entry{Action: webhookService + "CreateWebhook", Target: webhookName(id), After: audited(row)})
	})
}

// withSecret makes a change, once under the call's idempotency key, and shows the secret that it made. The secret is not kept
// with the answer.
func (w *Webhooks) withSecret(
	ctx context.Context, method string, req proto.Message, made secret, change func(pgx.Tx) (store.Webhook, error),
) (*notifyv1.CreateWebhookResponse, error) {
	res, text := &notifyv1.CreateWebhookResponse{}, ""
	err := w.db.Tx(ctx, auth.From(ctx).Organisation, func(tx pgx.Tx) error {
		text = ""
		return postgres.Once(ctx, tx, schema, webhookService+method, rpc.IdempotencyKey(ctx), req, res, func() error {
			row, err := change(tx)
			res.Webhook, text = wireWebhook(row), made.text()
			return err
		})
	})
	if err != nil {
		return nil, err
	}
	res.Secret = text
	return res, nil
}

// GetWebhook shows one, never its secret.
func (w *Webhooks) GetWebhook(ctx context.Context, req *notifyv1.GetWebhookRequest) (*notifyv1.Webhook, error) {
	row, err := w.webhook(ctx, req.GetName())
	if err != nil {
		return nil, err
	}
	return wireWebhook(row), nil
}

// ListWebhooks pages through the organisation's, the oldest first.
func (w *Webhooks) ListWebhooks(ctx context.Context, req *notifyv1.ListWebhooksRequest) (*notifyv1.ListWebhooksResponse, error) {
	size, after := postgres.PageSize(req.GetPageSize()), uuid.Nil
	if req.GetPageToken() != "" {
		if err := postgres.DecodePage(req.GetPageToken(), &after); err != nil {
			return nil, err
		}
	}
	var rows []store.Webhook
	err := w.db.Tx(ctx, auth.From(ctx).Organisation, func(tx pgx.Tx) (err error) {
		rows, err = w.q.ListWebhooks(ctx, tx, store.ListWebhooksParams{ID: after, Limit: int32(size) + 1})
		return err
	})
	if err != nil {
		return nil, err
	}
	res := &notifyv1.ListWebhooksResponse{}
	if len(rows) > size {
		rows = rows[:size]
		res.NextPageToken = postgres.EncodePage(rows[size-1].ID)
	}
	for _, row := range rows {
		res.Webhooks = append(res.Webhooks, wireWebhook(row))
	}
	return res, nil
}

// UpdateWebhook changes what the mask names, without one what is given.
func (w *Webhooks) UpdateWebhook(ctx context.Context, req *notifyv1.UpdateWebhookRequest) (*notifyv1.Webhook, error) {
	id, err := parseWebhook(req.GetWebhook().GetName())
	if err != nil {
		return nil, err
	}
	res := &notifyv1.Webhook{}
	err = w.once(ctx, "UpdateWebhook", req, res, func(tx pgx.Tx) error {
		before, err := w.locked(ctx, tx, id)
		if err != nil {
			return err
		}
		after, err := w.merge(before, req)
		if err != nil {
			return err
		}
		if after.Url != before.Url || !slices.Equal(after.Events, before.Events) {
			if err := mayRead(auth.From(ctx), after.Events); err != nil {
				return err
			}
		}
		row, err := w.q.UpdateWebhook(ctx, tx, after)
		if err != nil {
			return err
		}
		proto.Merge(res, wireWebhook(row))
		return audit.Append(ctx, tx, audit.Entry{Action: webhookService + "UpdateWebhook", Target: webhookName(id), Before: audited(before), After: audited(row)})
	})
	if err != nil {
		return nil, err
	}
	return res, nil
}

// once makes a change of one transaction once under the call's idempotency key. The transaction may be tried more than once:
// res is filled anew.
func (w *Webhooks) once(ctx context.Context, method string, req, res proto.Message, change func(tx pgx.Tx) error) error {
	return w.db.Tx(ctx, auth.From(ctx).Organisation, func(tx pgx.Tx) error {
		proto.Reset(res)
		return postgres.Once(ctx, tx, schema, webhookService+method, rpc.IdempotencyKey(ctx), req, res, func() error { return change(tx) })
	})
}

// merge lays a change over a row and checks the result.
func (w *Webhooks) merge(before store.Webhook, req *notifyv1.UpdateWebhookRequest) (store.UpdateWebhookParams, error) {
	next, in, paths := wireWebhook(before), req.GetWebhook(), req.GetUpdateMask().GetPaths()
	given := map[string]bool{"title": in.GetTitle() != "", "url": in.GetUrl() != "", "events": len(in.GetEvents()) > 0, "state": in.GetState() != 0}
	if len(paths) > 0 {
		clear(given)
	}
	for _, path := range paths {
		if !slices.Contains([]string{"title", "url", "events", "state"}, path) {
			return store.UpdateWebhookParams{}, rpc.Invalid("updateMask", "%q can't be changed; name title, url, events or state", path)
		}
		given[path] = true
	}
	if given["title"] {
		next.Title = in.GetTitle()
	}
	if given["url"] {
		next.Url = in.GetUrl()
	}
	if given["events"] {
		next.Events = in.GetEvents()
	}
	if given["state"] {
		next.State = in.GetState()
	}
	params := store.UpdateWebhookParams{
		ID: before.ID, Title: next.GetTitle(), Url: next.GetUrl(), Events: next.GetEvents(), State: stateOf(next), Now: w.now(),
		DisabledReason: before.DisabledReason, FailingSince: before.FailingSince,
	}
	if before.State != params.State {
		params.DisabledReason, params.FailingSince = "", nil
	}
	return params, w.checkWebhook(next)
}

// DeleteWebhook removes it with its deliveries.
func (w *Webhooks) DeleteWebhook(ctx context.Context, req *notifyv1.DeleteWebhookRequest) (*notifyv1.DeleteWebhookResponse, error) {
	id, err := parseWebhook(req.GetName())
	if err != nil {
		return nil, err
	}
	res := &notifyv1.DeleteWebhookResponse{}
	err = w.once(ctx, "DeleteWebhook", req, res, func(tx pgx.Tx) error {
		before, err := w.locked(ctx, tx, id)
		if err != nil {
			return err
		}
		if _, err := w.q.DeleteWebhook(ctx, tx, id); err != nil {
			return err
		}
		return audit.Append(ctx, tx, audit.Entry{Action: webhookService + "DeleteWebhook", Target: webhookName(id), Before: audited(before)})
	})
	if err != nil {
		return nil, err
	}
	return res, nil
}

// RotateWebhookSecret makes a new secret; the old one goes on signing beside it for a while. A repeated call with the same
// idempotency key makes none, and shows none.
func (w *Webhooks) RotateWebhookSecret(ctx context.Context, req *notifyv1.RotateWebhookSecretRequest) (*notifyv1.CreateWebhookResponse, error) {
	id, err := parseWebhook(req.GetName())
	if err != nil {
		return nil, err
	}
	secret := newSecret()
	return w.withSecret(ctx, "RotateWebhookSecret", req, secret, func(tx pgx.Tx) (row store.Webhook, err error) {
		before, err := w.locked(ctx, tx, id)
		if err != nil {
			return row, err
		}
		params := store.SetWebhookSecretParams{ID: id, Secret: w.box.seal(id, secret), Now: w.now()}
		if overlap := time.Duration(req.GetOverlapSeconds()) * time.Second; overlap > 0 {
			until := w.now().Add(overlap)
			params.OldSecret, params.OldSecretUntil = before.Secret, &until
		}
		if row, err = w.q.SetWebhookSecret(ctx, tx, params); err != nil {
			return row, err
		}
		return row, audit.Append(ctx, tx, audit.Entry{
			Action: webhookService + "RotateWebhookSecret", Target: webhookName(id), After: map[string]any{"overlapSeconds": req.GetOverlapSeconds()},
		})
	})
}

// webhook reads one of the caller's organisation.
func (w *Webhooks) webhook(ctx context.Context, name string) (row store.Webhook, err error) {
	id, err := parseWebhook(name)
	if err != nil {
		return row, err
	}
	err = w.db.Tx(ctx, auth.From(ctx).Organisation, func(tx pgx.Tx) error {
		row, err = w.q.Webhook(ctx, tx, id)
		return err
	})
	if errors.Is(err, pgx.ErrNoRows) {
		err = rpc.NotFound("webhook", name)
	}
	return row, err
}

func (w *Webhooks) locked(ctx context.Context, tx pgx.Tx, id uuid.UUID) (store.Webhook, error) {
	row, err := w.q.LockWebhook(ctx, tx, id)
	if errors.Is(err, pgx.ErrNoRows) {
		err = rpc.NotFound("webhook", webhookName(id))
	}
	return row, err
}

// audited is what the audit keeps of a webhook. An address may be a permission by itself, so only its host is kept.
func audited(row store.Webhook) map[string]any {
	out := map[string]any{"title": row.Title, "events": row.Events, "state": row.State}
	if u, err := url.Parse(row.Url); err == nil {
		out["host"] = u.Host
	}
	if row.DisabledReason != "" {
		out["disabledReason"] = row.DisabledReason
	}
	return out
}

func webhookName(id uuid.UUID) string { return "webhooks/" + id.String() }

func parseWebhook(name string) (uuid.UUID, error) {
	text, ok := strings.CutPrefix(name, "webhooks/")
	id, err := uuid.Parse(text)
	if !ok || err != nil || id.String() != text {
		return uuid.Nil, rpc.NotFound("webhook", name)
	}
	return id, nil
}
