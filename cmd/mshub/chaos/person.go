package main

import (
	"context"
	"errors"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"time"
)

// password of everybody here.
const password = "correct horse battery staple"

// person is somebody with a browser.
type person struct {
	origin string
	http   *http.Client
}

func newPerson(origin string) *person {
	jar, _ := cookiejar.New(nil) // never fails
	return &person{origin, &http.Client{Jar: jar, Timeout: 20 * time.Second}}
}

var (
	hiddenInput = regexp.MustCompile(`<input[^>]*type="hidden"[^>]*>`)
	nameOf      = regexp.MustCompile(`name="([^"]*)"`)
	valueOf     = regexp.MustCompile(`value="([^"]*)"`)
	actionOf    = regexp.MustCompile(`<form[^>]*action="([^"]*)"`)
)

var errNoForm = errors.New("the page has no form to fill")

// submit opens a page, fills its form and sends it.
func (p *person) submit(ctx context.Context, address string, fields map[string]string) error {
	page, err := p.request(ctx, http.MethodGet, address, nil)
	if err != nil {
		return err
	}
	if !strings.Contains(page, `name="password"`) {
		return errNoForm
	}
	form := url.Values{}
	for _, input := range hiddenInput.FindAllString(page, -1) {
		name, value := nameOf.FindStringSubmatch(input), valueOf.FindStringSubmatch(input)
		if name != nil && value != nil {
			form.Set(name[1], html.UnescapeString(value[1]))
		}
	}
	for k, v := range fields {
		form.Set(k, v)
	}
	target := address
	if m := actionOf.FindStringSubmatch(page); m != nil && m[1] != "" {
		if target = html.UnescapeString(m[1]); strings.HasPrefix(target, "/") {
			target = p.origin + target
		}
	}
	_, err = p.request(ctx, http.MethodPost, target, form)
	return err
}

func (p *person) request(ctx context.Context, method, address string, form url.Values) (string, error) {
	req, err := http.NewRequestWithContext(ctx, method, address, strings.NewReader(form.Encode()))
	if err != nil {
		return "", err
	}
	if method == http.MethodPost {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		req.Header.Set("Origin", p.origin)
	}
	res, err := p.http.Do(req)
	if err != nil {
		return "", err
	}
	defer func() { _ = res.Body.Close() }()
	raw, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	if err == nil && res.StatusCode >= 500 {
		err = fmt.Errorf("%s %s: %s", method, req.URL.Path, res.Status)
	}
	return string(raw), err
}

// session fetches tokens as the console does: cookie and exact origin.
func (p *person) session(ctx context.Context) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.origin+"/session/token", strings.NewReader("{}"))
	if err != nil {
		return "", err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Origin", p.origin)
	return accessToken(p.http, req, "accessToken")
}

// signIn signs somebody in who has a password.
func (p *person) signIn(ctx context.Context, email string) error {
	for {
		err := p.submit(ctx, p.origin+"/signin", map[string]string{"email": email, "password": password})
		if _, refused := p.session(ctx); refused == nil {
			return nil
		}
		if ctx.Err() != nil {
			return fmt.Errorf("signing %s in: %w; last: %w", email, context.Cause(ctx), err)
		}
		wait(ctx, time.Second)
	}
}
