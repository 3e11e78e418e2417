package notify_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"connectrpc.com/connect"

	"github.com/microservicehub/mshub/internal/rpc"
	notifyv1 "github.com/microservicehub/mshub/services/notify/v1"
)

func TestDeliverySigned(t *testing.T) {
	t.Parallel()
	h := setupHooks(t, webhookConfig())
	made, name := h.pending()
	res, err := h.deliver(name)
	if err != nil || res.GetDelivery().GetState() != notifyv1.Delivery_DELIVERED || res.GetDelivery().GetLastStatus() != 200 || res.GetDelivery().GetAttempts() != 1 {
		t.Fatalf("%v, %v", res, err)
	}
	posts := h.posts()
	if len(posts) != 1 {
		t.Fatalf("%d posts", len(posts))
	}
	if err := verify(made.GetSecret(), posts[0].header, posts[0].body); err != nil {
		t.Error(err)
	}
	if err := verify(made.GetSecret(), posts[0].header, posts[0].body+" "); err == nil {
		t.Error("an altered body verifies")
	}
	if id := posts[0].header.Get("Webhook-Id"); !strings.HasSuffix(name, "/"+id) {
		t.Errorf("id %q of %s", id, name)
	}
	if !strings.HasPrefix(posts[0].body, `{"type":"runs.run.failed","timestamp":"`) || !strings.Contains(posts[0].body, "Zoë <3 & ünïcode") && !strings.Contains(posts[0].body, `Zoë \u003c3 \u0026 ünïcode`) {
		t.Errorf("body %s", posts[0].body)
	}
	// A repeated call finds it delivered.
	if again, err := h.deliver(name); err != nil || again.GetDelivery().GetState() != notifyv1.Delivery_DELIVERED || len(h.posts()) != 1 {
		t.Errorf("%v, %v", again, err)
	}
}

// The row allows one attempt at a time, and each only when it is due; the id stays, the time of signing does not.
func TestDeliveryBackOff(t *testing.T) {
	t.Parallel()
	h := setupHooks(t, webhookConfig())
	made, name := h.pending()
	h.answers(status(http.StatusInternalServerError))
	pauses := webhookConfig().Backoff
	for attempt, pause := range pauses {
		for range 2 { // the second call comes too early and makes no attempt
			_, err := h.deliver(name)
			if connect.CodeOf(err) != connect.CodeResourceExhausted {
				t.Fatalf("attempt %d: %v", attempt+1, err)
			}
		}
		if list := h.deliveries(made.GetWebhook().GetName()); list[0].GetAttempts() != int32(attempt)+1 || !list[0].GetNextAttemptTime().AsTime().Equal(h.now().Add(pause)) ||
			list[0].GetError() != "the address answered 500 Internal Server Error" {
			t.Errorf("attempt %d: %v", attempt+1, list[0])
		}
		h.wait(pause)
	}
	res, err := h.deliver(name)
	if err != nil || res.GetDelivery().GetState() != notifyv1.Delivery_FAILED || res.GetDisabled() || res.GetDelivery().GetNextAttemptTime() != nil {
		t.Errorf("the last attempt: %v, %v", res, err)
	}
	times := map[string]bool{}
	for _, p := range h.posts() {
		times[p.header.Get("Webhook-Timestamp")] = true
		if p.header.Get("Webhook-Id") != h.posts()[0].header.Get("Webhook-Id") {
			t.Error("the id changed")
		}
		if err := verify(made.GetSecret(), p.header, p.body); err != nil {
			t.Error(err)
		}
	}
	if len(h.posts()) != len(pauses)+1 || len(times) != len(pauses)+1 {
		t.Errorf("%d posts at %d times", len(h.posts()), len(times))
	}
	if h.webhook(made.GetWebhook().GetName()).GetFailingSince() == nil {
		t.Error("the webhook does not say that it fails")
	}

	// Replayed, it has all attempts anew; its success ends the failing.
	redelivered, err := h.person().RedeliverDelivery(t.Context(), &notifyv1.RedeliverDeliveryRequest{Name: name})
	if err != nil || redelivered.GetState() != notifyv1.Delivery_PENDING || redelivered.GetAttempts() != 0 || h.dueFacts() != 2 {
		t.Errorf("%v, %v", redelivered, err)
	}
	_, err = h.person().RedeliverDelivery(t.Context(), &notifyv1.RedeliverDeliveryRequest{Name: name})
	if rpc.ReasonOf(err) != "DELIVERY_PENDING" {
		t.Errorf("twice: %v", err)
	}
	h.answers(nil)
	if res, err := h.deliver(name); err != nil || res.GetDelivery().GetState() != notifyv1.Delivery_DELIVERED || res.GetWebhook().GetFailingSince() != nil {
		t.Errorf("%v, %v", res, err)
	}
	if posts := h.posts(); posts[len(posts)-1].header.Get("Webhook-Id") != posts[0].header.Get("Webhook-Id") {
		t.Error("a replay has another id")
	}
}

