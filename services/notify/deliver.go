package notify

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/microservicehub/mshub/internal/audit"
	"github.com/microservicehub/mshub/internal/auth"
	"github.com/microservicehub/mshub/internal/rpc"
	"github.com/microservicehub/mshub/services/notify/store"
	notifyv1 "github.com/microservicehub/mshub/services/notify/v1"
)

// States of a delivery and a webhook, as rows have them.
const (
	deliveryPending   = "PENDING"
	deliveryDelivered = "DELIVERED"
	deliveryFailed    = "FAILED"
	webhookEnabled    = "ENABLED"
	webhookDisabled   = "DISABLED"
)

const (
	// claimSlack is how much longer than an attempt's time-out a claim holds.
	claimSlack = 15 * time.Second
	// clockSkew is how much too early an attempt may come, because two machines never agree on the time.
	clockSkew = time.Second
)

// DeliverWebhook makes one attempt, if one is due. The row decides, so that any number of calls make the attempts that the
// back-off allows, and none more.
func (w *Webhooks) DeliverWebhook(ctx context.Context, req *notifyv1.DeliverWebhookRequest) (*notifyv1.DeliverWebhookResponse, error) {
	caller := auth.From(ctx)
	webhook, id, err := parseDelivery(req.GetDelivery())
	if err != nil {
		return nil, err
	}
	var hook store.Webhook
	var row store.Delivery
	err = w.db.Tx(ctx, caller.Organisation, func(tx pgx.Tx) error {
		hook, row, err = w.claimDelivery(ctx, tx, webhook, id)
		return err
	})
	if err != nil {
		return nil, err
	}
	if row.State != deliveryPending {
		return &notifyv1.DeliverWebhookResponse{Delivery: wireDelivery(row), Webhook: wireWebhook(hook)}, nil
	}
	answer := w.post(ctx, hook, row)
	// The attempt was made; the note of it must not depend on a caller who went away meanwhile.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	disabled := false
	err = w.db.Tx(ctx, caller.Organisation, func(tx pgx.Tx) error {
		hook, row, disabled, err = w.note(ctx, tx, hook.ID, row, answer)
		return err
	})
	if err != nil {
		return nil, err
	}
	if row.State == deliveryPending {
		pause := row.NextAttemptAt.Sub(w.now())
		return nil, rpc.Exhausted(pause, "%s; attempt %d of %d, the next one follows in %s", row.Error, row.Attempts, len(w.config.Backoff)+1, pause.Round(time.Second))
	}
	return &notifyv1.DeliverWebhookResponse{Delivery: wireDelivery(row), Webhook: wireWebhook(hook), Disabled: disabled}, nil
}

// claimDelivery takes a delivery for an attempt. One that has ended, or whose webhook is disabled, comes back ended.
func (w *Webhooks) claimDelivery(ctx context.Context, tx pgx.Tx, webhook, id uuid.UUID) (hook store.Webhook, row store.Delivery, err error) {
	if row, err = w.q.LockDelivery(ctx, tx, store.LockDeliveryParams{Webhook: webhook, ID: id}); errors.Is(err, pgx.ErrNoRows) {
		return hook, row, rpc.NotFound("delivery", deliveryName(webhook, id))
	}
	if err != nil {
		return hook, row, err
	}
	if hook, err = w.q.Webhook(ctx, tx, webhook); err != nil || row.State != deliveryPending {
		return hook, row, err
	}
	now := w.now()
	switch {
	case hook.State != webhookEnabled:
		row, err = w.q.GiveUpDelivery(ctx, tx, store.GiveUpDeliveryParams{ID: id, Error: "the webhook is disabled"})
		return hook, row, err
	case row.ClaimedUntil != nil && now.Before(*row.ClaimedUntil):
		return hook, row, rpc.Exhausted(row.ClaimedUntil.Sub(now), "an attempt is under way")
	case row.NextAttemptAt != nil && now.Add(clockSkew).Before(*row.NextAttemptAt):
		return hook, row, rpc.Exhausted(row.NextAttemptAt.Sub(now), "the next attempt is due in %s", row.NextAttemptAt.Sub(now).Round(time.Second))
	}
	until := now.Add(w.config.Timeout + claimSlack)
	row, err = w.q.ClaimDelivery(ctx, tx, store.ClaimDeliveryParams{ID: id, Until: &until})
	return hook, row, err
}

// answered is how an attempt went: fault is "" if the address took it.
type answered struct {
	status  int
	fault   string
	latency time.Duration
}

// post sends a delivery once.
func (w *Webhooks) post(ctx context.Context, hook store.Webhook, row store.Delivery) (out answered) {
	at, start := w.now(), time.Now()
	defer func() { out.latency = time.Since(start) }()
	body, err := json.Marshal(envelope{row.Event, row.HappenedAt.UTC(), row.Data})
	if err != nil {
		return answered{fault: "the event can't be written: " + err.Error()}
	}
	secrets, err := w.secrets(hook, at)
	if err != nil {
		return answered{fault: err.Error()}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, hook.Url, bytes.NewReader(body))
	if err != nil {
		return answered{fault: "the address is no URL"}
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "MicroServiceHub-Webhooks/1")
	req.Header.Set("Webhook-Id", row.ID.String())
	req.Header.Set("Webhook-Timestamp", strconv.FormatInt(at.Unix(), 10))
	req.Header.Set("Webhook-Signature", signatures(secrets, row.ID.String(), at, body))
	res, err := w.client.Do(req)
	if err != nil {
		return answered{fault: w.callFault(err)}
	}
	defer func() { _ = res.Body.Close() }()
	// An answer counts when all of it is there, so one that drips past the time-out is none; of a long one no more is read.
	if _, err := io.CopyN(io.Discard, res.Body, answerLimit); err != nil && !errors.Is(err, io.EOF) {
		return answered{status: res.StatusCode, fault: w.callFault(err)}
	}
	return answered{status: res.StatusCode, fault: statusFault(res)}
}

