package e2e

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/gorilla/websocket"
	"golang.org/x/oauth2"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	runsv1 "github.com/microservicehub/mshub/services/runs/v1"
)

// TestThirdParty is point 6: clients registered by an administrator, used with standard libraries, held to their scopes.
func TestThirdParty(t *testing.T) {
	t.Parallel()
	h := fresh(t)
	person := h.administrator("ada@example.com")
	admin := person.api()

	t.Run("client credentials", func(t *testing.T) {
		made := admin.must(http.MethodPost, "/v1/clients", map[string]any{"title": "reporting", "kind": "MACHINE", "scopes": []string{"records:read"}})
		token := h.clientCredentials(fmt.Sprint(made["clientId"]), fmt.Sprint(made["clientSecret"]), "records:read")
		c := &client{t: t, h: h, token: func() string { return token }}
		c.must(http.MethodGet, "/v1/datasets", nil)
		if message := c.refused(http.StatusForbidden, "permission_denied", http.MethodGet, "/v1/runs", nil); !strings.Contains(message, "runs:read") {
			t.Errorf("the refusal does not name the scope: %s", message)
		}
		c.refused(http.StatusForbidden, "permission_denied", http.MethodPost, "/v1/datasets?datasetId=x", map[string]any{"schema": map[string]any{"type": "object"}})
	})

	t.Run("authorization code with PKCE", func(t *testing.T) {
		const redirect = "http://127.0.0.1:9/callback"
		made := admin.must(http.MethodPost, "/v1/clients", map[string]any{"title": "Planner", "kind": "CONFIDENTIAL", "redirectUris": []string{redirect}, "scopes": []string{"openid", "email", "profile", "offline_access", "runs:read"}})
		ctx := context.Background()
		provider, err := oidc.NewProvider(ctx, h.url)
		if err != nil {
			t.Fatal(err)
		}
		config := oauth2.Config{
			ClientID: fmt.Sprint(made["clientId"]), ClientSecret: fmt.Sprint(made["clientSecret"]), RedirectURL: redirect,
			Endpoint: provider.Endpoint(), Scopes: []string{"openid", "email", "offline_access", "runs:read"},
		}
		verifier := oauth2.GenerateVerifier()
		callback := person.consent(config.AuthCodeURL("state-0123456789", oauth2.S256ChallengeOption(verifier), oidc.Nonce("nonce-0123456789")), redirect)
		if callback.Get("state") != "state-0123456789" || callback.Get("iss") != h.url {
			t.Errorf("the callback brought %v", callback)
		}
		if _, err := config.Exchange(ctx, callback.Get("code")); err == nil {
			t.Error("the code was accepted without its PKCE verifier")
		}
		callback = person.consent(config.AuthCodeURL("state-0123456789", oauth2.S256ChallengeOption(verifier), oidc.Nonce("nonce-0123456789")), redirect)
		token, err := config.Exchange(ctx, callback.Get("code"), oauth2.VerifierOption(verifier))
		if err != nil {
			t.Fatal(err)
		}
		rawID, _ := token.Extra("id_token").(string)
		id, err := provider.Verifier(&oidc.Config{ClientID: config.ClientID, SupportedSigningAlgs: []string{oidc.ES256}}).Verify(ctx, rawID)
		if err != nil || id.Nonce != "nonce-0123456789" {
			t.Fatalf("ID token: %v (nonce %q)", err, id.Nonce)
		}
		info, err := provider.UserInfo(ctx, oauth2.StaticTokenSource(token))
		if err != nil || info.Email != "ada@example.com" {
			t.Errorf("userinfo: %v %+v", err, info)
		}
		c := &client{t: t, h: h, token: func() string { return token.AccessToken }}
		c.must(http.MethodGet, "/v1/runs", nil)
		c.refused(http.StatusForbidden, "permission_denied", http.MethodGet, "/v1/users", nil)
		if _, err := config.Exchange(ctx, callback.Get("code"), oauth2.VerifierOption(verifier)); err == nil {
			t.Error("the code was accepted twice")
		}
		// Replaying a code kills what it gave.
		eventually(t, 15*time.Second, "the token of the replayed code is refused", func() bool {
			code, _ := c.call(http.MethodGet, "/v1/runs", nil)
			return code == http.StatusUnauthorized
		})
	})
}