func TestDeliveryFaults(t *testing.T) {
	t.Parallel()
	inside := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("a redirect was followed") }))
	t.Cleanup(inside.Close)
	secure := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("an untrusted server got it") }))
	t.Cleanup(secure.Close)
	late := func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-r.Context().Done():
		case <-time.After(3 * time.Second):
		}
		w.WriteHeader(http.StatusOK)
	}
	cases := map[string]struct {
		allow  []string
		url    string // in place of the endpoint's
		answer http.HandlerFunc
		fault  string
		status int32
	}{
		"hangs":                  {answer: func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, fault: "no whole answer within 1s"},
		"200 after the time-out": {answer: late, fault: "no whole answer within 1s"},
		"200 at once, its body after it": {answer: func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(200)
			_ = http.NewResponseController(w).Flush()
			late(w, r)
		}, fault: "no whole answer within 1s", status: 200},
		"redirects to a private address": {answer: func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, inside.URL+"/?s3cret", http.StatusTemporaryRedirect)
		}, fault: "redirect to " + inside.URL + "; redirects are not followed", status: 307},
		"redirects nowhere":                  {answer: status(http.StatusFound), fault: "redirect to another address", status: 302},
		"refuses":                            {answer: status(http.StatusUnauthorized), fault: "401 Unauthorized", status: 401},
		"an unknown status":                  {answer: status(599), fault: "the address answered 599", status: 599},
		"a name that leads inside":           {allow: []string{"10.9.9.9"}, url: "http://localhost:1/", fault: "private network"},
		"nobody listens":                     {url: "http://127.0.0.1:1/", fault: "no connection"},
		"a name that does not exist":         {url: "https://no-such-name.invalid/", fault: `the name "no-such-name.invalid" can't be resolved`},
		"a certificate that nobody knows of": {url: secure.URL, fault: "its certificate is not trusted"},
		"no HTTP":                            {answer: func(w http.ResponseWriter, _ *http.Request) { hangUp(w) }, fault: "no answer"},
	}
	for what, tc := range cases {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			cfg := webhookConfig()
			if tc.allow != nil {
				cfg.Allow = tc.allow
			}
			h := setupHooks(t, cfg)
			h.answers(tc.answer)
			url := tc.url
			if url == "" {
				url = h.endpoint.URL + "/?token=addr3ss"
			}
			made, err := h.person().CreateWebhook(t.Context(), &notifyv1.CreateWebhookRequest{Webhook: &notifyv1.Webhook{Title: "x", Url: url, Events: []string{"*"}}})
			if err != nil {
				t.Fatal(err)
			}
			h.publish(h.organisation, "runs.run.lost")
			h.tell()
			name := h.deliveries(made.GetWebhook().GetName())[0].GetName()
			_, err = h.deliver(name)
			if connect.CodeOf(err) != connect.CodeResourceExhausted || !strings.Contains(rpc.Message(err), tc.fault) || !strings.Contains(rpc.Message(err), "attempt 1 of 4") {
				t.Errorf("%v, want %q", err, tc.fault)
			}
			got := h.deliveries(made.GetWebhook().GetName())[0]
			if got.GetState() != notifyv1.Delivery_PENDING || got.GetLastStatus() != tc.status || got.GetAttempts() != 1 {
				t.Errorf("delivery: %v", got)
			}
			for _, text := range []string{fmt.Sprint(err), got.GetError(), h.logs.String()} {
				if strings.Contains(text, "addr3ss") || strings.Contains(text, "s3cret") || strings.Contains(text, strings.TrimPrefix(made.GetSecret(), "whsec_")) {
					t.Errorf("it tells a secret: %s", text)
				}
			}
		})
	}
}

