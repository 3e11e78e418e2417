package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

// client is a good citizen of the API: a key on each change, patience where the answer says so, and no more than that.
type client struct {
	base  string
	http  *http.Client
	token *token
	odd   *tally
}

// token is an access token that is fetched again when it is old or refused.
type token struct {
	fetch func(ctx context.Context) (string, error)

	mu    sync.Mutex
	value string
	until time.Time
}

func (t *token) get(ctx context.Context) (string, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if time.Now().Before(t.until) {
		return t.value, nil
	}
	value, err := t.fetch(ctx)
	if err != nil {
		return "", err
	}
	t.value, t.until = value, time.Now().Add(3*time.Minute)
	return value, nil
}

func (t *token) forget() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.until = time.Time{}
}

// refusal is an answer that repeating would not change.
type refusal struct {
	status        int
	code, message string
}

func (r *refusal) Error() string { return fmt.Sprintf("%d %s: %s", r.status, r.code, r.message) }

func refused(err error, code string) bool {
	var r *refusal
	return errors.As(err, &r) && r.code == code
}

// tally counts answers that a client should not have to see.
type tally struct {
	mu    sync.Mutex
	count map[string]int
}

func (t *tally) add(what string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.count == nil {
		t.count = map[string]int{}
	}
	t.count[what]++
}

// do repeats a call until it is answered or refused for good.
func (c *client) do(ctx context.Context, method, path, key string, body any) (map[string]any, error) {
	var raw []byte
	if body != nil {
		var err error
		if raw, err = json.Marshal(body); err != nil {
			return nil, err
		}
	}
	pause := 100 * time.Millisecond
	for {
		out, err := c.once(ctx, method, path, key, "application/json", raw)
		var final *refusal
		if err == nil || errors.As(err, &final) {
			return out, err
		}
		if ctx.Err() != nil {
			return nil, fmt.Errorf("%s %s: %w; last: %w", method, path, context.Cause(ctx), err)
		}
		wait(ctx, pause)
		pause = min(2*pause, 2*time.Second)
	}
}

// once is one attempt; an error that is no refusal is worth another.
func (c *client) once(ctx context.Context, method, path, key, contentType string, body []byte) (map[string]any, error) {
	bearer, err := c.token.get(ctx)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+bearer)
	if body != nil {
		req.Header.Set("Content-Type", contentType)
	}
	if key != "" {
		req.Header.Set("Idempotency-Key", key)
	}
	res, err := c.http.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = res.Body.Close() }()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		return nil, err
	}
	var out map[string]any
	if err := json.Unmarshal(raw, &out); err != nil && len(raw) > 0 {
		return nil, fmt.Errorf("%s %s answered %s with no JSON: %.200s", method, path, res.Status, raw)
	}
	if res.StatusCode == http.StatusOK {
		return out, nil
	}
	r := &refusal{res.StatusCode, text(out["code"]), text(out["message"])}
	switch {
	case res.StatusCode == http.StatusUnauthorized:
		c.token.forget()
		c.odd.add(fmt.Sprintf("%s %s: %v", method, pattern(path), r))
	case res.StatusCode == http.StatusTooManyRequests, res.StatusCode == http.StatusServiceUnavailable, r.code == "aborted":
	case res.StatusCode >= 500:
		c.odd.add(fmt.Sprintf("%s %s: %d %s", method, pattern(path), r.status, r.code))
	default:
		return nil, r
	}
	return nil, errors.New(r.Error())
}

// pattern is a path without its ids, so that alike answers are counted together.
func pattern(path string) string {
	path, _, _ = strings.Cut(path, "?")
	parts := strings.Split(path, "/")
	for i, part := range parts {
		if len(part) > 30 {
			_, verb, found := strings.Cut(part, ":")
			if parts[i] = "ID"; found {
				parts[i] += ":" + verb
			}
		}
	}
	return strings.Join(parts, "/")
}

// upload sends a file in the one-call form until it is there.
func (c *client) upload(ctx context.Context, name string, content []byte) (string, error) {
	for {
		out, err := c.once(ctx, http.MethodPost, "/v1/files?name="+url.QueryEscape(name), "", "application/octet-stream", content)
		if err == nil {
			return text(out["name"]), nil
		}
		var final *refusal
		if errors.As(err, &final) || ctx.Err() != nil {
			return "", fmt.Errorf("upload of %s: %w", name, err)
		}
		wait(ctx, 300*time.Millisecond)
	}
}

// clientCredentials fetches tokens of a machine client.
func clientCredentials(base, id, secret, scope string) func(context.Context) (string, error) {
	return func(ctx context.Context) (string, error) {
		ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
		defer cancel()
		form := url.Values{"grant_type": {"client_credentials"}, "scope": {scope}}
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, base+"/oauth2/token", strings.NewReader(form.Encode()))
		if err != nil {
			return "", err
		}
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		req.SetBasicAuth(url.QueryEscape(id), url.QueryEscape(secret))
		return accessToken(http.DefaultClient, req, "access_token")
	}
}

func accessToken(client *http.Client, req *http.Request, field string) (string, error) {
	res, err := client.Do(req)
	if err != nil {
		return "", err
	}
	defer func() { _ = res.Body.Close() }()
	var out map[string]any
	if err := json.NewDecoder(res.Body).Decode(&out); err != nil {
		return "", err
	}
	if value := text(out[field]); value != "" {
		return value, nil
	}
	return "", fmt.Errorf("%s answered %s: %v", req.URL.Path, res.Status, out)
}

// text is a JSON value as text; "" for what is missing.
func text(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return v
	}
	return fmt.Sprint(v)
}
