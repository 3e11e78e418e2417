package authserver_test

import (
	"context"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"connectrpc.com/connect"
	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	authserverv1 "github.com/microservicehub/mshub/authserver/v1"
	"github.com/microservicehub/mshub/authserver/v1/authserverv1connect"
	"github.com/microservicehub/mshub/internal/rpc"
	identityv1 "github.com/microservicehub/mshub/services/identity/v1"
	"github.com/microservicehub/mshub/services/identity/v1/identityv1connect"
)

func mask(paths ...string) *fieldmaskpb.FieldMask { return &fieldmaskpb.FieldMask{Paths: paths} }

func TestClientsAreChecked(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	clients := h.clients(h.administrator().console())
	for name, c := range map[string]struct {
		client *authserverv1.Client
		field  string
	}{
		"no kind":             {&authserverv1.Client{Title: "x", Scopes: []string{"runs:read"}}, "client.kind"},
		"no scope":            {&authserverv1.Client{Title: "x", Kind: authserverv1.Client_MACHINE}, "client.scopes"},
		"unknown scope":       {&authserverv1.Client{Title: "x", Kind: authserverv1.Client_MACHINE, Scopes: []string{"runs:read", "runs:*"}}, "client.scopes[1]"},
		"the house's scope":   {&authserverv1.Client{Title: "x", Kind: authserverv1.Client_MACHINE, Scopes: []string{"mshub.worker"}}, "client.scopes[0]"},
		"a machine's person":  {&authserverv1.Client{Title: "x", Kind: authserverv1.Client_MACHINE, Scopes: []string{"openid"}}, "client.scopes[0]"},
		"a machine's address": {&authserverv1.Client{Title: "x", Kind: authserverv1.Client_MACHINE, Scopes: []string{"runs:read"}, RedirectUris: []string{callback}}, "client.redirectUris"},
		"no address":          {&authserverv1.Client{Title: "x", Kind: authserverv1.Client_PUBLIC, Scopes: []string{"runs:read"}}, "client.redirectUris"},
		"http address":        {&authserverv1.Client{Title: "x", Kind: authserverv1.Client_PUBLIC, Scopes: []string{"runs:read"}, RedirectUris: []string{callback, "http://app.example/cb"}}, "client.redirectUris[1]"},
		"wildcard":            {&authserverv1.Client{Title: "x", Kind: authserverv1.Client_PUBLIC, Scopes: []string{"runs:read"}, RedirectUris: []string{"https://app.example/*"}}, "client.redirectUris[0]"},
	} {
		_, err := clients.CreateClient(t.Context(), &authserverv1.CreateClientRequest{Client: c.client})
		if connect.CodeOf(err) != connect.CodeInvalidArgument || !slices.Contains(rpc.FieldsOf(err), c.field) {
			t.Errorf("%s: %v %v, want the field %s", name, err, rpc.FieldsOf(err), c.field)
		}
	}
}

