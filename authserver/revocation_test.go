package authserver_test

import (
	"net/http"
	"net/url"
	"testing"
	"time"

	"connectrpc.com/connect"
	"golang.org/x/oauth2"

	authserverv1 "github.com/microservicehub/mshub/authserver/v1"
	"github.com/microservicehub/mshub/authserver/v1/authserverv1connect"
	"github.com/microservicehub/mshub/internal/auth"
	"github.com/microservicehub/mshub/internal/rpc"
	identityv1 "github.com/microservicehub/mshub/services/identity/v1"
	"github.com/microservicehub/mshub/services/identity/v1/identityv1connect"
)

// refused waits until the services of the house refuse a token that they accepted before.
func (h *house) refused(token string) {
	h.t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for {
		_, err := h.verifier.Verify(h.t.Context(), token)
		if rpc.ReasonOf(err) == "TOKEN_REVOKED" {
			return
		}
		if time.Now().After(deadline) {
			h.t.Fatalf("the token is still accepted (%v)", err)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func (h *house) good(token string) {
	h.t.Helper()
	if _, err := h.verifier.Verify(h.t.Context(), token); err != nil {
		h.t.Fatal(err)
	}
}

func TestSigningOutTakesTheTokenBack(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.run()
	b := h.administrator()
	other := h.administratorAgain()
	token, kept := b.console(), other.console()
	h.good(token)
	if p := b.get("/signout"); p.status != http.StatusOK {
		t.Fatalf("the question: %d", p.status)
	}
	if status, _ := b.token("{}", nil); status != http.StatusOK {
		t.Error("asking signed out")
	}
	if p := b.submit(b.get("/signout"), nil); p.path != "/signin" {
		t.Errorf("after signing out: %s", p.path)
	}
	h.refused(token)
	h.good(kept)
	if status, answer := b.token("{}", nil); status != http.StatusUnauthorized || answer.Code != "unauthenticated" {
		t.Errorf("the session: %d %+v", status, answer)
	}
}

func TestAPersonEndsOwnSessions(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.run()
	b := h.administrator()
	other := h.administratorAgain()
	stolen := other.console()
	sessions := authserverv1connect.NewSessionServiceClient(http.DefaultClient, h.url, as(b.console()))
	list, err := sessions.ListSessions(t.Context(), &authserverv1.ListSessionsRequest{})
	if err != nil || len(list.GetSessions()) != 2 {
		t.Fatalf("%v %v", list, err)
	}
	for _, s := range list.GetSessions() {
		if s.GetRemoteAddress() != "127.0.0.1" || s.GetUserAgent() == "" {
			t.Errorf("%v", s)
		}
		if !s.GetCurrent() {
			if _, err := sessions.RevokeSession(t.Context(), &authserverv1.RevokeSessionRequest{Name: s.GetName()}); err != nil {
				t.Fatal(err)
			}
			if _, err := sessions.RevokeSession(t.Context(), &authserverv1.RevokeSessionRequest{Name: s.GetName()}); connect.CodeOf(err) != connect.CodeNotFound {
				t.Errorf("twice: %v", err)
			}
		}
	}
	h.refused(stolen)
	if status, _ := other.token("{}", nil); status != http.StatusUnauthorized {
		t.Errorf("the other browser: %d", status)
	}
	if status, _ := b.token("{}", nil); status != http.StatusOK {
		t.Errorf("this browser: %d", status)
	}
}

func TestAPersonTakesAGrantBack(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.run()
	rp, token := h.offline(t)
	b := h.administratorAgain()
	console := b.console()
	grants := authserverv1connect.NewGrantServiceClient(http.DefaultClient, h.url, as(console))
	list, err := grants.ListGrants(t.Context(), &authserverv1.ListGrantsRequest{})
	if err != nil || len(list.GetGrants()) != 1 {
		t.Fatalf("%v %v", list, err)
	}
	grant := list.GetGrants()[0]
	if grant.GetClient() != "clients/"+rp.ClientID || grant.GetClientTitle() != "Reporting & more" || len(grant.GetScopes()) != 4 {
		t.Errorf("%v", grant)
	}
	// The third party itself may not look into the person's other grants.
	if _, err := authserverv1connect.NewGrantServiceClient(http.DefaultClient, h.url, as(token.AccessToken)).ListGrants(t.Context(), &authserverv1.ListGrantsRequest{}); connect.CodeOf(err) != connect.CodePermissionDenied {
		t.Errorf("the third party lists grants: %v", err)
	}
	if _, err := grants.RevokeGrant(t.Context(), &authserverv1.RevokeGrantRequest{Name: grant.GetName()}); err != nil {
		t.Fatal(err)
	}
	h.refused(token.AccessToken)
	h.good(console)
	if _, err := rp.TokenSource(t.Context(), &oauth2.Token{RefreshToken: token.RefreshToken}).Token(); err == nil {
		t.Error("the refresh token still works")
	}
	if p := b.get(rp.start()); p.url.Path != "/consent" {
		t.Errorf("the next sign-in does not ask again: %s %s", p.path, p.location)
	}
}

func TestADisabledPersonIsOut(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.run()
	admin := h.administrator()
	people := identityv1connect.NewIdentityServiceClient(http.DefaultClient, h.url, as(admin.console()))
	bob := h.browser()
	bob.submit(bob.get("/signup"), url.Values{"name": {"Bob"}, "email": {"bob@example.com"}})
	if p := bob.submit(bob.get(h.nextMail().GetValues()["link"]), url.Values{"password": {password}}); p.path != "/" {
		t.Fatal(p.text())
	}
	caller, err := h.verifier.Verify(t.Context(), bob.console())
	if err != nil {
		t.Fatal(err)
	}
	name := "users/" + caller.User.String()
	membership, err := people.CreateMembership(t.Context(), &identityv1.CreateMembershipRequest{Membership: &identityv1.Membership{User: name, Roles: []string{"member"}}})
	if err != nil {
		t.Fatal(err)
	}
	token := bob.console()
	h.good(token)
	if _, err := people.UpdateMembership(t.Context(), &identityv1.UpdateMembershipRequest{
		Membership: &identityv1.Membership{Name: membership.GetName(), User: name, Roles: []string{"viewer"}},
		UpdateMask: mask("roles"),
	}); err != nil {
		t.Fatal(err)
	}
	h.refused(token) // roles changed: a new token, the same session
	token = bob.console()
	h.good(token)
	if _, err := people.DisableUser(t.Context(), &identityv1.DisableUserRequest{Name: name}); err != nil {
		t.Fatal(err)
	}
	h.refused(token)
	if status, _ := bob.token("{}", nil); status != http.StatusUnauthorized {
		t.Errorf("the session of a disabled person: %d", status)
	}
	if p := h.browser().signIn("bob@example.com", password); p.status != http.StatusUnauthorized {
		t.Errorf("signing in: %d", p.status)
	}
}

func TestADeletedOrRotatedClientIsOut(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.run()
	console := h.administrator().console()
	clients := h.clients(console)
	app := h.application(console, authserverv1.Client_MACHINE, "", "runs:read")
	get := func(secret string) (int, string) {
		status, answer := h.form("/oauth2/token", url.Values{"grant_type": {"client_credentials"}}, app.GetClientId(), secret)
		token, _ := answer["access_token"].(string)
		return status, token
	}
	_, old := get(app.GetClientSecret())
	rotated, err := clients.RotateClientSecret(t.Context(), &authserverv1.RotateClientSecretRequest{Name: app.GetClient().GetName(), OverlapSeconds: 600})
	if err != nil {
		t.Fatal(err)
	}
	if status, _ := get(app.GetClientSecret()); status != http.StatusOK {
		t.Errorf("the old secret during the overlap: %d", status)
	}
	h.good(old)
	again, err := clients.RotateClientSecret(t.Context(), &authserverv1.RotateClientSecretRequest{Name: app.GetClient().GetName()})
	if err != nil {
		t.Fatal(err)
	}
	for name, secret := range map[string]string{"first": app.GetClientSecret(), "second": rotated.GetClientSecret()} {
		if status, _ := get(secret); status != http.StatusUnauthorized {
			t.Errorf("the %s secret: %d", name, status)
		}
	}
	status, token := get(again.GetClientSecret()) // within the same second as the rotation
	if status != http.StatusOK {
		t.Fatalf("the new secret: %d", status)
	}
	h.refused(old)
	h.good(token)
	if _, err := clients.DeleteClient(t.Context(), &authserverv1.DeleteClientRequest{Name: app.GetClient().GetName()}); err != nil {
		t.Fatal(err)
	}
	h.refused(token)
	if status, _ := get(again.GetClientSecret()); status != http.StatusUnauthorized {
		t.Errorf("a deleted client: %d", status)
	}
}

func TestTheFeedIsForTheHouse(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	console := h.administrator().console()
	machine := h.application(console, authserverv1.Client_MACHINE, "", "admin")
	_, answer := h.form("/oauth2/token", url.Values{"grant_type": {"client_credentials"}}, machine.GetClientId(), machine.GetClientSecret())
	node, _, err := h.service("node")(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	since := url.Values{"since": {time.Now().Add(-time.Minute).Format(time.RFC3339)}}.Encode()
	for name, c := range map[string]struct {
		token, query string
		status       int
	}{
		"a node":       {node, since, http.StatusOK},
		"no time":      {node, "", http.StatusBadRequest},
		"a person":     {console, since, http.StatusForbidden},
		"a machine":    {answer["access_token"].(string), since, http.StatusForbidden},
		"nobody":       {"", since, http.StatusUnauthorized},
		"a wrong sign": {node[:len(node)-4] + "AAAA", since, http.StatusUnauthorized},
	} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, h.url+"/oauth2/revocations?"+c.query, nil)
		if err != nil {
			t.Fatal(err)
		}
		if c.token != "" {
			req.Header.Set("Authorization", "Bearer "+c.token)
		}
		if p := h.browser().do(req); p.status != c.status {
			t.Errorf("%s: %d %s, want %d", name, p.status, p.body, c.status)
		}
	}
	if fetch := auth.RevocationFeed(http.DefaultClient, h.url+"/oauth2/revocations", h.service("node"), time.Now); fetch != nil {
		if list, err := fetch(t.Context(), time.Now().Add(-time.Minute)); err != nil || list == nil {
			t.Errorf("%v %v", list, err)
		}
	}
}
