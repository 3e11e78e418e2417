package notify_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	"github.com/microservicehub/mshub/events"
	"github.com/microservicehub/mshub/internal/rpc"
	"github.com/microservicehub/mshub/services/notify"
	notifyv1 "github.com/microservicehub/mshub/services/notify/v1"
	"github.com/microservicehub/mshub/services/notify/v1/notifyv1connect"
)

func TestWebhookLife(t *testing.T) {
	t.Parallel()
	h := setupHooks(t, webhookConfig())
	ctx := t.Context()
	made := h.create("runs.run.failed", "runs.task.*")
	name := made.GetWebhook().GetName()
	if raw, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(made.GetSecret(), "whsec_")); err != nil || len(raw) != 32 {
		t.Errorf("secret %q", made.GetSecret())
	}
	if got := h.webhook(name); got.GetState() != notifyv1.Webhook_ENABLED || !strings.HasPrefix(got.GetCreator(), "users/") || len(got.GetEvents()) != 2 {
		t.Errorf("webhook: %v", got)
	}
	changed, err := h.person().UpdateWebhook(ctx, &notifyv1.UpdateWebhookRequest{Webhook: &notifyv1.Webhook{Name: name, Title: "Invoices", State: notifyv1.Webhook_DISABLED}})
	if err != nil || changed.GetTitle() != "Invoices" || changed.GetState() != notifyv1.Webhook_DISABLED || changed.GetUrl() != made.GetWebhook().GetUrl() {
		t.Errorf("update: %v, %v", changed, err)
	}
	changed, err = h.person().UpdateWebhook(ctx, &notifyv1.UpdateWebhookRequest{
		Webhook: &notifyv1.Webhook{Name: name, Title: "not in the mask", Events: []string{"*"}}, UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"events"}},
	})
	if err != nil || changed.GetTitle() != "Invoices" || !slices.Equal(changed.GetEvents(), []string{"*"}) {
		t.Errorf("update by mask: %v, %v", changed, err)
	}
	for range 2 {
		h.create("*")
	}
	first, err := h.person().ListWebhooks(ctx, &notifyv1.ListWebhooksRequest{PageSize: 2})
	if err != nil || len(first.GetWebhooks()) != 2 || first.GetWebhooks()[0].GetName() != name {
		t.Fatalf("page: %v, %v", first, err)
	}
	second, err := h.person().ListWebhooks(ctx, &notifyv1.ListWebhooksRequest{PageSize: 2, PageToken: first.GetNextPageToken()})
	if err != nil || len(second.GetWebhooks()) != 1 || second.GetNextPageToken() != "" {
		t.Errorf("page: %v, %v", second, err)
	}
	rotated, err := h.person().RotateWebhookSecret(ctx, &notifyv1.RotateWebhookSecretRequest{Name: name, OverlapSeconds: 60})
	if err != nil || rotated.GetSecret() == made.GetSecret() {
		t.Fatalf("rotate: %v", err)
	}
	if _, err := h.person().DeleteWebhook(ctx, &notifyv1.DeleteWebhookRequest{Name: name}); err != nil {
		t.Error(err)
	}
	_, err = h.person().GetWebhook(ctx, &notifyv1.GetWebhookRequest{Name: name})
	if connect.CodeOf(err) != connect.CodeNotFound {
		t.Errorf("after its deletion: %v", err)
	}
	dump := h.dump() + h.logs.String() + fmt.Sprint(first, second, changed)
	for _, secret := range []string{made.GetSecret(), rotated.GetSecret()} {
		if bare := strings.TrimPrefix(secret, "whsec_"); strings.Contains(dump, bare) {
			t.Error("a secret shows")
		}
	}
	if !strings.Contains(dump, "RotateWebhookSecret") {
		t.Error("nothing was audited")
	}
}

