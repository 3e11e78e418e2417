package notify_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
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
	"github.com/microservicehub/mshub/internal/auth"
	"github.com/microservicehub/mshub/internal/config"
	"github.com/microservicehub/mshub/internal/postgres"
	"github.com/microservicehub/mshub/internal/rpc"
	"github.com/microservicehub/mshub/internal/testenv"
	auditstore "github.com/microservicehub/mshub/services/audit/store"
	"github.com/microservicehub/mshub/services/notify"
	"github.com/microservicehub/mshub/services/notify/store"
	notifyv1 "github.com/microservicehub/mshub/services/notify/v1"
	"github.com/microservicehub/mshub/services/notify/v1/notifyv1connect"
)

// hooks is WebhookService under test behind its real chain, with an endpoint that answers as told and a clock to turn.
type hooks struct {
	*notify.Webhooks
	t            *testing.T
	db           *postgres.DB
	organisation uuid.UUID
	logs         *bytes.Buffer
	as           func(auth.Caller) notifyv1connect.WebhookServiceClient
	endpoint     *httptest.Server

	mu     sync.Mutex
	clock  time.Time
	answer http.HandlerFunc
	got    []post
}

type post struct {
	header http.Header
	body   string
}

func webhookConfig() notify.WebhookConfig {
	return notify.WebhookConfig{
		Allow: []string{"127.0.0.0/8", "::1"}, Timeout: time.Second,
		Backoff: []time.Duration{5 * time.Second, time.Hour, 10 * time.Hour}, DisableAfter: 72 * time.Hour,
	}
}

func setupHooks(t *testing.T, cfg notify.WebhookConfig) *hooks {
	t.Helper()
	h := &hooks{t: t, organisation: uuid.New(), logs: &bytes.Buffer{}, clock: time.Now().Truncate(time.Microsecond)}
	h.db = testenv.Postgres(t, events.Schema(), auditstore.Schema(), store.Schema())
	h.endpoint = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		h.mu.Lock()
		h.got = append(h.got, post{r.Header, string(body)})
		answer := h.answer
		h.mu.Unlock()
		if answer != nil {
			answer(w, r)
		}
	}))
	t.Cleanup(h.endpoint.Close)
	var err error
	h.Webhooks, err = notify.NewWebhooks(h.db, config.Keys{bytes.Repeat([]byte{7}, 32)}, cfg, h.now, slog.New(slog.NewTextHandler(h.logs, nil)))
	if err != nil {
		t.Fatal(err)
	}
	issuer := testenv.Issuer(t)
	path, handler := notifyv1connect.NewWebhookServiceHandler(h.Webhooks, issuer.Options()...)
	url := testenv.Serve(t, issuer, path, handler)
	h.as = func(c auth.Caller) notifyv1connect.WebhookServiceClient {
		return notifyv1connect.NewWebhookServiceClient(rpc.HTTPClient(), url, issuer.As(c))
	}
	return h
}

func (h *hooks) now() time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.clock
}

func (h *hooks) wait(d time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.clock = h.clock.Add(d)
}

// answers sets what the endpoint does from now on.
func (h *hooks) answers(f http.HandlerFunc) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.answer = f
}

func status(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
}

func (h *hooks) posts() []post {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.got)
}

func admin(organisation uuid.UUID) auth.Caller {
	return auth.Caller{Kind: auth.User, User: uuid.New(), Organisation: organisation, Permissions: []string{"notify.read", "notify.write"}}
}

func (h *hooks) person() notifyv1connect.WebhookServiceClient { return h.as(admin(h.organisation)) }
func (h *hooks) run() notifyv1connect.WebhookServiceClient    { return h.as(run(h.organisation)) }

func (h *hooks) create(kinds ...string) *notifyv1.CreateWebhookResponse {
	h.t.Helper()
	res, err := h.person().CreateWebhook(h.t.Context(), &notifyv1.CreateWebhookRequest{
		Webhook: &notifyv1.Webhook{Title: "Billing", Url: h.endpoint.URL + "/in?token=addr3ss", Events: kinds},
	})
	if err != nil {
		h.t.Fatal(err)
	}
	return res
}

