package notify_test

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/microservicehub/mshub/services/notify"
)

func TestMailbox(t *testing.T) {
	t.Parallel()
	h := setup(t, nil)
	req := invitation()
	req.Values["displayName"] = `<script>alert("x")</script>`
	if _, err := h.as(run(uuid.New())).SendMail(key(t.Context()), req); err != nil {
		t.Fatal(err)
	}
	mailbox := notify.MailboxHandler(h.captured, slog.New(slog.DiscardHandler))
	get := func(target, host, peer string) *httptest.ResponseRecorder {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, target, nil)
		r.Host, r.RemoteAddr = host, peer
		w := httptest.NewRecorder()
		mailbox.ServeHTTP(w, r)
		return w
	}

	page := get("/dev/mailbox", "localhost:8080", "127.0.0.1:5000")
	body := page.Body.String()
	if page.Code != http.StatusOK || strings.Contains(body, "<script>") || !strings.Contains(body, "&lt;script&gt;") ||
		!strings.Contains(body, `<a href="https://hub.example/verify?link=s3cret">`) {
		t.Errorf("%d %s", page.Code, body)
	}
	if csp := page.Header().Get("Content-Security-Policy"); !strings.HasPrefix(csp, "default-src 'none'") {
		t.Errorf("CSP %q", csp)
	}

	var list struct {
		Mails []struct {
			To, Subject, Text string
			Links             []string
		}
	}
	if err := json.Unmarshal(get("/dev/mailbox?format=json&to=BOB@example.com", "[::1]:8080", "[::1]:5000").Body.Bytes(), &list); err != nil {
		t.Fatal(err)
	}
	if len(list.Mails) != 1 || list.Mails[0].To != "bob@example.com" || list.Mails[0].Subject != "You are invited to Käse & Söhne" {
		t.Fatalf("got %+v", list)
	}
	if diff := cmp.Diff([]string{publicURL + "/verify?link=s3cret"}, list.Mails[0].Links); diff != "" {
		t.Error(diff)
	}
	if other := get("/dev/mailbox?format=json&to=eve@example.com", "localhost", "127.0.0.1:5000").Body.String(); !strings.Contains(other, `"mails":[]`) {
		t.Errorf("got %s", other)
	}

	for name, w := range map[string]*httptest.ResponseRecorder{
		"another machine":  get("/dev/mailbox", "localhost:8080", "192.0.2.1:5000"),
		"a name elsewhere": get("/dev/mailbox", "evil.example", "127.0.0.1:5000"),
	} {
		if w.Code != http.StatusNotFound || strings.Contains(w.Body.String(), "s3cret") {
			t.Errorf("%s: %d", name, w.Code)
		}
	}
}

func TestCapturedMailIsDeletedAfterSevenDays(t *testing.T) {
	t.Parallel()
	h := setup(t, nil)
	if _, err := h.as(run(uuid.New())).SendMail(key(t.Context()), invitation()); err != nil {
		t.Fatal(err)
	}
	err := h.db.Global(t.Context(), func(tx pgx.Tx) error {
		_, err := tx.Exec(t.Context(), "UPDATE notify.captured SET created_at = created_at - $1::interval", 8*24*time.Hour)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.as(run(uuid.New())).SendMail(key(t.Context()), invitation()); err != nil {
		t.Fatal(err)
	}
	var n int
	err = h.db.Global(t.Context(), func(tx pgx.Tx) error {
		return tx.QueryRow(t.Context(), "SELECT count(*) FROM notify.captured").Scan(&n)
	})
	if err != nil || n != 1 {
		t.Errorf("%d mails, %v", n, err)
	}
}
