package authserver_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	authserverv1 "github.com/microservicehub/mshub/authserver/v1"
	"github.com/microservicehub/mshub/internal/auth"
)

// form posts to an endpoint with the client's credentials; "" for none.
func (h *house) form(path string, form url.Values, id, secret string) (int, map[string]any) {
	h.t.Helper()
	req, err := http.NewRequestWithContext(h.t.Context(), http.MethodPost, h.url+path, strings.NewReader(form.Encode()))
	if err != nil {
		h.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if id != "" {
		req.SetBasicAuth(url.QueryEscape(id), url.QueryEscape(secret))
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		h.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	var answer map[string]any
	_ = json.NewDecoder(res.Body).Decode(&answer) // some answers have no body
	return res.StatusCode, answer
}

func TestAMachineGetsTokens(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	app := h.application(h.administrator().console(), authserverv1.Client_MACHINE, "", "runs:write", "records:read")
	machine := clientcredentials.Config{ClientID: app.GetClientId(), ClientSecret: app.GetClientSecret(), TokenURL: h.url + "/oauth2/token"}
	token, err := machine.Token(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	caller, err := h.verifier.Verify(t.Context(), token.AccessToken)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"records.read", "runs.read", "runs.write", "tasks.decide", "tasks.read"}
	if diff := cmp.Diff(want, caller.Permissions); diff != "" || caller.Kind != auth.Client || caller.Actor != "clients/"+app.GetClientId() {
		t.Errorf("%+v; permissions (-want +got):\n%s", caller, diff)
	}
	if token.RefreshToken != "" || token.Extra("id_token") != nil {
		t.Error("a machine got more than an access token")
	}

	machine.Scopes = []string{"records:read"}
	if token, err = machine.Token(t.Context()); err != nil {
		t.Fatal(err)
	}
	if caller, err = h.verifier.Verify(t.Context(), token.AccessToken); err != nil || !slices.Equal(caller.Permissions, []string{"records.read"}) {
		t.Errorf("fewer scopes: %v %v", caller.Permissions, err)
	}
	client, err := h.clients(h.console("ada@example.com")).GetClient(t.Context(), &authserverv1.GetClientRequest{Name: app.GetClient().GetName()})
	if err != nil || client.GetLastUseTime() == nil {
		t.Errorf("the last use: %v %v", client.GetLastUseTime(), err)
	}
}

// console signs somebody in and returns a token.
func (h *house) console(email string) string {
	h.t.Helper()
	b := h.browser()
	b.signIn(email, password)
	return b.console()
}

func TestTokenEndpointRefuses(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	token := h.administrator().console()
	machine := h.application(token, authserverv1.Client_MACHINE, "", "runs:read")
	web := h.application(token, authserverv1.Client_CONFIDENTIAL, callback, "openid", "runs:read")
	device := h.application(token, authserverv1.Client_PUBLIC, "http://127.0.0.1/callback", "openid")
	grant := func(name string, more ...string) url.Values {
		form := url.Values{"grant_type": {name}}
		for i := 0; i < len(more); i += 2 {
			form.Add(more[i], more[i+1])
		}
		return form
	}
	for name, c := range map[string]struct {
		form       url.Values
		id, secret string
		status     int
		err        string
	}{
		"wrong secret":              {grant("client_credentials"), machine.GetClientId(), "wrong", 401, "invalid_client"},
		"no secret":                 {grant("client_credentials", "client_id", machine.GetClientId()), "", "", 401, "invalid_client"},
		"another's secret":          {grant("client_credentials"), machine.GetClientId(), web.GetClientSecret(), 401, "invalid_client"},
		"unknown client":            {grant("client_credentials"), "nobody", "wrong", 401, "invalid_client"},
		"nobody":                    {grant("client_credentials"), "", "", 401, "invalid_client"},
		"two places":                {grant("client_credentials", "client_secret", machine.GetClientSecret()), machine.GetClientId(), machine.GetClientSecret(), 400, "invalid_request"},
		"two ids":                   {grant("client_credentials", "client_id", web.GetClientId()), machine.GetClientId(), machine.GetClientSecret(), 400, "invalid_request"},
		"an assertion":              {grant("client_credentials", "client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer", "client_assertion", "e30.e30."), "", "", 401, "invalid_client"},
		"scope not registered":      {grant("client_credentials", "scope", "runs:write"), machine.GetClientId(), machine.GetClientSecret(), 400, "invalid_scope"},
		"another audience":          {grant("client_credentials", "audience", "https://evil.example"), machine.GetClientId(), machine.GetClientSecret(), 400, "invalid_request"},
		"a web server by itself":    {grant("client_credentials"), web.GetClientId(), web.GetClientSecret(), 400, "unauthorized_client"},
		"a device by itself":        {grant("client_credentials", "client_id", device.GetClientId()), "", "", 400, "invalid_grant"},
		"a device with a secret":    {grant("client_credentials", "client_id", device.GetClientId(), "client_secret", "x"), "", "", 401, "invalid_client"},
		"password grant":            {grant("password", "username", "ada@example.com", "password", password), web.GetClientId(), web.GetClientSecret(), 400, "invalid_request"},
		"unknown grant":             {grant("urn:ietf:params:oauth:grant-type:device_code"), web.GetClientId(), web.GetClientSecret(), 400, "invalid_request"},
		"no grant":                  {url.Values{"scope": {"runs:read"}}, machine.GetClientId(), machine.GetClientSecret(), 400, "invalid_request"},
		"a machine with a code":     {grant("authorization_code", "code", "mshub_ac_a.b"), machine.GetClientId(), machine.GetClientSecret(), 400, "unauthorized_client"},
		"a made-up code":            {grant("authorization_code", "code", "mshub_ac_a.b", "redirect_uri", callback), web.GetClientId(), web.GetClientSecret(), 400, "invalid_grant"},
		"a made-up refresh token":   {grant("refresh_token", "refresh_token", "mshub_rt_a.b"), web.GetClientId(), web.GetClientSecret(), 400, "invalid_grant"},
		"a refresh token too short": {grant("refresh_token", "refresh_token", ""), web.GetClientId(), web.GetClientSecret(), 400, "invalid_grant"},
		"a service's wrong secret":  {grant("client_credentials"), "worker", auth.ServiceSecrets(h.keys, "operator")[0], 401, "invalid_client"},
		"a service's other scope":   {grant("client_credentials", "scope", "mshub.operator"), "worker", auth.ServiceSecrets(h.keys, "worker")[0], 400, "invalid_scope"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			status, answer := h.form("/oauth2/token", c.form, c.id, c.secret)
			if status != c.status || answer["error"] != c.err {
				t.Errorf("%d %v, want %d %s", status, answer, c.status, c.err)
			}
		})
	}
}

func TestServicesOfTheHouseGetTokens(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	for _, name := range []string{"worker", "operator", "node"} {
		token, expiry, err := h.service(name)(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		caller, err := h.verifier.Verify(t.Context(), token)
		if err != nil {
			t.Fatal(err)
		}
		if caller.Kind != auth.Service || caller.Actor != "services/"+name || !slices.Equal(caller.Scopes, []string{"mshub." + name}) || len(caller.Permissions) > 0 {
			t.Errorf("%s: %+v", name, caller)
		}
		if !expiry.After(caller.IssuedAt) || expiry.After(caller.Expiry.Add(2e9)) {
			t.Errorf("%s: expires %s, token %s", name, expiry, caller.Expiry)
		}
	}
}

func TestACodeHasOneWinner(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	other := newHouseOn(t, h.db, h.keys) // a second node
	b := h.administrator()
	rp := h.relyingParty(h.application(b.console(), authserverv1.Client_CONFIDENTIAL, callback, "openid", "offline_access"), callback, "openid", "offline_access")
	code := b.allowed(t, rp)
	results := race(100, func(i int) (int, map[string]any) {
		node := []*house{h, other}[i%2]
		return node.form("/oauth2/token", url.Values{
			"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {callback}, "code_verifier": {rp.verifier},
		}, rp.ClientID, rp.ClientSecret)
	})
	winner := oneWinner(t, results)
	// Somebody else had the code: what the winner got is taken back.
	if status, answer := h.form("/oauth2/token", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {winner["refresh_token"].(string)}}, rp.ClientID, rp.ClientSecret); answer["error"] != "invalid_grant" {
		t.Errorf("the winner's refresh token: %d %v", status, answer)
	}
}

func TestAWrongVerifierSpoilsTheCode(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	b := h.administrator()
	rp := h.relyingParty(h.application(b.console(), authserverv1.Client_CONFIDENTIAL, callback, "openid"), callback, "openid")
	code := b.allowed(t, rp)
	for _, verifier := range []string{oauth2.GenerateVerifier(), rp.verifier} {
		status, answer := h.form("/oauth2/token", url.Values{
			"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {callback}, "code_verifier": {verifier},
		}, rp.ClientID, rp.ClientSecret)
		if status != http.StatusBadRequest || answer["error"] != "invalid_grant" {
			t.Errorf("%d %v", status, answer)
		}
	}
}

func TestARefreshTokenHasOneWinner(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	other := newHouseOn(t, h.db, h.keys)
	rp, token := h.offline(t)
	results := race(50, func(i int) (int, map[string]any) {
		node := []*house{h, other}[i%2]
		return node.form("/oauth2/token", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token.RefreshToken}}, rp.ClientID, rp.ClientSecret)
	})
	oneWinner(t, results)
}