func (h *hooks) publish(organisation uuid.UUID, kind string) {
	h.t.Helper()
	err := h.db.Tx(h.t.Context(), organisation, func(tx pgx.Tx) error {
		return events.PublishFact(h.t.Context(), tx, kind, map[string]any{"run": "runs/1", "note": "Zoë <3 & ünïcode"}, uuid.Nil)
	})
	if err != nil {
		h.t.Fatal(err)
	}
}

// tell fans out what there is and returns how many facts that were.
func (h *hooks) tell() int {
	h.t.Helper()
	n, err := h.Tell(h.t.Context())
	if err != nil {
		h.t.Fatal(err)
	}
	return n
}

func (h *hooks) deliveries(parent string) []*notifyv1.Delivery {
	h.t.Helper()
	res, err := h.person().ListDeliveries(h.t.Context(), &notifyv1.ListDeliveriesRequest{Parent: parent})
	if err != nil {
		h.t.Fatal(err)
	}
	return res.GetDeliveries()
}

// pending makes a webhook with one delivery that is due.
func (h *hooks) pending() (*notifyv1.CreateWebhookResponse, string) {
	h.t.Helper()
	made := h.create("runs.run.*")
	h.publish(h.organisation, events.FactRunFailed)
	h.tell()
	list := h.deliveries(made.GetWebhook().GetName())
	if len(list) != 1 {
		h.t.Fatalf("deliveries: %v", list)
	}
	return made, list[0].GetName()
}

func (h *hooks) deliver(name string) (*notifyv1.DeliverWebhookResponse, error) {
	return h.run().DeliverWebhook(h.t.Context(), &notifyv1.DeliverWebhookRequest{Delivery: name})
}

func (h *hooks) webhook(name string) *notifyv1.Webhook {
	h.t.Helper()
	res, err := h.person().GetWebhook(h.t.Context(), &notifyv1.GetWebhookRequest{Name: name})
	if err != nil {
		h.t.Fatal(err)
	}
	return res
}

// dump is all that the database holds, as text.
func (h *hooks) dump() string {
	h.t.Helper()
	var dump string
	err := h.db.System(h.t.Context(), func(tx pgx.Tx) error {
		return tx.QueryRow(h.t.Context(), `SELECT coalesce((SELECT string_agg(w::text, '') FROM notify.webhook w), '') || coalesce((SELECT string_agg(d::text, '') FROM notify.delivery d), '')
			|| coalesce((SELECT string_agg(f::text, '') FROM events.fact f), '') || coalesce((SELECT string_agg(e::text, '') FROM audit.entry e), '') || coalesce((SELECT string_agg(d::text, '') FROM audit.detail d), '')`).Scan(&dump)
	})
	if err != nil {
		h.t.Fatal(err)
	}
	return dump
}

// dueFacts counts the facts that start deliveries.
func (h *hooks) dueFacts() (n int) {
	h.t.Helper()
	err := h.db.System(h.t.Context(), func(tx pgx.Tx) error {
		return tx.QueryRow(h.t.Context(), "SELECT count(*) FROM events.fact WHERE kind = $1", events.FactWebhookDue).Scan(&n)
	})
	if err != nil {
		h.t.Fatal(err)
	}
	return n
}

// verify is what a receiver does (Standard Webhooks), written without a look at the sender.
func verify(secret string, header http.Header, body string) error {
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	if err != nil {
		return err
	}
	mac := hmac.New(sha256.New, key)
	_, _ = fmt.Fprintf(mac, "%s.%s.%s", header.Get("Webhook-Id"), header.Get("Webhook-Timestamp"), body)
	want := "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
	for one := range strings.FieldsSeq(header.Get("Webhook-Signature")) {
		if hmac.Equal([]byte(one), []byte(want)) {
			return nil
		}
	}
	return fmt.Errorf("none of %q is ours", header.Get("Webhook-Signature"))
}

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