func hangUp(w http.ResponseWriter) {
	if conn, _, err := http.NewResponseController(w).Hijack(); err == nil {
		_ = conn.Close()
	}
}

// An answer may be as long as it likes; we read no more of it than we need.
func TestLongAnswer(t *testing.T) {
	t.Parallel()
	h := setupHooks(t, webhookConfig())
	h.answers(func(w http.ResponseWriter, _ *http.Request) {
		for chunk := make([]byte, 1<<20); ; {
			if _, err := w.Write(chunk); err != nil {
				return
			}
		}
	})
	_, name := h.pending()
	if res, err := h.deliver(name); err != nil || res.GetDelivery().GetState() != notifyv1.Delivery_DELIVERED {
		t.Errorf("%v, %v", res, err)
	}
}

func TestGoneDisablesAtOnce(t *testing.T) {
	t.Parallel()
	h := setupHooks(t, webhookConfig())
	made, name := h.pending()
	h.publish(h.organisation, "runs.run.lost")
	h.tell()
	other := h.deliveries(made.GetWebhook().GetName())[0].GetName()
	h.answers(status(http.StatusGone))
	res, err := h.deliver(name)
	if err != nil || !res.GetDisabled() || res.GetWebhook().GetState() != notifyv1.Webhook_DISABLED || res.GetWebhook().GetDisabledReason() != "the address answered 410 Gone" ||
		res.GetDelivery().GetState() != notifyv1.Delivery_FAILED {
		t.Fatalf("%v, %v", res, err)
	}
	// What still waited is given up unsent, and reported by nobody a second time.
	res, err = h.deliver(other)
	if err != nil || res.GetDisabled() || res.GetDelivery().GetState() != notifyv1.Delivery_FAILED || res.GetDelivery().GetAttempts() != 0 || len(h.posts()) != 1 {
		t.Errorf("%v, %v", res, err)
	}
	if _, err := h.person().RedeliverDelivery(t.Context(), &notifyv1.RedeliverDeliveryRequest{Name: name}); rpc.ReasonOf(err) != "WEBHOOK_DISABLED" {
		t.Errorf("replay of a disabled webhook: %v", err)
	}
	if !strings.Contains(h.dump(), "DeliverWebhook") {
		t.Error("not audited")
	}
	enabled, err := h.person().UpdateWebhook(t.Context(), &notifyv1.UpdateWebhookRequest{Webhook: &notifyv1.Webhook{Name: made.GetWebhook().GetName(), State: notifyv1.Webhook_ENABLED}})
	if err != nil || enabled.GetDisabledReason() != "" || enabled.GetFailingSince() != nil {
		t.Errorf("%v, %v", enabled, err)
	}
}