type result struct {
	status int
	answer map[string]any
}

func race(n int, do func(i int) (int, map[string]any)) []result {
	results := make([]result, n)
	var ready, done sync.WaitGroup
	start := make(chan struct{})
	for i := range n {
		ready.Add(1)
		done.Go(func() {
			ready.Done()
			<-start
			results[i].status, results[i].answer = do(i)
		})
	}
	ready.Wait()
	close(start)
	done.Wait()
	return results
}

func oneWinner(t *testing.T, results []result) map[string]any {
	t.Helper()
	var winners []map[string]any
	for _, r := range results {
		switch {
		case r.status == http.StatusOK:
			winners = append(winners, r.answer)
		case r.status != http.StatusBadRequest || r.answer["error"] != "invalid_grant":
			t.Errorf("a loser got %d %v", r.status, r.answer)
		}
	}
	if len(winners) != 1 {
		t.Fatalf("%d winners, want 1", len(winners))
	}
	return winners[0]
}

// offline is an application that was allowed to keep its access.
func (h *house) offline(t *testing.T) (*relyingParty, *oauth2.Token) {
	t.Helper()
	b := h.administrator()
	scopes := []string{"openid", "offline_access", "records:read", "runs:read"}
	rp := h.relyingParty(h.application(b.console(), authserverv1.Client_CONFIDENTIAL, callback, scopes...), callback, scopes...)
	token, err := rp.redeem(t.Context(), b.allowed(t, rp))
	if err != nil {
		t.Fatal(err)
	}
	return rp, token
}

