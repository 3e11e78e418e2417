package e2e

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// client calls the API with a token.
type client struct {
	t     *testing.T
	h     *house
	token func() string
}

func (p *person) api() *client { return &client{t: p.t, h: p.h, token: p.token} }

// machine makes a machine client with `mshub admin client` and returns it with its id and secret.
func (h *house) machine(scope string) (c *client, id, secret string) {
	h.t.Helper()
	out, err := h.mshub(nil, "admin", "client", "robot", "--scope", scope, "--json")
	if err != nil {
		h.t.Fatal(err)
	}
	made := decode(h.t, out)
	id, _ = made["clientId"].(string)
	secret, _ = made["clientSecret"].(string)
	var token string
	var until time.Time
	return &client{t: h.t, h: h, token: func() string {
		if time.Now().After(until) {
			token = h.clientCredentials(id, secret, scope)
			until = time.Now().Add(4 * time.Minute)
		}
		return token
	}}, id, secret
}

func (h *house) clientCredentials(id, secret, scope string) string {
	h.t.Helper()
	req, err := http.NewRequest(http.MethodPost, h.url+"/oauth2/token", strings.NewReader(url.Values{"grant_type": {"client_credentials"}, "scope": {scope}}.Encode()))
	if err != nil {
		h.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.SetBasicAuth(id, secret)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		h.t.Fatal(err)
	}
	text := body(h.t, res)
	token, _ := decode(h.t, text)["access_token"].(string)
	if res.StatusCode != http.StatusOK || token == "" {
		h.t.Fatalf("client_credentials: %s\n%s", res.Status, text)
	}
	return token
}

// call sends JSON and returns status and answer.
func (c *client) call(method, path string, in any, header ...string) (int, map[string]any) {
	c.t.Helper()
	var payload io.Reader
	if in != nil {
		raw, err := json.Marshal(in)
		if err != nil {
			c.t.Fatal(err)
		}
		payload = strings.NewReader(string(raw))
	}
	req, err := http.NewRequest(method, c.h.url+path, payload)
	if err != nil {
		c.t.Fatal(err)
	}
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if c.token != nil {
		req.Header.Set("Authorization", "Bearer "+c.token())
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		c.t.Fatal(err)
	}
	text := body(c.t, res)
	if text == "" {
		return res.StatusCode, map[string]any{}
	}
	return res.StatusCode, decode(c.t, text)
}

// must is call that has to succeed.
func (c *client) must(method, path string, in any, header ...string) map[string]any {
	c.t.Helper()
	status, out := c.call(method, path, in, header...)
	if status != http.StatusOK {
		c.t.Fatalf("%s %s: %d %v", method, path, status, out)
	}
	return out
}

// refused is call that has to fail with this status and Connect code; it returns the message.
func (c *client) refused(status int, code, method, path string, in any, header ...string) string {
	c.t.Helper()
	got, out := c.call(method, path, in, header...)
	if got != status || out["code"] != code {
		c.t.Errorf("%s %s: got %d %v, want %d %s", method, path, got, out, status, code)
	}
	message, _ := out["message"].(string)
	return message
}

// upload sends bytes in the one-call form and returns "files/ID".
func (c *client) upload(name string, content io.Reader) string {
	c.t.Helper()
	req, err := http.NewRequest(http.MethodPost, c.h.url+"/v1/files?name="+url.QueryEscape(name), content)
	if err != nil {
		c.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+c.token())
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		c.t.Fatal(err)
	}
	text := body(c.t, res)
	if res.StatusCode != http.StatusOK {
		c.t.Fatalf("upload %s: %s\n%s", name, res.Status, text)
	}
	file, _ := decode(c.t, text)["name"].(string)
	return file
}

// ends waits for the end of a run and returns it.
func (c *client) ends(run string, patience time.Duration) map[string]any {
	c.t.Helper()
	var last map[string]any
	eventually(c.t, patience, "the end of "+run, func() bool {
		last = c.must(http.MethodGet, "/v1/"+run, nil)
		switch last["state"] {
		case "COMPLETED", "FAILED", "CANCELLED", "TERMINATED", "TIMED_OUT", "LOST":
			return true
		}
		return false
	})
	return last
}