func TestClientsAreKept(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	console := h.administrator().console()
	clients := h.clients(console)
	ctx := rpc.WithIdempotencyKey(t.Context(), "once")
	req := &authserverv1.CreateClientRequest{Client: &authserverv1.Client{
		Title: "Web", Kind: authserverv1.Client_CONFIDENTIAL, Scopes: []string{"openid", "runs:read"}, RedirectUris: []string{callback},
	}}
	made, err := clients.CreateClient(ctx, req)
	if err != nil || !strings.HasPrefix(made.GetClientSecret(), "mshub_cs_") {
		t.Fatalf("%v %v", made, err)
	}
	again, err := clients.CreateClient(ctx, req)
	if err != nil || again.GetClientId() != made.GetClientId() || again.GetClientSecret() != "" {
		t.Errorf("the same call again: %v %v", again, err)
	}
	rotate := &authserverv1.RotateClientSecretRequest{Name: made.GetClient().GetName(), OverlapSeconds: 60}
	for _, shown := range []bool{true, false} { // the repeated call makes none
		if rotated, err := clients.RotateClientSecret(ctx, rotate); err != nil || (rotated.GetClientSecret() != "") != shown || rotated.GetClientId() != made.GetClientId() {
			t.Errorf("secret rotated: %v %v", rotated, err)
		}
	}
	got, err := clients.GetClient(t.Context(), &authserverv1.GetClientRequest{Name: made.GetClient().GetName()})
	if diff := cmp.Diff(made.GetClient(), got, protocmp.Transform()); diff != "" || err != nil {
		t.Errorf("%v (-made +got):\n%s", err, diff)
	}
	got.Title, got.Scopes = "Web 2", []string{"openid"}
	changed, err := clients.UpdateClient(t.Context(), &authserverv1.UpdateClientRequest{Client: got, UpdateMask: mask("title", "scopes")})
	if err != nil || changed.GetTitle() != "Web 2" || len(changed.GetScopes()) != 1 || len(changed.GetRedirectUris()) != 1 {
		t.Errorf("%v %v", changed, err)
	}
	for name, update := range map[string]*authserverv1.UpdateClientRequest{
		"no mask":       {Client: got},
		"its kind":      {Client: got, UpdateMask: mask("kind")},
		"a bad address": {Client: &authserverv1.Client{Name: got.GetName(), RedirectUris: []string{"x"}}, UpdateMask: mask("redirect_uris")},
	} {
		if _, err := clients.UpdateClient(t.Context(), update); connect.CodeOf(err) != connect.CodeInvalidArgument {
			t.Errorf("%s: %v", name, err)
		}
	}
	for i := range 4 {
		h.application(console, authserverv1.Client_MACHINE, "", "runs:read")
		_ = i
	}
	seen, token := 0, ""
	for {
		list, err := clients.ListClients(t.Context(), &authserverv1.ListClientsRequest{PageSize: 2, PageToken: token})
		if err != nil {
			t.Fatal(err)
		}
		seen += len(list.GetClients())
		if token = list.GetNextPageToken(); token == "" {
			break
		}
	}
	if seen != 5 {
		t.Errorf("%d clients in pages, want 5", seen)
	}
	if _, err := clients.ListClients(t.Context(), &authserverv1.ListClientsRequest{PageToken: "x"}); connect.CodeOf(err) != connect.CodeInvalidArgument {
		t.Errorf("a page token of nowhere: %v", err)
	}
}

func TestNobodyHandsOnMoreThanTheyHave(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	admin := h.administrator().console()
	// A machine that may register clients, and read runs.
	app := h.application(admin, authserverv1.Client_MACHINE, "", "clients:write", "runs:read")
	_, answer := h.form("/oauth2/token", url.Values{"grant_type": {"client_credentials"}}, app.GetClientId(), app.GetClientSecret())
	limited := h.clients(answer["access_token"].(string))
	for scope, ok := range map[string]bool{"runs:read": true, "clients:read": true, "runs:write": false, "identity:write": false, "admin": false} {
		made, err := limited.CreateClient(t.Context(), &authserverv1.CreateClientRequest{Client: &authserverv1.Client{Title: "x", Kind: authserverv1.Client_MACHINE, Scopes: []string{scope}}})
		if (err == nil) != ok || (!ok && rpc.ReasonOf(err) != "SCOPE_BEYOND_YOURS") {
			t.Errorf("%s: %v", scope, err)
		}
		if err == nil {
			up := &authserverv1.Client{Name: made.GetClient().GetName(), Scopes: []string{scope, "records:write"}}
			if _, err := limited.UpdateClient(t.Context(), &authserverv1.UpdateClientRequest{Client: up, UpdateMask: mask("scopes")}); rpc.ReasonOf(err) != "SCOPE_BEYOND_YOURS" {
				t.Errorf("added later to %s: %v", scope, err)
			}
		}
	}
}

