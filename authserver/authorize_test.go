package authserver_test

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/google/go-cmp/cmp"
	"golang.org/x/oauth2"

	authserverv1 "github.com/microservicehub/mshub/authserver/v1"
	"github.com/microservicehub/mshub/internal/auth"
)

const callback = "https://app.example/callback?tenant=a%20b"

// relyingParty is a third party's web server, written with independent libraries.
type relyingParty struct {
	oauth2.Config
	provider *oidc.Provider
	verifier string
}

func (h *house) relyingParty(app *authserverv1.CreateClientResponse, redirect string, scopes ...string) *relyingParty {
	h.t.Helper()
	provider, err := oidc.NewProvider(h.t.Context(), h.url)
	if err != nil {
		h.t.Fatal(err)
	}
	return &relyingParty{
		Config: oauth2.Config{
			ClientID: app.GetClientId(), ClientSecret: app.GetClientSecret(), Endpoint: provider.Endpoint(), RedirectURL: redirect, Scopes: scopes,
		},
		provider: provider, verifier: oauth2.GenerateVerifier(),
	}
}

func (rp *relyingParty) start(options ...oauth2.AuthCodeOption) string {
	return rp.AuthCodeURL("a-long-state", append([]oauth2.AuthCodeOption{oauth2.S256ChallengeOption(rp.verifier), oidc.Nonce("the-nonce")}, options...)...)
}

// answer is what the redirect URI receives.
func answer(t *testing.T, p page) url.Values {
	t.Helper()
	u, err := url.Parse(p.location)
	if err != nil || p.location == "" {
		t.Fatalf("no redirect but %d at %s: %s", p.status, p.path, p.text())
	}
	return u.Query()
}

func (rp *relyingParty) redeem(ctx context.Context, code string) (*oauth2.Token, error) {
	return rp.Exchange(ctx, code, oauth2.VerifierOption(rp.verifier))
}

// allowed walks a signed-in browser to a code.
func (b *browser) allowed(t *testing.T, rp *relyingParty) string {
	t.Helper()
	p := b.get(rp.start())
	if p.location == "" {
		p = b.submit(p, url.Values{"decision": {"allow"}})
	}
	got := answer(t, p)
	if got.Get("code") == "" {
		t.Fatalf("no code: %v", got)
	}
	return got.Get("code")
}

func TestAThirdPartySignsAPersonIn(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	admin := h.administrator()
	scopes := []string{"openid", "profile", "email", "offline_access", "records:read"}
	app := h.application(admin.console(), authserverv1.Client_CONFIDENTIAL, callback, scopes...)
	rp := h.relyingParty(app, callback, scopes...)

	// A browser without a session: sign-in, then consent, then back to the application.
	b := h.browser()
	p := b.get(rp.start())
	if !strings.HasPrefix(p.path, "/signin?return_to=") {
		t.Fatalf("first step: %s", p.path)
	}
	if policy := p.header.Get("Content-Security-Policy"); !strings.Contains(policy, "form-action 'self' https://app.example;") {
		t.Errorf("the sign-in form can't lead to the application: %s", policy)
	}
	p = b.submit(p, url.Values{"email": {"ada@example.com"}, "password": {password}})
	for _, words := range []string{"Reporting & more", "Read datasets and their records", "Keep its access when you are away", "app.example", "ada@example.com"} {
		if text := unescape.Replace(p.text()); !strings.Contains(text, words) {
			t.Errorf("the consent page does not say %q: %s", words, text)
		}
	}
	p = b.submit(p, url.Values{"decision": {"allow"}})
	if !strings.HasPrefix(p.location, "https://app.example/callback?") {
		t.Fatalf("after consent: %d %s %q", p.status, p.path, p.location)
	}
	got := answer(t, p)
	if got.Get("state") != "a-long-state" || got.Get("iss") != h.url || got.Get("tenant") != "a b" {
		t.Errorf("the answer: %v", got)
	}

	token, err := rp.redeem(t.Context(), got.Get("code"))
	if err != nil {
		t.Fatal(err)
	}
	caller, err := h.verifier.Verify(t.Context(), token.AccessToken)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"records.read"}, caller.Permissions); diff != "" || caller.Kind != auth.User || caller.ClientID != app.GetClientId() {
		t.Errorf("access token %+v; permissions (-want +got):\n%s", caller, diff)
	}
	id, err := rp.provider.VerifierContext(t.Context(), &oidc.Config{ClientID: rp.ClientID, SupportedSigningAlgs: []string{"ES256"}}).Verify(t.Context(), token.Extra("id_token").(string))
	if err != nil {
		t.Fatal(err)
	}
	if err := id.VerifyAccessToken(token.AccessToken); err != nil {
		t.Error(err)
	}
	var claims struct {
		Name     string `json:"name"`
		Email    string `json:"email"`
		Verified bool   `json:"email_verified"`
		AuthTime int64  `json:"auth_time"`
		Party    string `json:"azp"`
	}
	if err := id.Claims(&claims); err != nil {
		t.Fatal(err)
	}
	if id.Nonce != "the-nonce" || id.Subject != caller.User.String() || claims.Name != "Ada" || claims.Email != "ada@example.com" || !claims.Verified || claims.AuthTime == 0 || claims.Party != rp.ClientID {
		t.Errorf("ID token %+v %+v", id, claims)
	}
	info, err := rp.provider.UserInfo(t.Context(), oauth2.StaticTokenSource(token))
	if err != nil {
		t.Fatal(err)
	}
	if info.Subject != id.Subject || info.Email != "ada@example.com" || !info.EmailVerified {
		t.Errorf("userinfo %+v", info)
	}

	// The second time nobody is asked.
	if p := b.get(rp.start()); answer(t, p).Get("code") == "" {
		t.Errorf("a remembered consent: %v", answer(t, p))
	}
	// More than was allowed is asked for again.
	if p := b.get(rp.start(oauth2.SetAuthURLParam("prompt", "consent"))); !strings.HasPrefix(p.path, "/consent?") {
		t.Errorf("prompt=consent: %s %q", p.path, p.location)
	}
}