// consent walks the authorization endpoint as the signed-in person and returns what comes back to the client.
func (p *person) consent(address, redirect string) url.Values {
	p.t.Helper()
	var back *url.URL
	browser := *p.http
	browser.CheckRedirect = func(req *http.Request, _ []*http.Request) error {
		if strings.HasPrefix(req.URL.String(), redirect) {
			back = req.URL
			return http.ErrUseLastResponse
		}
		return nil
	}
	res, err := browser.Get(address)
	if err != nil {
		p.t.Fatal(err)
	}
	page := body(p.t, res)
	if back == nil {
		asked := *p
		asked.http = &browser
		if !strings.Contains(page, "Planner") {
			p.t.Fatalf("the consent page does not name the client:\n%s", page)
		}
		asked.submit(res.Request.URL.String(), map[string]string{"decision": "allow"})
	}
	if back == nil {
		p.t.Fatalf("nothing came back to the client; the page was:\n%s", page)
	}
	return back.Query()
}

// TestOneRunEverywhere is point 7: the same run by REST, Connect, gRPC, GraphQL, WebSocket, SSE, Temporal's web UI, /metrics.
func TestOneRunEverywhere(t *testing.T) {
	t.Parallel()
	h := fresh(t)
	c := h.administrator("ada@example.com").api()
	started := c.must(http.MethodPost, "/v1/runs", map[string]any{"process": "onboarding", "input": map[string]any{"email": "ben@example.com", "displayName": "Ben", "role": "member"}})
	run := fmt.Sprint(started["name"])
	h.mailTo("ben@example.com", "invited")

	t.Run("REST", func(t *testing.T) {
		if got := c.must(http.MethodGet, "/v1/"+run, nil); got["process"] != "onboarding" {
			t.Errorf("got %v", got)
		}
	})
	t.Run("Connect", func(t *testing.T) {
		if got := c.must(http.MethodPost, "/services.runs.v1.RunsService/GetRun", map[string]any{"name": run}); got["name"] != run {
			t.Errorf("got %v", got)
		}
	})
	t.Run("gRPC", func(t *testing.T) {
		conn, err := grpc.NewClient(strings.TrimPrefix(h.url, "http://"), grpc.WithTransportCredentials(insecure.NewCredentials()))
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = conn.Close() }()
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		var got runsv1.Run
		err = conn.Invoke(ctx, "/services.runs.v1.RunsService/GetRun", &runsv1.GetRunRequest{Name: run}, &got)
		if status.Code(err) != codes.Unauthenticated {
			t.Errorf("without a token: %v", err)
		}
		ctx = metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+c.token())
		if err := conn.Invoke(ctx, "/services.runs.v1.RunsService/GetRun", &runsv1.GetRunRequest{Name: run}, &got); err != nil || got.GetName() != run {
			t.Errorf("got %v, %v", &got, err)
		}
	})
	t.Run("grpcurl", func(t *testing.T) {
		if list := grpcurl(t, strings.TrimPrefix(h.url, "http://"), "list"); !strings.Contains(list, "services.runs.v1.RunsService\n") {
			t.Errorf("reflection lists\n%s", list)
		}
		got := decode(t, grpcurl(t, "-H", "Authorization: Bearer "+c.token(), "-d", `{"name":"`+run+`"}`, strings.TrimPrefix(h.url, "http://"), "services.runs.v1.RunsService/GetRun"))
		if got["name"] != run || got["process"] != "onboarding" {
			t.Errorf("got %v", got)
		}
	})
	t.Run("GraphQL", func(t *testing.T) {
		got := c.must(http.MethodPost, "/graphql", map[string]any{"query": "query($name: String!) { run(name: $name) { name process state } }", "variables": map[string]any{"name": run}})
		if !strings.Contains(fmt.Sprint(got["data"]), run) {
			t.Errorf("got %v", got)
		}
	})
	t.Run("WebSocket", func(t *testing.T) {
		conn, res, err := websocket.DefaultDialer.Dial(strings.Replace(h.url, "http", "ws", 1)+"/live", http.Header{"Origin": {h.url}})
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		defer func() { _ = conn.Close() }()
		topic := "run:" + strings.TrimPrefix(run, "runs/")
		for _, frame := range []map[string]any{{"type": "auth", "token": c.token()}, {"type": "subscribe", "topic": topic, "after": 0}} {
			if err := conn.WriteJSON(frame); err != nil {
				t.Fatal(err)
			}
		}
		for want := 1; want <= 3; {
			var frame map[string]any
			_ = conn.SetReadDeadline(time.Now().Add(10 * time.Second))
			if err := conn.ReadJSON(&frame); err != nil {
				t.Fatal(err)
			}
			if frame["type"] == "error" {
				t.Fatalf("got %v", frame)
			}
			if frame["type"] != "event" {
				continue
			}
			if fmt.Sprint(frame["seq"]) != fmt.Sprint(want) {
				t.Fatalf("event with seq %v, want %d", frame["seq"], want)
			}
			want++
		}
	})
	t.Run("SSE", func(t *testing.T) {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, h.url+"/live/events?topic=run:"+strings.TrimPrefix(run, "runs/"), nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+c.token())
		req.Header.Set("Last-Event-ID", "1")
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = res.Body.Close() }()
		lines := bufio.NewScanner(res.Body)
		for lines.Scan() {
			if id, ok := strings.CutPrefix(lines.Text(), "id:"); ok {
				if strings.TrimSpace(id) != "2" {
					t.Errorf("after 1 came %s", id)
				}
				return
			}
		}
		t.Errorf("no event: %v", lines.Err())
	})
	t.Run("Temporal's web UI", func(t *testing.T) {
		eventually(t, 20*time.Second, "the run in Temporal's list", func() bool {
			res, err := http.Get(h.temporal + "/api/v1/namespaces/mshub/workflows?query=" + url.QueryEscape(fmt.Sprintf(`WorkflowId="%s"`, strings.TrimPrefix(run, "runs/"))))
			return err == nil && strings.Contains(body(t, res), strings.TrimPrefix(run, "runs/"))
		})
	})
	t.Run("metrics", func(t *testing.T) {
		res, err := http.Get(h.ops + "/metrics")
		if err != nil {
			t.Fatal(err)
		}
		text := body(t, res)
		for _, want := range []string{`rpc_server_handled_total{`, `method="StartRun"`} {
			if !strings.Contains(text, want) {
				t.Errorf("no %s in /metrics", want)
			}
		}
	})
	t.Run("documentation", func(t *testing.T) {
		for path, want := range map[string]string{"/openapi.json": "/v1/runs", "/docs": "<html", "/.well-known/oauth-authorization-server": "authorization_endpoint"} {
			res, err := http.Get(h.url + path)
			if err != nil {
				t.Fatal(err)
			}
			if text := body(t, res); res.StatusCode != http.StatusOK || !strings.Contains(text, want) {
				t.Errorf("GET %s: %s without %q", path, res.Status, want)
			}
		}
	})
}

// grpcurl is the tool itself, at the version that tools/grpcurl pins; it knows this product by reflection alone.
func grpcurl(t *testing.T, args ...string) string {
	t.Helper()
	cmd := exec.Command("go", append([]string{"-C", "../../../tools/grpcurl", "tool", "grpcurl", "-plaintext"}, args...)...)
	var errs strings.Builder
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("grpcurl: %v\n%s", err, errs.String())
	}
	return string(out)
}
