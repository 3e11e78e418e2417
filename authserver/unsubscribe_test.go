package authserver_test

import (
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/microservicehub/mshub/internal/auth"
	"github.com/microservicehub/mshub/internal/rpc"
	"github.com/microservicehub/mshub/services/identity"
	identityv1 "github.com/microservicehub/mshub/services/identity/v1"
)

// TestUnsubscribe ends a digest as people and mail programs do: nobody is signed in, and looking changes nothing.
func TestUnsubscribe(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.administrator()
	var organisation uuid.UUID
	err := h.db.Global(t.Context(), func(tx pgx.Tx) error {
		return tx.QueryRow(t.Context(), "SELECT id FROM identity.organisations").Scan(&organisation)
	})
	if err != nil {
		t.Fatal(err)
	}
	people := identity.New(h.db, identity.Config{}, h.url, h.keys.Derive("identity/links"), rpc.HTTPClient(), time.Now, slog.New(slog.DiscardHandler))
	addresses := func() (links []string) {
		run := auth.With(t.Context(), auth.Caller{Kind: auth.Run, Run: uuid.New(), Organisation: organisation})
		list, err := people.ListAddressees(run, &identityv1.ListAddresseesRequest{Concerns: []string{"roles/admin"}, Digest: true})
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range list.GetAddressees() {
			links = append(links, a.GetUnsubscribe())
		}
		return links
	}
	link := addresses()[0]
	asked := h.browser().get(link)
	if asked.status != http.StatusOK || !strings.Contains(asked.text(), "The digest of Home") || !strings.Contains(asked.header.Get("Content-Security-Policy"), "form-action 'self'") {
		t.Errorf("%d %s", asked.status, asked.text())
	}
	if len(addresses()) != 1 {
		t.Error("looking was enough")
	}
	for name, send := range map[string]func() page{
		"the page's button": func() page { return h.browser().submit(asked, nil) },
		"the mail program's, as RFC 8058 wants it": func() page {
			body := "--x\r\nContent-Disposition: form-data; name=\"List-Unsubscribe\"\r\n\r\nOne-Click\r\n--x--\r\n"
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, link, strings.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Content-Type", "multipart/form-data; boundary=x")
			return h.browser().do(req)
		},
	} {
		err := h.db.Global(t.Context(), func(tx pgx.Tx) error {
			_, err := tx.Exec(t.Context(), "SELECT set_config('mshub.org', $1, true)", organisation.String())
			if err == nil {
				_, err = tx.Exec(t.Context(), "UPDATE identity.memberships SET digest = true")
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if p := send(); p.status != http.StatusOK || !strings.Contains(p.text(), "no digest of Home any more") {
				t.Errorf("%s: %d %s", name, p.status, p.text())
			}
		}
		if len(addresses()) != 0 {
			t.Errorf("%s: the digest still comes", name)
		}
	}
	for _, broken := range []string{"", "?link=", "?link=%00", "?link=%ff", "?link=nonsense", "?link=" + strings.Repeat("A", 300), "?link=" + strings.Repeat("A", 86)} {
		if p := h.browser().get("/unsubscribe" + broken); p.status != http.StatusGone {
			t.Errorf("%q: %d %s", broken, p.status, p.text())
		}
	}
}
