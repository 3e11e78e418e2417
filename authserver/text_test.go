package authserver_test

import (
	"bytes"
	"mime/multipart"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// What the database can't hold is the caller's fault, at every address: 400, and not a word in the log.
func TestWhatIsNoText(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	const form = "application/x-www-form-urlencoded"
	var parts bytes.Buffer
	multi := multipart.NewWriter(&parts)
	_ = multi.WriteField("grant_type", "client_credentials")
	_ = multi.WriteField("client_id", "\x00")
	_ = multi.Close()
	basic := func(user, password string) http.Header {
		req := http.Request{Header: http.Header{"Content-Type": {form}}}
		req.SetBasicAuth(user, password)
		return req.Header
	}
	header := http.Header{"Content-Type": {form}}
	const grant = "grant_type=client_credentials"
	for name, c := range map[string]struct {
		method, path, body string
		header             http.Header
		status             int
	}{
		"token, zero byte":            {"POST", "/oauth2/token", grant + "&client_id=%00", header, 400},
		"token, no UTF-8":             {"POST", "/oauth2/token", grant + "&client_id=%ff", header, 400},
		"token, a name":               {"POST", "/oauth2/token", grant + "&%00=x", header, 400},
		"token, Basic":                {"POST", "/oauth2/token", grant, basic("\x00", "x"), 400},
		"token, Basic no UTF-8":       {"POST", "/oauth2/token", grant, basic("\xff", "x"), 400},
		"token, Basic encoded":        {"POST", "/oauth2/token", grant, basic("%00", "x"), 400},
		"token, Basic password":       {"POST", "/oauth2/token", grant, basic("x", "%00"), 400},
		"token, multipart":            {"POST", "/oauth2/token", parts.String(), http.Header{"Content-Type": {multi.FormDataContentType()}}, 400},
		"token, with a charset":       {"POST", "/oauth2/token", grant + "&client_id=%00", http.Header{"Content-Type": {form + "; charset=utf-8"}}, 400},
		"token, beside a bad escape":  {"POST", "/oauth2/token", "x=%zz&client_id=%00", header, 400},
		"token, good":                 {"POST", "/oauth2/token", grant + "&client_id=n%C3%B6body", header, 401},
		"token, good Basic":           {"POST", "/oauth2/token", grant, basic("nobody", "x"), 401},
		"token, too long":             {"POST", "/oauth2/token", grant + "&x=" + strings.Repeat("x", 70000), header, 400},
		"introspect":                  {"POST", "/oauth2/introspect", "token=x&client_id=%00&client_secret=x", header, 400},
		"revoke":                      {"POST", "/oauth2/revoke", "token=%00&client_id=x", header, 400},
		"par":                         {"POST", "/oauth2/par", "client_id=%00", header, 400},
		"authorize":                   {"GET", "/oauth2/authorize?client_id=%00", "", nil, 400},
		"authorize, posted":           {"POST", "/oauth2/authorize", "client_id=%00", header, 400},
		"logout":                      {"GET", "/oauth2/logout?client_id=%00&post_logout_redirect_uri=x", "", nil, 400},
		"sign-in":                     {"POST", "/signin", "email=a%00@b.c&password=x", header, 400},
		"sign-in, no UTF-8":           {"POST", "/signin", "email=a@b.c&password=%ff", header, 400},
		"sign-in, good without token": {"POST", "/signin", "email=a@b.c&password=x", header, 403},
		"sign-in, return address":     {"GET", "/signin?return_to=" + url.QueryEscape("/oauth2/authorize?client_id=%00"), "", nil, 200},
		"sign-up":                     {"POST", "/signup", "email=a@b.c&name=%00", header, 400},
		"reset":                       {"POST", "/reset", "email=%00", header, 400},
		"link":                        {"GET", "/verify?link=%00", "", nil, 400},
		"consent":                     {"POST", "/consent", "request=" + url.QueryEscape("client_id=%00"), header, 400},
	} {
		req, err := http.NewRequestWithContext(t.Context(), c.method, h.url+c.path, strings.NewReader(c.body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header = c.header.Clone()
		if req.Header == nil {
			req.Header = http.Header{}
		}
		p := h.browser().do(req)
		if p.status != c.status {
			t.Errorf("%s: %d, want %d: %s", name, p.status, c.status, p.text())
		}
		if p.status == http.StatusBadRequest {
			want := "text/html; charset=utf-8"
			if strings.HasPrefix(p.path, "/oauth2/") { // where redirects have led
				want = "application/json"
			}
			if got := p.header.Get("Content-Type"); !strings.HasPrefix(got, want) {
				t.Errorf("%s: %s, want %s", name, got, want)
			}
			if want == "application/json" && !strings.Contains(p.body, `"invalid_request"`) {
				t.Errorf("%s: %s", name, p.body)
			}
		}
	}
	if text := h.log.String(); strings.Contains(text, `"level":"ERROR"`) {
		t.Errorf("the log: %s", text)
	}
}
