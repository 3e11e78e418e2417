package notify_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/protobuf/proto"

	"github.com/microservicehub/mshub/events"
	"github.com/microservicehub/mshub/internal/auth"
	"github.com/microservicehub/mshub/internal/rpc"
	notifyv1 "github.com/microservicehub/mshub/services/notify/v1"
)

// A call that is repeated under its idempotency key is done once, and shows no secret a second time: none is kept.
func TestRepeatedCalls(t *testing.T) {
	t.Parallel()
	h := setupHooks(t, webhookConfig())
	c := h.as(admin(h.organisation)) // one person: keys are each person's own
	under := func(key string) context.Context { return rpc.WithIdempotencyKey(t.Context(), key) }

	create := &notifyv1.CreateWebhookRequest{Webhook: &notifyv1.Webhook{Title: "Billing", Url: h.endpoint.URL, Events: []string{"runs.run.*"}}}
	made, err := c.CreateWebhook(under("create"), create)
	if err != nil || made.GetSecret() == "" {
		t.Fatalf("%v, %v", made, err)
	}
	name := made.GetWebhook().GetName()
	again, err := c.CreateWebhook(under("create"), create)
	if err != nil || !proto.Equal(again.GetWebhook(), made.GetWebhook()) || again.GetSecret() != "" {
		t.Errorf("created again: %v, %v", again, err)
	}
	create.Webhook.Title = "Another"
	if _, err := c.CreateWebhook(under("create"), create); rpc.ReasonOf(err) != "IDEMPOTENCY_KEY_REUSED" {
		t.Errorf("another one under the key: %v", err)
	}

	rotate := &notifyv1.RotateWebhookSecretRequest{Name: name}
	rotated, err := c.RotateWebhookSecret(under("rotate"), rotate)
	if err != nil || rotated.GetSecret() == "" {
		t.Fatalf("%v, %v", rotated, err)
	}
	if second, err := c.RotateWebhookSecret(under("rotate"), rotate); err != nil || second.GetSecret() != "" || second.GetWebhook().GetName() != name {
		t.Errorf("rotated again: %v, %v", second, err)
	}

	test := &notifyv1.TestWebhookRequest{Name: name}
	ping, err := c.TestWebhook(under("test"), test)
	if err != nil {
		t.Fatal(err)
	}
	if second, err := c.TestWebhook(under("test"), test); err != nil || !proto.Equal(second, ping) {
		t.Errorf("tested again: %v, %v", second, err)
	}
	posts := h.posts()
	if len(posts) != 1 {
		t.Fatalf("%d pings", len(posts))
	}
	if err := verify(rotated.GetSecret(), posts[0].header, posts[0].body); err != nil {
		t.Errorf("the secret that was shown does not sign: %v", err)
	}

	var hooks, audited, kept, secrets int
	err = h.db.System(t.Context(), func(tx pgx.Tx) error {
		return tx.QueryRow(t.Context(), `SELECT (SELECT count(*) FROM notify.webhook), (SELECT count(*) FROM audit.entry),
			count(*), count(*) FILTER (WHERE position('whsec_'::bytea IN response) > 0) FROM notify.idempotency`).Scan(&hooks, &audited, &kept, &secrets)
	})
	if err != nil || hooks != 1 || audited != 3 || kept != 3 || secrets != 0 {
		t.Errorf("%d webhooks, %d audited, %d answers kept, %d with a secret; %v", hooks, audited, kept, secrets, err)
	}
}

