package notify_test

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/microservicehub/mshub/events"
	"github.com/microservicehub/mshub/internal/auth"
	"github.com/microservicehub/mshub/services/notify"
	notifyv1 "github.com/microservicehub/mshub/services/notify/v1"
)

// What a lost run left lying is taken on by another one; what is old is forgotten.
func TestDeliveriesAreLookedAfter(t *testing.T) {
	t.Parallel()
	h := setupHooks(t, webhookConfig())
	made, name := h.pending()
	clean := func() {
		t.Helper()
		if err := h.CleanUp(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	clean()
	if n := h.dueFacts(); n != 1 {
		t.Errorf("%d due before it is late", n)
	}
	h.wait(2 * time.Hour)
	clean()
	clean()
	if n := h.dueFacts(); n != 2 {
		t.Errorf("%d due once it is late", n)
	}
	if _, err := h.deliver(name); err != nil {
		t.Fatal(err)
	}
	h.wait(31 * 24 * time.Hour)
	clean()
	if list := h.deliveries(made.GetWebhook().GetName()); len(list) != 0 {
		t.Errorf("not forgotten: %v", list)
	}
}

func TestDeliveryNames(t *testing.T) {
	t.Parallel()
	h := setupHooks(t, webhookConfig())
	_, name := h.pending()
	for _, bad := range []string{"x", "webhooks/x", name + "/", strings.ToUpper(name), "webhooks/" + uuid.NewString() + "/deliveries/" + uuid.NewString()} {
		if _, err := h.deliver(bad); connect.CodeOf(err) != connect.CodeNotFound {
			t.Errorf("%s: %v", bad, err)
		}
		if _, err := h.person().RedeliverDelivery(t.Context(), &notifyv1.RedeliverDeliveryRequest{Name: bad}); connect.CodeOf(err) != connect.CodeNotFound {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

func TestWebhookConfigNamesTheFault(t *testing.T) {
	t.Parallel()
	good := webhookConfig()
	cases := map[string]func(*notify.WebhookConfig){
		"MSHUB_NOTIFY_WEBHOOK_ALLOW":         func(c *notify.WebhookConfig) { c.Allow = []string{"internal.example"} },
		"MSHUB_NOTIFY_WEBHOOK_TIMEOUT":       func(c *notify.WebhookConfig) { c.Timeout = 0 },
		"MSHUB_NOTIFY_WEBHOOK_BACKOFF":       func(c *notify.WebhookConfig) { c.Backoff = make([]time.Duration, 15) },
		"MSHUB_NOTIFY_WEBHOOK_DISABLE_AFTER": func(c *notify.WebhookConfig) { c.DisableAfter = time.Minute },
	}
	if err := good.Validate(); err != nil {
		t.Error(err)
	}
	for name, change := range cases {
		bad := webhookConfig()
		change(&bad)
		if err := bad.Validate(); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A webhook of one organisation can't be signed with the secret of another: the sealed secret is bound to its row.
func TestSealedSecretsAreBound(t *testing.T) {
	t.Parallel()
	h := setupHooks(t, webhookConfig())
	made, name := h.pending()
	h.create("*")
	err := h.db.System(t.Context(), func(tx pgx.Tx) error {
		_, err := tx.Exec(t.Context(), "UPDATE notify.webhook w SET secret = (SELECT o.secret FROM notify.webhook o WHERE o.id <> w.id LIMIT 1)")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.deliver(name); !strings.Contains(fmt.Sprint(err), "MSHUB_SECRET_KEYS") || len(h.posts()) != 0 {
		t.Errorf("%v", err)
	}
	if diff := cmp.Diff(int32(1), h.deliveries(made.GetWebhook().GetName())[0].GetAttempts()); diff != "" {
		t.Error(diff)
	}
}

// What webhooks were told of a person is forgotten with the mails; what is still to be sent says nobody's name.
func TestErasureReachesDeliveries(t *testing.T) {
	t.Parallel()
	h := setupHooks(t, webhookConfig())
	made := h.create("*")
	for _, email := range []string{"Eve@example.com", "bob@example.com"} {
		err := h.db.Tx(t.Context(), h.organisation, func(tx pgx.Tx) error {
			return events.PublishFact(t.Context(), tx, events.FactUserSignedUp, map[string]any{"email": email, "displayName": "x"}, uuid.Nil)
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	h.tell()
	mails, err := notify.New(h.db, notify.NewCaptured(h.db, time.Now), notify.Config{From: "a@example.com"}, publicURL, time.Now, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx := auth.With(t.Context(), run(h.organisation))
	for _, dry := range []bool{true, false} {
		res, err := mails.EraseMessages(ctx, &notifyv1.EraseMessagesRequest{Email: "eve@EXAMPLE.com", DryRun: dry})
		if err != nil || res.GetMessages() != 1 {
			t.Errorf("dry %t: %v, %v", dry, res, err)
		}
	}
	for _, d := range h.deliveries(made.GetWebhook().GetName()) {
		if _, err := h.deliver(d.GetName()); err != nil {
			t.Fatal(err)
		}
	}
	sent := fmt.Sprint(h.posts())
	if strings.Contains(strings.ToLower(sent), "eve@") || !strings.Contains(sent, "bob@example.com") || !strings.Contains(sent, `"data":{"erased":true}`) {
		t.Error(sent)
	}
}