// Who may not register a client may not become it either, by its secret or by the addresses that its codes go to.
func TestNobodyTakesOverAClientThatReachesFurther(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	admin := h.administrator().console()
	app := h.application(admin, authserverv1.Client_MACHINE, "", "clients:write", "runs:read")
	_, answer := h.form("/oauth2/token", url.Values{"grant_type": {"client_credentials"}}, app.GetClientId(), app.GetClientSecret())
	limited := h.clients(answer["access_token"].(string))
	mine := h.application(admin, authserverv1.Client_CONFIDENTIAL, callback, "openid", "runs:read")
	further := h.application(admin, authserverv1.Client_CONFIDENTIAL, callback, "openid", "admin")
	for name, call := range map[string]func(client string) error{
		"rotate": func(client string) error {
			_, err := limited.RotateClientSecret(t.Context(), &authserverv1.RotateClientSecretRequest{Name: client, OverlapSeconds: 60})
			return err
		},
		"title": func(client string) error {
			_, err := limited.UpdateClient(t.Context(), &authserverv1.UpdateClientRequest{Client: &authserverv1.Client{Name: client, Title: "x"}, UpdateMask: mask("title")})
			return err
		},
		"redirectUris": func(client string) error {
			up := &authserverv1.Client{Name: client, RedirectUris: []string{callback + "/mine"}}
			_, err := limited.UpdateClient(t.Context(), &authserverv1.UpdateClientRequest{Client: up, UpdateMask: mask("redirect_uris")})
			return err
		},
		"fewer scopes": func(client string) error {
			up := &authserverv1.Client{Name: client, Scopes: []string{"openid"}}
			_, err := limited.UpdateClient(t.Context(), &authserverv1.UpdateClientRequest{Client: up, UpdateMask: mask("scopes")})
			return err
		},
	} {
		err := call(further.GetClient().GetName())
		if connect.CodeOf(err) != connect.CodePermissionDenied || rpc.ReasonOf(err) != "SCOPE_BEYOND_YOURS" {
			t.Errorf("%s of one that reaches further: %v", name, err)
		}
		if err := call(mine.GetClient().GetName()); err != nil {
			t.Errorf("%s of one that does not: %v", name, err)
		}
	}
	got, err := h.clients(admin).GetClient(t.Context(), &authserverv1.GetClientRequest{Name: further.GetClient().GetName()})
	if diff := cmp.Diff(further.GetClient(), got, protocmp.Transform()); diff != "" || err != nil {
		t.Errorf("%v (-before +after):\n%s", err, diff)
	}
}

func TestAnotherOrganisationsClientsDoNotExist(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	b := h.administrator()
	ours := h.application(b.console(), authserverv1.Client_CONFIDENTIAL, callback, "openid")
	founded, err := identityv1connect.NewIdentityServiceClient(http.DefaultClient, h.url, as(b.console())).
		CreateOrganisation(t.Context(), &identityv1.CreateOrganisationRequest{Organisation: &identityv1.Organisation{DisplayName: "Other"}})
	if err != nil {
		t.Fatal(err)
	}
	status, other := b.token(fmt.Sprintf(`{"organisation":%q}`, founded.GetName()), nil)
	if status != http.StatusOK || other.Organisation != founded.GetName() {
		t.Fatalf("%d %+v", status, other)
	}
	foreign := h.clients(other.AccessToken)
	name := ours.GetClient().GetName()
	for method, call := range map[string]func(ctx context.Context) error{
		"Get": func(ctx context.Context) error {
			_, err := foreign.GetClient(ctx, &authserverv1.GetClientRequest{Name: name})
			return err
		},
		"Update": func(ctx context.Context) error {
			_, err := foreign.UpdateClient(ctx, &authserverv1.UpdateClientRequest{Client: &authserverv1.Client{Name: name, Title: "x"}, UpdateMask: mask("title")})
			return err
		},
		"Delete": func(ctx context.Context) error {
			_, err := foreign.DeleteClient(ctx, &authserverv1.DeleteClientRequest{Name: name})
			return err
		},
		"Rotate": func(ctx context.Context) error {
			_, err := foreign.RotateClientSecret(ctx, &authserverv1.RotateClientSecretRequest{Name: name})
			return err
		},
	} {
		if err := call(t.Context()); connect.CodeOf(err) != connect.CodeNotFound {
			t.Errorf("%s: %v", method, err)
		}
	}
	if list, err := foreign.ListClients(t.Context(), &authserverv1.ListClientsRequest{}); err != nil || len(list.GetClients()) != 0 {
		t.Errorf("%v %v", list, err)
	}
	// A token is asked about in vain from the other side of the wall.
	stranger := h.application(other.AccessToken, authserverv1.Client_MACHINE, "", "runs:read")
	if _, answer := h.form("/oauth2/introspect", url.Values{"token": {b.console()}}, stranger.GetClientId(), stranger.GetClientSecret()); answer["active"] != true {
		// The console's organisation is now the other one: used last.
		t.Errorf("the own organisation: %v", answer)
	}
	_, home := b.token(fmt.Sprintf(`{"organisation":"organisations/%s"}`, h.organisationOf(ours.GetClientId())), nil)
	if _, answer := h.form("/oauth2/introspect", url.Values{"token": {home.AccessToken}}, stranger.GetClientId(), stranger.GetClientSecret()); answer["active"] != false {
		t.Errorf("another organisation's token: %v", answer)
	}
	if status, _ := b.token(`{"organisation":"organisations/`+uuid.NewString()+`"}`, nil); status != http.StatusNotFound {
		t.Errorf("an organisation that one is no member of: %d", status)
	}
}