func TestWebhookBadInput(t *testing.T) {
	t.Parallel()
	h := setupHooks(t, notify.WebhookConfig{Timeout: time.Second, DisableAfter: time.Hour})
	good := func() *notifyv1.Webhook {
		return &notifyv1.Webhook{Title: "Billing", Url: "https://billing.example/hooks", Events: []string{"runs.run.failed"}}
	}
	cases := map[string]struct {
		change func(*notifyv1.Webhook)
		field  string
	}{
		"no title":             {func(w *notifyv1.Webhook) { w.Title = "" }, "webhook.title"},
		"title of spaces":      {func(w *notifyv1.Webhook) { w.Title = "  " }, "webhook.title"},
		"no url":               {func(w *notifyv1.Webhook) { w.Url = "" }, "webhook.url"},
		"no url at all":        {func(w *notifyv1.Webhook) { w.Url = "billing" }, "webhook.url"},
		"plain http":           {func(w *notifyv1.Webhook) { w.Url = "http://billing.example/" }, "webhook.url"},
		"another scheme":       {func(w *notifyv1.Webhook) { w.Url = "file:///etc/passwd" }, "webhook.url"},
		"password in it":       {func(w *notifyv1.Webhook) { w.Url = "https://a:b@billing.example/" }, "webhook.url"},
		"loopback":             {func(w *notifyv1.Webhook) { w.Url = "https://127.0.0.1/" }, "webhook.url"},
		"metadata service":     {func(w *notifyv1.Webhook) { w.Url = "https://169.254.169.254/" }, "webhook.url"},
		"too long":             {func(w *notifyv1.Webhook) { w.Url += strings.Repeat("a", 2000) }, "webhook.url"},
		"no events":            {func(w *notifyv1.Webhook) { w.Events = nil }, "webhook.events"},
		"unknown event":        {func(w *notifyv1.Webhook) { w.Events = []string{"runs.run.exploded"} }, "webhook.events[0]"},
		"unknown prefix":       {func(w *notifyv1.Webhook) { w.Events = []string{"runs.run.failed", "weather.*"} }, "webhook.events[1]"},
		"star inside a word":   {func(w *notifyv1.Webhook) { w.Events = []string{"runs.ru*"} }, "webhook.events[0]"},
		"the same event twice": {func(w *notifyv1.Webhook) { w.Events = []string{"*", "*"} }, "webhook.events"},
		"the house's own fact": {func(w *notifyv1.Webhook) { w.Events = []string{events.FactWebhookDue} }, "webhook.events[0]"},
		"state":                {func(w *notifyv1.Webhook) { w.State = 7 }, "webhook.state"},
	}
	for name, tc := range cases {
		in := good()
		tc.change(in)
		_, err := h.person().CreateWebhook(t.Context(), &notifyv1.CreateWebhookRequest{Webhook: in})
		if connect.CodeOf(err) != connect.CodeInvalidArgument || !slices.Contains(rpc.FieldsOf(err), tc.field) {
			t.Errorf("%s: %v, fields %v", name, err, rpc.FieldsOf(err))
		}
	}
	made, err := h.person().CreateWebhook(t.Context(), &notifyv1.CreateWebhookRequest{Webhook: good()})
	if err != nil {
		t.Fatal(err)
	}
	name := made.GetWebhook().GetName()
	for what, in := range map[string]*notifyv1.UpdateWebhookRequest{
		"webhook.url":       {Webhook: &notifyv1.Webhook{Name: name, Url: "http://billing.example/"}},
		"webhook.events[0]": {Webhook: &notifyv1.Webhook{Name: name, Events: []string{"no.such.kind"}}},
		"webhook.events":    {Webhook: &notifyv1.Webhook{Name: name}, UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"events"}}},
		"updateMask":        {Webhook: &notifyv1.Webhook{Name: name}, UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"secret"}}},
	} {
		if _, err := h.person().UpdateWebhook(t.Context(), in); !slices.Contains(rpc.FieldsOf(err), what) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// Whoever belongs elsewhere finds nothing, and whoever may only read changes nothing.
func TestWebhooksOfOthers(t *testing.T) {
	t.Parallel()
	h := setupHooks(t, webhookConfig())
	ctx := t.Context()
	made, delivery := h.pending()
	name := made.GetWebhook().GetName()
	calls := func(c notifyv1connect.WebhookServiceClient) map[string]func() error {
		return map[string]func() error{
			"Get": func() error { _, err := c.GetWebhook(ctx, &notifyv1.GetWebhookRequest{Name: name}); return err },
			"ListDeliveries": func() error {
				_, err := c.ListDeliveries(ctx, &notifyv1.ListDeliveriesRequest{Parent: name})
				return err
			},
			"Update": func() error {
				_, err := c.UpdateWebhook(ctx, &notifyv1.UpdateWebhookRequest{Webhook: &notifyv1.Webhook{Name: name, Title: "Mine"}})
				return err
			},
			"Delete": func() error { _, err := c.DeleteWebhook(ctx, &notifyv1.DeleteWebhookRequest{Name: name}); return err },
			"Rotate": func() error {
				_, err := c.RotateWebhookSecret(ctx, &notifyv1.RotateWebhookSecretRequest{Name: name})
				return err
			},
			"Test": func() error { _, err := c.TestWebhook(ctx, &notifyv1.TestWebhookRequest{Name: name}); return err },
			"Redeliver": func() error {
				_, err := c.RedeliverDelivery(ctx, &notifyv1.RedeliverDeliveryRequest{Name: delivery})
				return err
			},
		}
	}
	for method, call := range calls(h.as(admin(uuid.New()))) {
		if err := call(); connect.CodeOf(err) != connect.CodeNotFound {
			t.Errorf("%s by another organisation: %v", method, err)
		}
	}
	for method, call := range calls(h.as(reader(h.organisation))) {
		if err := call(); method != "Get" && method != "ListDeliveries" && connect.CodeOf(err) != connect.CodePermissionDenied {
			t.Errorf("%s by a reader: %v", method, err)
		}
	}
	if _, err := h.as(run(uuid.New())).DeliverWebhook(ctx, &notifyv1.DeliverWebhookRequest{Delivery: delivery}); connect.CodeOf(err) != connect.CodeNotFound {
		t.Errorf("another organisation's run: %v", err)
	}
	if _, err := h.person().DeliverWebhook(ctx, &notifyv1.DeliverWebhookRequest{Delivery: delivery}); connect.CodeOf(err) != connect.CodePermissionDenied {
		t.Errorf("a person: %v", err)
	}
	list, err := h.as(admin(uuid.New())).ListWebhooks(ctx, &notifyv1.ListWebhooksRequest{})
	if err != nil || len(list.GetWebhooks()) != 0 || len(h.posts()) != 0 {
		t.Errorf("list %v, %v; posts %v", list, err, h.posts())
	}
}

// Each fact becomes one delivery for each webhook of its organisation that asked for it.
func TestFanOut(t *testing.T) {
	t.Parallel()
	h := setupHooks(t, webhookConfig())
	failures, everything, off := h.create("runs.run.failed"), h.create("*"), h.create("*")
	if _, err := h.person().UpdateWebhook(t.Context(), &notifyv1.UpdateWebhookRequest{
		Webhook: &notifyv1.Webhook{Name: off.GetWebhook().GetName(), State: notifyv1.Webhook_DISABLED},
	}); err != nil {
		t.Fatal(err)
	}
	h.publish(h.organisation, events.FactRunFailed)
	h.publish(h.organisation, events.FactTaskCreated)
	h.publish(uuid.New(), events.FactRunFailed)
	if n := h.tell(); n != 3 {
		t.Errorf("told %d facts", n)
	}
	if n := h.tell(); n != 0 {
		t.Errorf("told %d facts again; those that start deliveries concern the house alone", n)
	}
	kinds := func(made *notifyv1.CreateWebhookResponse) (all []string) {
		for _, d := range h.deliveries(made.GetWebhook().GetName()) {
			all = append(all, d.GetEvent())
		}
		return all
	}
	if diff := cmp.Diff([][]string{{"runs.run.failed"}, {"runs.task.created", "runs.run.failed"}, nil}, [][]string{kinds(failures), kinds(everything), kinds(off)}); diff != "" {
		t.Error(diff)
	}
	if n := h.dueFacts(); n != 3 {
		t.Errorf("%d deliveries are due", n)
	}
	// The processes' side of the facts is untouched by it.
	err := h.db.System(t.Context(), func(tx pgx.Tx) error {
		facts, err := events.ClaimFacts(t.Context(), tx, 10)
		if len(facts) != 6 {
			t.Errorf("%d facts for processes", len(facts))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// Nodes at once: still one delivery each.
func TestFanOutByManyNodes(t *testing.T) {
	t.Parallel()
	h := setupHooks(t, webhookConfig())
	made := h.create("*")
	for range 30 {
		h.publish(h.organisation, events.FactRunCompleted)
	}
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			if _, err := h.Tell(context.WithoutCancel(t.Context())); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	h.tell()
	if n := len(h.deliveries(made.GetWebhook().GetName())); n != 30 || h.dueFacts() != 30 {
		t.Errorf("%d deliveries, %d due", n, h.dueFacts())
	}
}