func TestDisabledAfterDays(t *testing.T) {
	t.Parallel()
	h := setupHooks(t, webhookConfig())
	h.answers(status(http.StatusBadGateway))
	made, name := h.pending()
	for range 4 {
		_, _ = h.deliver(name)
		h.wait(11 * time.Hour)
	}
	if got := h.webhook(made.GetWebhook().GetName()); got.GetState() != notifyv1.Webhook_ENABLED {
		t.Fatalf("after 33 hours: %v", got)
	}
	h.wait(30 * time.Hour)
	h.publish(h.organisation, "runs.run.lost")
	h.tell()
	res, err := h.deliver(h.deliveries(made.GetWebhook().GetName())[0].GetName())
	if err != nil || !res.GetDisabled() || !strings.Contains(res.GetWebhook().GetDisabledReason(), "every attempt since") || res.GetDelivery().GetState() != notifyv1.Delivery_FAILED {
		t.Errorf("%v, %v", res, err)
	}
}

// Calls at once: one attempt.
func TestOneAttemptAtATime(t *testing.T) {
	t.Parallel()
	h := setupHooks(t, webhookConfig())
	begun, goOn := make(chan struct{}, 10), make(chan struct{})
	h.answers(func(http.ResponseWriter, *http.Request) {
		begun <- struct{}{}
		<-goOn
	})
	_, name := h.pending()
	var first sync.WaitGroup
	first.Go(func() {
		if _, err := h.deliver(name); err != nil {
			t.Error(err)
		}
	})
	<-begun
	if _, err := h.deliver(name); connect.CodeOf(err) != connect.CodeResourceExhausted || !strings.Contains(err.Error(), "under way") {
		t.Errorf("beside an attempt: %v", err)
	}
	close(goOn)
	first.Wait()
	if len(h.posts()) != 1 {
		t.Errorf("%d posts", len(h.posts()))
	}
}

func TestRotatedSecret(t *testing.T) {
	t.Parallel()
	h := setupHooks(t, webhookConfig())
	made, name := h.pending()
	rotated, err := h.person().RotateWebhookSecret(t.Context(), &notifyv1.RotateWebhookSecretRequest{Name: made.GetWebhook().GetName(), OverlapSeconds: 60})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.deliver(name); err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{made.GetSecret(), rotated.GetSecret()} {
		if err := verify(secret, h.posts()[0].header, h.posts()[0].body); err != nil {
			t.Errorf("during the overlap: %v", err)
		}
	}
	h.wait(61 * time.Second)
	if _, err := h.person().TestWebhook(t.Context(), &notifyv1.TestWebhookRequest{Name: made.GetWebhook().GetName()}); err != nil {
		t.Fatal(err)
	}
	if verify(made.GetSecret(), h.posts()[1].header, h.posts()[1].body) == nil || verify(rotated.GetSecret(), h.posts()[1].header, h.posts()[1].body) != nil {
		t.Error("after the overlap the old secret signs, or the new one does not")
	}
}

func TestPing(t *testing.T) {
	t.Parallel()
	h := setupHooks(t, webhookConfig())
	made := h.create("runs.run.failed")
	name := made.GetWebhook().GetName()
	got, err := h.person().TestWebhook(t.Context(), &notifyv1.TestWebhookRequest{Name: name})
	if err != nil || got.GetState() != notifyv1.Delivery_DELIVERED || got.GetEvent() != "notify.webhook.ping" || got.GetLastStatus() != 200 {
		t.Errorf("%v, %v", got, err)
	}
	if err := verify(made.GetSecret(), h.posts()[0].header, h.posts()[0].body); err != nil {
		t.Error(err)
	}
	h.answers(status(http.StatusNotFound))
	h.wait(10 * time.Second)
	got, err = h.person().TestWebhook(t.Context(), &notifyv1.TestWebhookRequest{Name: name})
	if err != nil || got.GetState() != notifyv1.Delivery_FAILED || got.GetLastStatus() != 404 || got.GetNextAttemptTime() != nil {
		t.Errorf("%v, %v", got, err)
	}
	if h.webhook(name).GetFailingSince() != nil || h.dueFacts() != 0 {
		t.Error("a test counts as a failure")
	}
}