func (h *house) organisationOf(client string) string {
	h.t.Helper()
	var organisation uuid.UUID
	err := h.db.System(h.t.Context(), func(tx pgx.Tx) error {
		return tx.QueryRow(h.t.Context(), "SELECT organisation_id FROM authserver.client WHERE id = $1", client).Scan(&organisation)
	})
	if err != nil {
		h.t.Fatal(err)
	}
	return organisation.String()
}

func TestSessionTokenIsForTheConsole(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	b := h.administrator()
	for name, c := range map[string]struct {
		body   string
		header http.Header
		status int
	}{
		"as the console does": {"{}", nil, http.StatusOK},
		"with a charset":      {"{}", http.Header{"Content-Type": {"application/json; charset=utf-8"}}, http.StatusOK},
		"no body":             {"", nil, http.StatusOK},
		"no origin":           {"{}", http.Header{"Origin": nil}, http.StatusForbidden},
		"null origin":         {"{}", http.Header{"Origin": {"null"}}, http.StatusForbidden},
		"foreign origin":      {"{}", http.Header{"Origin": {"https://evil.example"}}, http.StatusForbidden},
		"longer origin":       {"{}", http.Header{"Origin": {h.url + ".evil.example"}}, http.StatusForbidden},
		"origin with a slash": {"{}", http.Header{"Origin": {h.url + "/"}}, http.StatusForbidden},
		"a form":              {"{}", http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}, http.StatusBadRequest},
		"plain text":          {"{}", http.Header{"Content-Type": {"text/plain"}}, http.StatusBadRequest},
		"no type":             {"{}", http.Header{"Content-Type": nil}, http.StatusBadRequest},
		"unknown field":       {`{"scope":"x"}`, nil, http.StatusBadRequest},
		"a bad organisation":  {`{"organisation":"x"}`, nil, http.StatusBadRequest},
		"garbage":             {`{"organisation":`, nil, http.StatusBadRequest},
		"too long":            {`{"organisation":"` + strings.Repeat("x", 8000) + `"}`, nil, http.StatusBadRequest},
	} {
		status, answer := b.token(c.body, c.header)
		if status != c.status {
			t.Errorf("%s: %d %+v, want %d", name, status, answer, c.status)
		}
		if status == http.StatusOK && (answer.TokenType != "Bearer" || answer.ExpiresIn != 300 || !strings.HasPrefix(answer.Organisation, "organisations/")) {
			t.Errorf("%s: %+v", name, answer)
		}
	}
	if status, answer := h.browser().token("{}", nil); status != http.StatusUnauthorized || answer.Code != "unauthenticated" {
		t.Errorf("without a session: %d %+v", status, answer)
	}
	if p := b.get("/session/token"); p.status != http.StatusMethodNotAllowed {
		t.Errorf("GET: %d", p.status)
	}
	// The cookie opens no RPC.
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, h.url+"/authserver.v1.ClientService/ListClients", strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	if p := b.do(req); p.status != http.StatusUnauthorized || p.header.Get("WWW-Authenticate") != "Bearer" {
		t.Errorf("an RPC with the cookie: %d %v", p.status, p.header)
	}
}

