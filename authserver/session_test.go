package authserver_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/microservicehub/mshub/internal/auth"
)

func TestTheFirstAdministratorComesInByTheLink(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	link := h.administratorLink()
	b := h.browser()
	p := b.get(link)
	if p.status != http.StatusOK || !strings.Contains(p.text(), "Set up the administrator") {
		t.Fatalf("the link's page: %d %s", p.status, p.text())
	}
	weak := b.submit(p, url.Values{"name": {"Ada"}, "email": {"ada@example.com"}, "password": {"12345678"}})
	if weak.status != http.StatusUnprocessableEntity || !strings.Contains(weak.body, `role="alert"`) {
		t.Fatalf("a weak password: %d %s", weak.status, weak.text())
	}
	if in := b.submit(weak, url.Values{"password": {password}}); in.path != "/" {
		t.Fatalf("after the password: %d %s %s", in.status, in.path, in.text())
	}
	if again := h.browser().get(link); again.status != http.StatusGone {
		t.Errorf("the link a second time: %d, want 410", again.status)
	}

	caller, err := h.verifier.Verify(t.Context(), b.console())
	if err != nil {
		t.Fatal(err)
	}
	want := auth.Caller{Kind: auth.User, ClientID: "console", Permissions: []string{"*"}, Roles: []string{"admin"}, Scopes: []string{"openid", "profile", "email", "admin"}}
	got := auth.Caller{Kind: caller.Kind, ClientID: caller.ClientID, Permissions: caller.Permissions, Roles: caller.Roles, Scopes: caller.Scopes}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the console's token (-want +got):\n%s", diff)
	}
	if caller.SessionID == "" || caller.TokenID == "" || time.Until(caller.Expiry) > auth.TokenLifetime {
		t.Errorf("the console's token: session %q, id %q, expires in %s", caller.SessionID, caller.TokenID, time.Until(caller.Expiry))
	}
}

func TestSignIn(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.administrator()
	for name, c := range map[string]struct {
		email, password string
		status          int
		path            string
	}{
		"right":           {"ada@example.com", password, http.StatusOK, "/"},
		"other case":      {"  ADA@Example.com ", password, http.StatusOK, "/"},
		"wrong password":  {"ada@example.com", "something else", http.StatusUnauthorized, "/signin"},
		"unknown address": {"bob@example.com", password, http.StatusUnauthorized, "/signin"},
		"nothing":         {"", "", http.StatusUnauthorized, "/signin"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := h.browser().signIn(c.email, c.password)
			if p.status != c.status || p.path != c.path {
				t.Errorf("%d at %s, want %d at %s: %s", p.status, p.path, c.status, c.path, p.text())
			}
			if c.status != http.StatusOK && !strings.Contains(p.text(), "E-mail or password is wrong.") {
				t.Errorf("the page says: %s", p.text())
			}
		})
	}
}