// answerLimit is how much of an answer's body is read, in bytes.
const answerLimit = 64 << 10

// envelope is a delivery's body.
type envelope struct {
	Type      string          `json:"type"`
	Timestamp time.Time       `json:"timestamp"`
	Data      json.RawMessage `json:"data"`
}

// secrets are those that sign now: the webhook's, and the one before while it overlaps.
func (w *Webhooks) secrets(hook store.Webhook, at time.Time) ([]secret, error) {
	first, err := w.box.open(hook.ID, hook.Secret)
	if err != nil {
		return nil, err
	}
	if hook.OldSecretUntil == nil || !at.Before(*hook.OldSecretUntil) {
		return []secret{first}, nil
	}
	second, err := w.box.open(hook.ID, hook.OldSecret)
	return []secret{first, second}, err
}

func statusFault(res *http.Response) string {
	switch {
	case res.StatusCode >= 200 && res.StatusCode < 300:
		return ""
	case res.StatusCode >= 300 && res.StatusCode < 400:
		target := "another address"
		if u, err := res.Location(); err == nil && u.Host != "" {
			target = u.Scheme + "://" + u.Host
		}
		return fmt.Sprintf("the address answered %d, a redirect to %s; redirects are not followed, so give the final address", res.StatusCode, target)
	}
	return strings.TrimSpace(fmt.Sprintf("the address answered %d %s", res.StatusCode, http.StatusText(res.StatusCode)))
}

// callFault says why no answer came, without the address, which may be a permission by itself.
func (w *Webhooks) callFault(err error) string {
	if u, ok := errors.AsType[*url.Error](err); ok {
		if u.Timeout() {
			return fmt.Sprintf("no whole answer within %s", w.config.Timeout)
		}
		err = u.Err
	}
	if name, ok := errors.AsType[*net.DNSError](err); ok {
		return fmt.Sprintf("the name %q can't be resolved", name.Name)
	}
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "dial" {
		return "no connection: " + op.Err.Error()
	}
	if certificate, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return "its certificate is not trusted: " + certificate.Err.Error()
	}
	if errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.DeadlineExceeded) {
		return fmt.Sprintf("no whole answer within %s", w.config.Timeout)
	}
	return "no answer: " + err.Error()
}

// note writes how an attempt went, and what follows from it for the webhook.
func (w *Webhooks) note(ctx context.Context, tx pgx.Tx, webhook uuid.UUID, row store.Delivery, answer answered) (hook store.Webhook, after store.Delivery, disabled bool, err error) {
	if hook, err = w.locked(ctx, tx, webhook); err != nil {
		return hook, row, false, err
	}
	now := w.now()
	end := store.EndAttemptParams{
		ID: row.ID, State: deliveryPending, LastStatus: int32(answer.status), LatencyMs: int32(answer.latency.Milliseconds()), Error: answer.fault, Now: &now,
	}
	change := store.UpdateWebhookParams{
		ID: hook.ID, Title: hook.Title, Url: hook.Url, Events: hook.Events, State: hook.State, DisabledReason: hook.DisabledReason, Now: hook.UpdatedAt,
	}
	switch {
	case answer.fault == "":
		end.State = deliveryDelivered
	case answer.status == http.StatusGone:
		end.State = deliveryFailed
		change.State, change.DisabledReason = webhookDisabled, "the address answered 410 Gone"
	case int(row.Attempts) > len(w.config.Backoff):
		end.State = deliveryFailed
	default:
		next := now.Add(w.config.Backoff[row.Attempts-1])
		end.NextAttemptAt = &next
	}
	if answer.fault != "" {
		change.FailingSince = hook.FailingSince
		if change.FailingSince == nil {
			change.FailingSince = &now
		}
		if change.State == webhookEnabled && now.Sub(*change.FailingSince) >= w.config.DisableAfter {
			end.State, end.NextAttemptAt = deliveryFailed, nil
			change.State = webhookDisabled
			change.DisabledReason = fmt.Sprintf("every attempt since %s has failed; the last one: %s", change.FailingSince.UTC().Format("2006-01-02 15:04 MST"), answer.fault)
		}
	}
	disabled = hook.State == webhookEnabled && change.State == webhookDisabled
	if disabled || (change.FailingSince == nil) != (hook.FailingSince == nil) {
		before := hook
		if hook, err = w.q.UpdateWebhook(ctx, tx, change); err != nil {
			return hook, row, false, err
		}
		if disabled {
			err = audit.Append(ctx, tx, audit.Entry{
				Action: webhookService + "DeliverWebhook", Target: webhookName(hook.ID), Before: audited(before), After: audited(hook), Reason: hook.DisabledReason,
			})
			if err != nil {
				return hook, row, false, err
			}
		}
	}
	after, err = w.q.EndAttempt(ctx, tx, end)
	return hook, after, disabled, err
}