func TestRefresh(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	rp, first := h.offline(t)
	refresh := func(token string, more ...string) (int, map[string]any) {
		form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}}
		for i := 0; i < len(more); i += 2 {
			form.Set(more[i], more[i+1])
		}
		return h.form("/oauth2/token", form, rp.ClientID, rp.ClientSecret)
	}
	before, err := h.verifier.Verify(t.Context(), first.AccessToken)
	if err != nil {
		t.Fatal(err)
	}
	// Fewer scopes for the access token; the refresh token keeps them all.
	status, second := refresh(first.RefreshToken, "scope", "records:read")
	if status != http.StatusOK || second["scope"] != "records:read" {
		t.Fatalf("%d %v", status, second)
	}
	narrow, err := h.verifier.Verify(t.Context(), second["access_token"].(string))
	if err != nil || !slices.Equal(narrow.Permissions, []string{"records.read"}) || !narrow.IssuedAt.After(before.IssuedAt) || narrow.SessionID != before.SessionID {
		t.Errorf("%+v %v", narrow, err)
	}
	if status, answer := refresh(second["refresh_token"].(string), "scope", "records:read records:write"); status != http.StatusBadRequest || answer["error"] != "invalid_scope" {
		t.Errorf("more than was allowed: %d %v", status, answer)
	}
	status, third := refresh(second["refresh_token"].(string))
	if status != http.StatusOK || third["scope"] != "openid offline_access records:read runs:read" || third["id_token"] == nil {
		t.Fatalf("%d %v", status, third)
	}
	// An old one again: the whole family ends.
	if status, answer := refresh(first.RefreshToken); status != http.StatusBadRequest || answer["error"] != "invalid_grant" {
		t.Errorf("a replay: %d %v", status, answer)
	}
	if status, answer := refresh(third["refresh_token"].(string)); status != http.StatusBadRequest || answer["error"] != "invalid_grant" {
		t.Errorf("the newest after a replay: %d %v", status, answer)
	}
	if _, answer := h.form("/oauth2/introspect", url.Values{"token": {third["access_token"].(string)}}, rp.ClientID, rp.ClientSecret); answer["active"] != false {
		t.Errorf("its access token: %v", answer)
	}
}

func TestARefreshTokenBelongsToItsClient(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	rp, token := h.offline(t)
	thief := h.application(h.console("ada@example.com"), authserverv1.Client_CONFIDENTIAL, callback, "offline_access")
	status, answer := h.form("/oauth2/token", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token.RefreshToken}}, thief.GetClientId(), thief.GetClientSecret())
	if status != http.StatusBadRequest || answer["error"] != "invalid_grant" {
		t.Errorf("another client: %d %v", status, answer)
	}
	if _, err := rp.TokenSource(t.Context(), &oauth2.Token{RefreshToken: token.RefreshToken}).Token(); err != nil {
		t.Errorf("the rightful one afterwards: %v", err)
	}
}