// A change, a deletion and a delivery made anew are done once under their keys too. What is kept of a delivery tells nothing of
// what happened.
func TestRepeatedChangesOfWebhooks(t *testing.T) {
	t.Parallel()
	h := setupHooks(t, webhookConfig())
	c := h.as(admin(h.organisation))
	under := func(key string) context.Context { return rpc.WithIdempotencyKey(t.Context(), key) }
	name := h.create("identity.*").GetWebhook().GetName()
	reused := func(what string, err error) {
		t.Helper()
		if rpc.ReasonOf(err) != "IDEMPOTENCY_KEY_REUSED" {
			t.Errorf("%s under the key: %v", what, err)
		}
	}

	titled := func(title string) *notifyv1.UpdateWebhookRequest {
		return &notifyv1.UpdateWebhookRequest{Webhook: &notifyv1.Webhook{Name: name, Title: title}}
	}
	first, err := c.UpdateWebhook(under("update"), titled("First"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.UpdateWebhook(t.Context(), titled("Second")); err != nil {
		t.Fatal(err)
	}
	if again, err := c.UpdateWebhook(under("update"), titled("First")); err != nil || !proto.Equal(first, again) {
		t.Errorf("changed again: %v, %v", again, err)
	}
	if now, err := c.GetWebhook(t.Context(), &notifyv1.GetWebhookRequest{Name: name}); err != nil || now.GetTitle() != "Second" {
		t.Errorf("the repeated call changed it: %v, %v", now, err)
	}
	_, err = c.UpdateWebhook(under("update"), titled("Third"))
	reused("another title", err)

	h.publish(h.organisation, events.FactUserSignedUp)
	h.tell()
	delivery := h.deliveries(name)[0].GetName()
	err = h.db.System(t.Context(), func(tx pgx.Tx) error {
		_, err := tx.Exec(t.Context(), "UPDATE notify.delivery SET state = 'FAILED', next_attempt_at = NULL")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	redeliver := &notifyv1.RedeliverDeliveryRequest{Name: delivery}
	revived, err := c.RedeliverDelivery(under("redeliver"), redeliver)
	if err != nil || revived.GetState() != notifyv1.Delivery_PENDING || revived.GetData() == nil {
		t.Fatalf("%v, %v", revived, err)
	}
	if again, err := c.RedeliverDelivery(under("redeliver"), redeliver); err != nil || again.GetName() != delivery || again.GetState() != notifyv1.Delivery_PENDING {
		t.Errorf("delivered again: %v, %v", again, err)
	}
	if _, err := c.RedeliverDelivery(t.Context(), redeliver); rpc.ReasonOf(err) != "DELIVERY_PENDING" {
		t.Errorf("without the key: %v", err)
	}
	_, err = c.RedeliverDelivery(under("redeliver"), &notifyv1.RedeliverDeliveryRequest{Name: name + "/deliveries/" + uuid.NewString()})
	reused("another delivery", err)
	told := -1
	err = h.db.System(t.Context(), func(tx pgx.Tx) error {
		return tx.QueryRow(t.Context(), "SELECT count(*) FROM notify.idempotency WHERE position(convert_to('ünïcode', 'UTF8') IN response) > 0").Scan(&told)
	})
	if err != nil || told != 0 {
		t.Errorf("%d kept answers tell what happened; %v", told, err)
	}

	for range 2 {
		if _, err := c.DeleteWebhook(under("delete"), &notifyv1.DeleteWebhookRequest{Name: name}); err != nil {
			t.Errorf("deleted: %v", err)
		}
	}
	if _, err := c.DeleteWebhook(t.Context(), &notifyv1.DeleteWebhookRequest{Name: name}); connect.CodeOf(err) != connect.CodeNotFound {
		t.Errorf("without the key: %v", err)
	}
	_, err = c.DeleteWebhook(under("delete"), &notifyv1.DeleteWebhookRequest{Name: "webhooks/" + uuid.NewString()})
	reused("another webhook", err)
}

// Whoever may test a webhook can't shoot at its address.
func TestPingsAreRare(t *testing.T) {
	t.Parallel()
	h := setupHooks(t, webhookConfig())
	ping := func(made *notifyv1.CreateWebhookResponse) error {
		_, err := h.person().TestWebhook(t.Context(), &notifyv1.TestWebhookRequest{Name: made.GetWebhook().GetName()})
		return err
	}
	one, other := h.create("runs.run.failed"), h.create("runs.run.failed")
	if err := ping(one); err != nil {
		t.Fatal(err)
	}
	h.wait(4 * time.Second)
	err := ping(one)
	if wait := retryDelay(err); connect.CodeOf(err) != connect.CodeResourceExhausted || wait != 6*time.Second {
		t.Errorf("too soon: %v, to be tried again in %s", err, wait)
	}
	if err := ping(other); err != nil {
		t.Errorf("another webhook: %v", err)
	}
	h.wait(6 * time.Second)
	if err := ping(one); err != nil {
		t.Errorf("later: %v", err)
	}
	if n := len(h.posts()); n != 3 {
		t.Errorf("%d pings", n)
	}
}

func retryDelay(err error) time.Duration {
	refused, ok := errors.AsType[*connect.Error](err)
	if !ok {
		return 0
	}
	for _, detail := range refused.Details() {
		if value, _ := detail.Value(); value != nil {
			if info, ok := value.(*errdetails.RetryInfo); ok {
				return info.GetRetryDelay().AsDuration()
			}
		}
	}
	return 0
}

// What tells about people is told to those alone who may read people.
func TestPeopleAreToldToFew(t *testing.T) {
	t.Parallel()
	h := setupHooks(t, webhookConfig())
	ctx := t.Context()
	limited := h.as(auth.Caller{Kind: auth.User, User: uuid.New(), Organisation: h.organisation, Permissions: []string{"notify.*"}})
	machine := h.as(auth.Caller{Kind: auth.Client, ClientID: "crm", Organisation: h.organisation, Permissions: []string{"*"}, Scopes: []string{"notify:write"}})
	for pattern, code := range map[string]connect.Code{
		"identity.user.signed_up": connect.CodePermissionDenied, "identity.*": connect.CodePermissionDenied, "*": connect.CodePermissionDenied,
		"runs.run.failed": 0, "runs.*": 0,
	} {
		request := &notifyv1.CreateWebhookRequest{Webhook: &notifyv1.Webhook{Title: "CRM", Url: h.endpoint.URL, Events: []string{"runs.task.created", pattern}}}
		if _, err := limited.CreateWebhook(ctx, request); err != nil && connect.CodeOf(err) != code || err == nil && code != 0 {
			t.Errorf("a person without the permission, %s: %v", pattern, err)
		}
		if _, err := machine.CreateWebhook(ctx, request); err != nil && connect.CodeOf(err) != code || err == nil && code != 0 {
			t.Errorf("a client without the scope, %s: %v", pattern, err)
		}
	}

	name := h.create("identity.*").GetWebhook().GetName()
	for what, change := range map[string]*notifyv1.Webhook{"address": {Url: h.endpoint.URL + "/mine"}, "events": {Events: []string{"*"}}} {
		change.Name = name
		if _, err := limited.UpdateWebhook(ctx, &notifyv1.UpdateWebhookRequest{Webhook: change}); rpc.ReasonOf(err) != "MAY_NOT_READ" {
			t.Errorf("another %s: %v", what, err)
		}
	}
	if _, err := limited.UpdateWebhook(ctx, &notifyv1.UpdateWebhookRequest{Webhook: &notifyv1.Webhook{Name: name, Title: "People"}}); err != nil {
		t.Errorf("another title: %v", err)
	}

	h.publish(h.organisation, events.FactUserSignedUp)
	h.tell()
	if list := h.deliveries(name); len(list) != 1 || list[0].GetData() == nil {
		t.Errorf("an administrator sees %v", list)
	}
	res, err := limited.ListDeliveries(ctx, &notifyv1.ListDeliveriesRequest{Parent: name})
	if err != nil || len(res.GetDeliveries()) != 1 || res.GetDeliveries()[0].GetData() != nil {
		t.Errorf("without the permission: %v, %v", res, err)
	}
}