func TestAPersonRefuses(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	b := h.administrator()
	rp := h.relyingParty(h.application(b.console(), authserverv1.Client_CONFIDENTIAL, callback, "openid"), callback, "openid")
	got := answer(t, b.submit(b.get(rp.start()), url.Values{"decision": {"deny"}}))
	if got.Get("error") != "access_denied" || got.Get("iss") != h.url || got.Get("state") != "a-long-state" || got.Get("code") != "" {
		t.Errorf("%v", got)
	}
	if p := b.get(rp.start()); !strings.HasPrefix(p.path, "/consent?") {
		t.Errorf("a refusal is not remembered as consent, but: %s %s", p.path, p.location)
	}
}

func TestAProgramOnADeviceAlwaysAsks(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	b := h.administrator()
	app := h.application(b.console(), authserverv1.Client_PUBLIC, "http://127.0.0.1/callback", "openid", "runs:read")
	if app.GetClientSecret() != "" {
		t.Error("a public client got a secret")
	}
	const listening = "http://127.0.0.1:49152/callback" // the port it found free
	b.stop = listening
	rp := h.relyingParty(app, listening, "openid", "runs:read")
	rp.Endpoint.AuthStyle = oauth2.AuthStyleInParams
	for range 2 {
		p := b.get(rp.start())
		if !strings.Contains(p.text(), "can't prove who it is") {
			t.Fatalf("%s: %s", p.path, p.text())
		}
		if policy := p.header.Get("Content-Security-Policy"); !strings.Contains(policy, " http://127.0.0.1:49152;") {
			t.Errorf("policy: %s", policy)
		}
		got := answer(t, b.submit(p, url.Values{"decision": {"allow"}}))
		if _, err := rp.redeem(t.Context(), got.Get("code")); err != nil {
			t.Fatal(err)
		}
	}
}