func TestPKCECannotBeAvoided(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	b := h.administrator()
	rp := h.relyingParty(h.application(b.console(), authserverv1.Client_CONFIDENTIAL, callback, "openid"), callback, "openid")
	redeem := func(code, verifier string) (int, map[string]any) {
		form := url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {callback}}
		if verifier != "" {
			form.Set("code_verifier", verifier)
		}
		return h.form("/oauth2/token", form, rp.ClientID, rp.ClientSecret)
	}
	for name, tries := range map[string][]string{
		"none":              {""},
		"wrong, then none":  {oauth2.GenerateVerifier(), ""},
		"wrong, then right": {oauth2.GenerateVerifier(), rp.verifier},
		"short":             {"abc"},
		"the challenge":     {oauth2.S256ChallengeFromVerifier(rp.verifier)},
	} {
		code := b.allowed(t, rp)
		for _, verifier := range tries {
			if status, answer := redeem(code, verifier); status != http.StatusBadRequest {
				t.Errorf("%s: %d %v", name, status, answer)
			}
		}
	}
	code := b.allowed(t, rp)
	form := url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {"https://app.example/other"}, "code_verifier": {rp.verifier}}
	if status, answer := h.form("/oauth2/token", form, rp.ClientID, rp.ClientSecret); status != http.StatusBadRequest || answer["error"] != "invalid_grant" {
		t.Errorf("another redirect URI: %d %v", status, answer)
	}
}

func TestIntrospectionAndRevocation(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	rp, token := h.offline(t)
	admin := h.console("ada@example.com")
	machine := h.application(admin, authserverv1.Client_MACHINE, "", "records:read")
	device := h.application(admin, authserverv1.Client_PUBLIC, "http://127.0.0.1/callback", "openid")
	active := func(token, id, secret string) any {
		_, answer := h.form("/oauth2/introspect", url.Values{"token": {token}}, id, secret)
		return answer["active"]
	}
	if active(token.AccessToken, rp.ClientID, rp.ClientSecret) != true || active(token.AccessToken, machine.GetClientId(), machine.GetClientSecret()) != true {
		t.Error("a good token is not active to clients of its organisation")
	}
	if active(token.RefreshToken, rp.ClientID, rp.ClientSecret) != true || active(token.RefreshToken, machine.GetClientId(), machine.GetClientSecret()) != false {
		t.Error("a refresh token is its own client's business")
	}
	if status, _ := h.form("/oauth2/introspect", url.Values{"token": {token.AccessToken}, "client_id": {device.GetClientId()}}, "", ""); status != http.StatusUnauthorized {
		t.Errorf("a public client asks: %d", status)
	}
	if active(token.AccessToken[:len(token.AccessToken)-2]+"AA", rp.ClientID, rp.ClientSecret) != false || active(token.Extra("id_token").(string), rp.ClientID, rp.ClientSecret) != false {
		t.Error("an altered token or an ID token is active")
	}
	revoke := func(token, id, secret string) int {
		status, _ := h.form("/oauth2/revoke", url.Values{"token": {token}}, id, secret)
		return status
	}
	if status := revoke(token.RefreshToken, machine.GetClientId(), machine.GetClientSecret()); status != http.StatusOK || active(token.RefreshToken, rp.ClientID, rp.ClientSecret) != true {
		t.Errorf("another client revokes: %d", status)
	}
	if status := revoke(token.AccessToken, rp.ClientID, rp.ClientSecret); status != http.StatusOK || active(token.AccessToken, rp.ClientID, rp.ClientSecret) != false {
		t.Errorf("the access token alone: %d", status)
	}
	renewed, err := rp.TokenSource(t.Context(), &oauth2.Token{RefreshToken: token.RefreshToken}).Token()
	if err != nil {
		t.Fatal(err)
	}
	if status := revoke(renewed.RefreshToken, rp.ClientID, rp.ClientSecret); status != http.StatusOK {
		t.Errorf("the refresh token: %d", status)
	}
	if active(renewed.AccessToken, rp.ClientID, rp.ClientSecret) != false {
		t.Error("the access token outlives its family")
	}
	var failure *oauth2.RetrieveError
	if _, err := rp.TokenSource(t.Context(), &oauth2.Token{RefreshToken: renewed.RefreshToken}).Token(); !errors.As(err, &failure) || failure.ErrorCode != "invalid_grant" {
		t.Errorf("after the revocation: %v", err)
	}
	if status := revoke("nonsense", rp.ClientID, rp.ClientSecret); status != http.StatusOK {
		t.Errorf("nonsense: %d", status)
	}
	if status := revoke(token.RefreshToken, rp.ClientID, "wrong"); status != http.StatusUnauthorized {
		t.Errorf("a wrong secret: %d", status)
	}
}
