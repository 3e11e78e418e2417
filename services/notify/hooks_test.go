package notify_test

import (
	"bytes"
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
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

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
		return notifyv1connect.NewWebhookServiceClient(rpc.HTTPClient(), url, issuer.As(c), connect.WithInterceptors(rpc.SendIdempotencyKey()))
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
	return auth.Caller{Kind: auth.User, User: uuid.New(), Organisation: organisation, Permissions: []string{"notify.read", "notify.write", "identity.read"}}
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