func TestBootstrapIsForTheMachine(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	// Before anybody came: a client for automation, in the organisation that the first administrator will find.
	made, err := h.operator().CreateMachineClient(t.Context(), &authserverv1.CreateMachineClientRequest{Title: "automation", Scopes: []string{"runs:write", "records:write"}})
	if err != nil {
		t.Fatal(err)
	}
	if status, answer := h.form("/oauth2/token", url.Values{"grant_type": {"client_credentials"}}, made.GetClientId(), made.GetClientSecret()); status != http.StatusOK {
		t.Errorf("%d %v", status, answer)
	}
	b := h.administrator()
	if _, err := h.clients(b.console()).GetClient(t.Context(), &authserverv1.GetClientRequest{Name: "clients/" + made.GetClientId()}); err != nil {
		t.Errorf("the administrator does not see it: %v", err)
	}
	link, err := h.operator().CreateAdministratorLink(t.Context(), &authserverv1.CreateAdministratorLinkRequest{})
	if err != nil || link.GetLink() != "" {
		t.Errorf("a link although an administrator exists: %v %v", link, err)
	}
	for name, token := range map[string]string{"an administrator": b.console(), "nobody": "x"} {
		client := authserverv1connect.NewBootstrapServiceClient(http.DefaultClient, h.url, as(token))
		if _, err := client.CreateAdministratorLink(t.Context(), &authserverv1.CreateAdministratorLinkRequest{Force: true}); err == nil {
			t.Errorf("%s makes links", name)
		}
	}
}

// TestADumpOpensNothing tries every text in the database, and in the log, as every kind of secret.
func TestADumpOpensNothing(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	rp, token := h.offline(t)
	b := h.administratorAgain()
	code := b.allowed(t, rp)
	machine := h.application(b.console(), authserverv1.Client_MACHINE, "", "runs:read")
	cookies := b.client.Jar.Cookies(mustParse(t, h.url))
	secrets := []string{token.AccessToken, token.RefreshToken, code, machine.GetClientSecret(), rp.ClientSecret, token.Extra("id_token").(string), password}
	for _, c := range cookies {
		secrets = append(secrets, c.Value)
	}
	dump := h.dump()
	for _, secret := range secrets {
		for _, text := range []string{secret, hex.EncodeToString([]byte(secret)), secret[max(0, len(secret)-40):]} {
			if strings.Contains(dump, text) {
				t.Errorf("the database holds a secret: %s…", secret[:12])
			}
		}
		if strings.Contains(h.log.String(), secret) {
			t.Errorf("the log holds a secret: %s…", secret[:12])
		}
	}
	words := regexp.MustCompile(`[A-Za-z0-9_.\-]{16,}`).FindAllString(dump, -1)
	slices.Sort(words)
	tried := 0
	for _, word := range slices.Compact(words) {
		if tried++; tried > 400 {
			break
		}
		if status, _ := h.form("/oauth2/token", url.Values{"grant_type": {"client_credentials"}}, machine.GetClientId(), word); status == http.StatusOK {
			t.Errorf("%q is a client's secret", word)
		}
		for _, prefix := range []string{"", "mshub_rt_", "mshub_rt_x."} {
			if status, _ := h.form("/oauth2/token", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {prefix + word}}, rp.ClientID, rp.ClientSecret); status == http.StatusOK {
				t.Errorf("%q is a refresh token", prefix+word)
			}
		}
		other := h.browser()
		other.client.Jar.SetCookies(mustParse(t, h.url), []*http.Cookie{{Name: "mshub", Value: word, Path: "/"}})
		if status, _ := other.token("{}", nil); status == http.StatusOK {
			t.Errorf("%q is a session", word)
		}
	}
	if tried < 15 {
		t.Errorf("only %d texts in the dump: is it one?", tried)
	}
}

// dump returns every row of the server's tables as text.
func (h *house) dump() string {
	h.t.Helper()
	var text strings.Builder
	err := h.db.System(h.t.Context(), func(tx pgx.Tx) error {
		rows, err := tx.Query(h.t.Context(), "SELECT table_name FROM information_schema.tables WHERE table_schema = 'authserver' AND table_name <> 'goose_version'")
		if err != nil {
			return err
		}
		tables, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			return err
		}
		for _, table := range tables {
			rows, err := tx.Query(h.t.Context(), "SELECT t::text FROM authserver."+pgx.Identifier{table}.Sanitize()+" t")
			if err != nil {
				return err
			}
			lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
			if err != nil {
				return err
			}
			text.WriteString(strings.Join(lines, "\n"))
		}
		return nil
	})
	if err != nil {
		h.t.Fatal(err)
	}
	return text.String()
}

func mustParse(t *testing.T, raw string) *url.URL {
	t.Helper()
	u, err := url.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	return u
}