func TestPromptAndMaxAge(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	b := h.administrator()
	rp := h.relyingParty(h.application(b.console(), authserverv1.Client_CONFIDENTIAL, callback, "openid"), callback, "openid")
	code := b.allowed(t, rp)
	if _, err := rp.redeem(t.Context(), code); err != nil {
		t.Fatal(err)
	}
	param := oauth2.SetAuthURLParam
	for name, c := range map[string]struct {
		browser *browser
		options []oauth2.AuthCodeOption
		err     string // of the redirect
		signIn  bool   // first
	}{
		"none, signed in":      {b, []oauth2.AuthCodeOption{param("prompt", "none")}, "", false},
		"none, nobody":         {h.browser(), []oauth2.AuthCodeOption{param("prompt", "none")}, "login_required", false},
		"none and login":       {b, []oauth2.AuthCodeOption{param("prompt", "none login")}, "login_required", false},
		"unknown prompt":       {b, []oauth2.AuthCodeOption{param("prompt", "magic")}, "invalid_request", false},
		"long max_age":         {b, []oauth2.AuthCodeOption{param("max_age", "10000")}, "", false},
		"login":                {b, []oauth2.AuthCodeOption{param("prompt", "login")}, "", true},
		"max_age 0":            {b, []oauth2.AuthCodeOption{param("max_age", "0")}, "", true},
		"no state":             {b, []oauth2.AuthCodeOption{param("state", "")}, "", false},
		"short state":          {b, []oauth2.AuthCodeOption{param("state", "x")}, "", false},
		"short nonce":          {b, []oauth2.AuthCodeOption{param("nonce", "x")}, "", false},
		"query by name":        {b, []oauth2.AuthCodeOption{param("response_mode", "query")}, "", false},
		"implicit":             {b, []oauth2.AuthCodeOption{param("response_type", "token")}, "unsupported_response_type", false},
		"hybrid":               {b, []oauth2.AuthCodeOption{param("response_type", "code id_token")}, "unsupported_response_type", false},
		"scope not registered": {b, []oauth2.AuthCodeOption{param("scope", "openid records:write")}, "invalid_scope", false},
		"scope by prefix":      {b, []oauth2.AuthCodeOption{param("scope", "openid.x")}, "invalid_scope", false},
		"other audience":       {b, []oauth2.AuthCodeOption{param("audience", "https://evil.example")}, "invalid_request", false},
		"no challenge":         {b, []oauth2.AuthCodeOption{param("code_challenge", "")}, "invalid_request", false},
		"plain challenge":      {b, []oauth2.AuthCodeOption{param("code_challenge_method", "plain")}, "invalid_request", false},
		"no challenge method":  {b, []oauth2.AuthCodeOption{param("code_challenge_method", "")}, "invalid_request", false},
		"short challenge":      {b, []oauth2.AuthCodeOption{param("code_challenge", "abc")}, "invalid_request", false},
		"request object":       {b, []oauth2.AuthCodeOption{param("request", "eyJhbGciOiJub25lIn0.e30.")}, "request_not_supported", false},
		"request uri":          {b, []oauth2.AuthCodeOption{param("request_uri", "http://169.254.169.254/latest")}, "request_not_supported", false},
	} {
		t.Run(name, func(t *testing.T) {
			p := c.browser.get(rp.start(c.options...))
			if c.signIn {
				if !strings.HasPrefix(p.path, "/signin?") {
					t.Fatalf("no new sign-in but %s %s", p.path, p.location)
				}
				p = c.browser.submit(p, url.Values{"email": {"ada@example.com"}, "password": {password}})
			}
			got := answer(t, p)
			if got.Get("error") != c.err || got.Get("iss") != h.url {
				t.Fatalf("%v, want error %q", got, c.err)
			}
			if c.err == "" {
				if _, err := rp.redeem(t.Context(), got.Get("code")); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

func TestAReturnAddressCannotProveASignIn(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	b := h.administrator()
	rp := h.relyingParty(h.application(b.console(), authserverv1.Client_CONFIDENTIAL, callback, "openid"), callback, "openid")
	_ = b.allowed(t, rp)
	ask := oauth2.SetAuthURLParam("prompt", "login")
	for name, ticket := range map[string]string{"made up": "1.AAAA", "without a time": ".AAAA", "of long ago": "1000000000.AAAA"} {
		if p := b.get(rp.start(ask, oauth2.SetAuthURLParam("mshub_login", ticket))); !strings.HasPrefix(p.path, "/signin?") {
			t.Errorf("a ticket %s: %s %s", name, p.path, p.location)
		}
	}
	// A ticket for one request is none for another.
	p := b.get(rp.start(ask))
	back, err := url.Parse(p.url.Query().Get("return_to"))
	if err != nil {
		t.Fatal(err)
	}
	b.signIn("ada@example.com", password)
	ticket := oauth2.SetAuthURLParam("mshub_login", back.Query().Get("mshub_login"))
	if p := b.get(rp.start(ask, ticket, oauth2.SetAuthURLParam("state", "another-one"))); !strings.HasPrefix(p.path, "/signin?") {
		t.Errorf("a ticket of another request: %s %s", p.path, p.location)
	}
	if p := b.get(rp.start(ask, ticket)); answer(t, p).Get("code") == "" {
		t.Errorf("its own ticket: %s", p.location)
	}
	if p := b.get(rp.start(oauth2.SetAuthURLParam("prompt", "consent"), oauth2.SetAuthURLParam("mshub_consent", "99999999999.AAAA"))); !strings.HasPrefix(p.path, "/consent?") {
		t.Errorf("a forged consent: %s %s", p.path, p.location)
	}
}

func TestManyTabsFinishInAnyOrder(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	admin := h.administrator()
	rp := h.relyingParty(h.application(admin.console(), authserverv1.Client_CONFIDENTIAL, callback, "openid"), callback, "openid")
	b := h.browser()
	tabs := make([]page, 20)
	for i := range tabs {
		tabs[i] = b.get(rp.start())
	}
	for i, p := range slices.Backward(tabs) {
		if strings.HasPrefix(p.path, "/signin?") {
			p = b.submit(p, url.Values{"email": {"ada@example.com"}, "password": {password}})
		}
		if p.location == "" {
			p = b.submit(p, url.Values{"decision": {"allow"}})
		}
		if _, err := rp.redeem(t.Context(), answer(t, p).Get("code")); err != nil {
			t.Fatalf("tab %d: %v", i, err)
		}
	}
}

func TestPushedRequests(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	b := h.administrator()
	token := b.console()
	rp := h.relyingParty(h.application(token, authserverv1.Client_CONFIDENTIAL, callback, "openid"), callback, "openid")
	other := h.application(token, authserverv1.Client_CONFIDENTIAL, callback, "openid")
	push := func(form url.Values, secret string) (int, map[string]any) {
		t.Helper()
		return h.form("/oauth2/par", form, rp.ClientID, secret)
	}
	start, err := url.Parse(rp.start())
	if err != nil {
		t.Fatal(err)
	}
	form := start.Query()
	if status, res := push(form, "wrong"); status != http.StatusUnauthorized || res["error"] != "invalid_client" {
		t.Errorf("a wrong secret: %d %v", status, res)
	}
	bad := start.Query()
	bad.Set("redirect_uri", "https://evil.example/")
	if status, res := push(bad, rp.ClientSecret); status != http.StatusBadRequest || res["error"] != "invalid_request" {
		t.Errorf("a foreign redirect URI: %d %v", status, res)
	}
	status, res := push(form, rp.ClientSecret)
	uri, _ := res["request_uri"].(string)
	if status != http.StatusCreated || !strings.HasPrefix(uri, "urn:ietf:params:oauth:request_uri:") {
		t.Fatalf("%d %v", status, res)
	}
	at := func(client string) string {
		return "/oauth2/authorize?" + url.Values{"client_id": {client}, "request_uri": {uri}}.Encode()
	}
	if p := b.get(at(other.GetClientId())); p.status != http.StatusBadRequest {
		t.Errorf("another client's id: %d %s", p.status, p.location)
	}
	p := b.get(at(rp.ClientID))
	p = b.get(p.path) // a reload
	p = b.submit(p, url.Values{"decision": {"allow"}})
	if _, err := rp.redeem(t.Context(), answer(t, p).Get("code")); err != nil {
		t.Fatal(err)
	}
	if p := b.get(at(rp.ClientID)); p.status != http.StatusBadRequest {
		t.Errorf("a used request: %d %s", p.status, p.location)
	}
}

func TestTheCommandLineSignsIn(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	b := h.administrator()
	const listening = "http://127.0.0.1:40123/callback"
	b.stop = listening
	scopes := []string{"openid", "offline_access", "admin"}
	rp := h.relyingParty(&authserverv1.CreateClientResponse{ClientId: "mshub-cli"}, listening, scopes...)
	rp.Endpoint.AuthStyle = oauth2.AuthStyleInParams
	token, err := rp.redeem(t.Context(), b.allowed(t, rp))
	if err != nil {
		t.Fatal(err)
	}
	token, err = rp.TokenSource(t.Context(), &oauth2.Token{RefreshToken: token.RefreshToken}).Token()
	if err != nil {
		t.Fatal(err)
	}
	caller, err := h.verifier.Verify(t.Context(), token.AccessToken)
	if err != nil || !caller.Has("identity.write") || caller.Organisation.String() == "00000000-0000-0000-0000-000000000000" {
		t.Errorf("%+v %v", caller, err)
	}
}
