package page_test

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/microservicehub/mshub/authserver/page"
)

func pages(t *testing.T, public string, keys ...string) *page.Pages {
	t.Helper()
	u, err := url.Parse(public)
	if err != nil {
		t.Fatal(err)
	}
	var raw [][]byte
	for _, k := range keys {
		raw = append(raw, []byte(strings.Repeat(k, 32)))
	}
	p, err := page.New(u, raw, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestCookiesUnderHTTPS(t *testing.T) {
	t.Parallel()
	p := pages(t, "https://hub.example", "a")
	w := httptest.NewRecorder()
	p.SetCookie(w, "mshub", "secret", 60)
	p.Say(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/signin", nil), http.StatusOK, "Hello", "World")
	for _, c := range w.Result().Cookies() {
		if !strings.HasPrefix(c.Name, "__Host-mshub") || !c.Secure || !c.HttpOnly || c.Path != "/" || c.Domain != "" || c.SameSite != http.SameSiteLaxMode {
			t.Errorf("%+v", c)
		}
	}
	if len(w.Result().Cookies()) != 2 {
		t.Errorf("%d cookies", len(w.Result().Cookies()))
	}
}

// TestFormsSurviveNewKeys: a page that was open while the secret keys were exchanged can still be sent.
func TestFormsSurviveNewKeys(t *testing.T) {
	t.Parallel()
	before, after, without := pages(t, "https://hub.example", "a"), pages(t, "https://hub.example", "b", "a"), pages(t, "https://hub.example", "b")
	w := httptest.NewRecorder()
	before.Render(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/reset", nil), http.StatusOK, "reset", page.View{Title: "x", Data: struct{ Email string }{}})
	_, rest, _ := strings.Cut(w.Body.String(), `name="form" value="`)
	token, _, _ := strings.Cut(rest, `"`)
	post := func(p *page.Pages) bool {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/reset", strings.NewReader(url.Values{"form": {token}}.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		for _, c := range w.Result().Cookies() {
			r.AddCookie(c)
		}
		return p.Posted(httptest.NewRecorder(), r)
	}
	if !post(before) || !post(after) || post(without) {
		t.Errorf("before %t, after %t, without the old key %t", post(before), post(after), post(without))
	}
}

func TestTextIsEscaped(t *testing.T) {
	t.Parallel()
	p := pages(t, "https://hub.example", "a")
	w := httptest.NewRecorder()
	p.Say(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/signin", nil), http.StatusOK, "<b>", `"><script>alert(1)</script>`)
	if strings.Contains(w.Body.String(), "<script") || strings.Contains(w.Body.String(), "<b>") {
		t.Error(w.Body.String())
	}
}
