package authserver_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	authserverv1 "github.com/microservicehub/mshub/authserver/v1"
)

func TestWhatIsAnnouncedIsServed(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	b := h.browser()
	p := b.get("/.well-known/openid-configuration")
	if other := b.get("/.well-known/oauth-authorization-server"); other.body != p.body {
		t.Error("the two documents differ")
	}
	var document map[string]any
	if err := json.Unmarshal([]byte(p.body), &document); err != nil {
		t.Fatal(err)
	}
	for name, value := range document {
		address, ok := value.(string)
		if !ok || (!strings.HasSuffix(name, "_endpoint") && name != "jwks_uri") {
			continue
		}
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			req, err := http.NewRequestWithContext(t.Context(), method, address, nil)
			if err != nil {
				t.Fatal(err)
			}
			if p := b.do(req); p.status == http.StatusNotFound {
				t.Errorf("%s: %s %s answers 404", name, method, address)
			}
		}
	}
	for name, want := range map[string][]any{
		"response_types_supported":              {"code"},
		"code_challenge_methods_supported":      {"S256"},
		"grant_types_supported":                 {"authorization_code", "client_credentials", "refresh_token"},
		"id_token_signing_alg_values_supported": {"ES256"},
	} {
		if diff := cmp.Diff(want, document[name]); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	if document["issuer"] != h.url || document["device_authorization_endpoint"] != nil {
		t.Errorf("%v", document)
	}
}

func TestBrowserApplicationsMayCall(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	b := h.browser()
	b.stop = h.url
	for path, open := range map[string]bool{
		"/oauth2/token": true, "/oauth2/jwks": true, "/oauth2/userinfo": true, "/oauth2/revoke": true, "/.well-known/openid-configuration": true,
		"/oauth2/authorize": false, "/oauth2/introspect": false, "/session/token": false, "/signin": false, "/oauth2/par": false,
	} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodOptions, h.url+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Origin", "https://app.example")
		req.Header.Set("Access-Control-Request-Method", "POST")
		p := b.do(req)
		if got := p.header.Get("Access-Control-Allow-Origin"); (got == "*") != open || p.header.Get("Access-Control-Allow-Credentials") != "" {
			t.Errorf("%s: allowed origin %q", path, got)
		}
	}
}

func TestApplicationsSignOut(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	b := h.administrator()
	const after = "https://app.example/goodbye"
	app, err := h.clients(b.console()).CreateClient(t.Context(), &authserverv1.CreateClientRequest{Client: &authserverv1.Client{
		Title: "Web", Kind: authserverv1.Client_CONFIDENTIAL, Scopes: []string{"openid"}, RedirectUris: []string{callback, after},
	}})
	if err != nil {
		t.Fatal(err)
	}
	rp := h.relyingParty(app, callback, "openid")
	token, err := rp.redeem(t.Context(), b.allowed(t, rp))
	if err != nil {
		t.Fatal(err)
	}
	logout := func(b *browser, more ...string) page {
		query := url.Values{}
		for i := 0; i < len(more); i += 2 {
			query.Set(more[i], more[i+1])
		}
		return b.get("/oauth2/logout?" + query.Encode())
	}
	hint := token.Extra("id_token").(string)
	in := func(b *browser) bool {
		status, _ := b.token("{}", nil)
		return status == http.StatusOK
	}
	// Without an ID token, with a foreign or altered one, with an access token: the person is asked.
	for name, query := range map[string][]string{
		"nothing":         nil,
		"an address":      {"post_logout_redirect_uri", after, "client_id", rp.ClientID},
		"altered":         {"id_token_hint", hint[:len(hint)-4] + "AAAA"},
		"an access token": {"id_token_hint", token.AccessToken},
	} {
		if p := logout(b, query...); p.path != "/signout" || !in(b) {
			t.Errorf("%s: %s, signed in %t", name, p.path, in(b))
		}
	}
	if p := logout(b, "id_token_hint", hint, "client_id", "another"); p.status != http.StatusBadRequest || !in(b) {
		t.Errorf("two applications: %d", p.status)
	}
	for target, want := range map[string]string{after: after + "?state=s", "https://app.example/evil": "", "https://evil.example": "", "": ""} {
		b := h.administratorAgain()
		p := logout(b, "id_token_hint", hint, "post_logout_redirect_uri", target, "state", "s")
		if in(b) {
			t.Errorf("%q: still signed in", target)
		}
		if p.location != want || (want == "" && p.path != "/signin") {
			t.Errorf("%q leads to %q %s", target, p.location, p.path)
		}
	}
}
