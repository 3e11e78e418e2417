package e2e

import (
	"html"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"testing"
)

// person is somebody with a browser: cookies, pages, forms. Redirects are followed by hand where a test wants to see them.
type person struct {
	t    *testing.T
	h    *house
	http *http.Client
}

func (h *house) person() *person {
	jar, err := cookiejar.New(nil)
	if err != nil {
		h.t.Fatal(err)
	}
	return &person{t: h.t, h: h, http: &http.Client{Jar: jar}}
}

// open reads a page.
func (p *person) open(address string) string {
	p.t.Helper()
	res, err := p.http.Get(p.absolute(address))
	if err != nil {
		p.t.Fatal(err)
	}
	if res.StatusCode != http.StatusOK {
		p.t.Fatalf("GET %s: %s\n%s", address, res.Status, body(p.t, res))
	}
	return body(p.t, res)
}

var (
	hidden = regexp.MustCompile(`<input[^>]*type="hidden"[^>]*>`)
	attr   = func(name string) *regexp.Regexp { return regexp.MustCompile(name + `="([^"]*)"`) }
	action = regexp.MustCompile(`<form[^>]*action="([^"]*)"`)
)

// submit opens a page, fills its form (keeping the hidden fields) and sends it.
func (p *person) submit(address string, fields map[string]string) *http.Response {
	p.t.Helper()
	page := p.open(address)
	form := url.Values{}
	for _, input := range hidden.FindAllString(page, -1) {
		name := attr("name").FindStringSubmatch(input)
		value := attr("value").FindStringSubmatch(input)
		if name != nil && value != nil {
			form.Set(name[1], html.UnescapeString(value[1]))
		}
	}
	for k, v := range fields {
		form.Set(k, v)
	}
	target := p.absolute(address)
	if m := action.FindStringSubmatch(page); m != nil && m[1] != "" {
		target = p.absolute(html.UnescapeString(m[1]))
	}
	req, err := http.NewRequest(http.MethodPost, target, strings.NewReader(form.Encode()))
	if err != nil {
		p.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Origin", p.h.url)
	res, err := p.http.Do(req)
	if err != nil {
		p.t.Fatal(err)
	}
	return res
}

// token is what the console asks for: the cookie and the exact origin give a short-lived access token.
func (p *person) token() string {
	p.t.Helper()
	req, err := http.NewRequest(http.MethodPost, p.h.url+"/session/token", strings.NewReader("{}"))
	if err != nil {
		p.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Origin", p.h.url)
	res, err := p.http.Do(req)
	if err != nil {
		p.t.Fatal(err)
	}
	text := body(p.t, res)
	if res.StatusCode != http.StatusOK {
		p.t.Fatalf("POST /session/token: %s\n%s", res.Status, text)
	}
	token, _ := decode(p.t, text)["accessToken"].(string)
	if token == "" {
		p.t.Fatalf("no accessToken in %s", text)
	}
	return token
}

// administrator uses the first link up and is signed in.
func (h *house) administrator(email string) *person {
	h.t.Helper()
	if h.link == "" {
		h.t.Fatalf("no link for the first administrator was printed:\n%s", h.output())
	}
	p := h.person()
	res := p.submit(h.link, map[string]string{"email": email, "name": "Ada Admin", "password": password})
	if res.StatusCode != http.StatusOK {
		h.t.Fatalf("the administrator's link: %s\n%s", res.Status, body(h.t, res))
	}
	return p
}

// password of everyone in these tests.
const password = "correct horse battery staple"

func (p *person) absolute(address string) string {
	if strings.HasPrefix(address, "/") {
		return p.h.url + address
	}
	return address
}
