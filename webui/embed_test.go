package webui

import (
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"
)

var built = fstest.MapFS{
	".keep":             {},
	"index.html":        {Data: []byte(`<meta name="csp-nonce" content="%NONCE%"><script src="/assets/a-1.js"></script>`)},
	"favicon.svg":       {Data: []byte("<svg/>")},
	"assets/a-1.js":     {Data: []byte("plain")},
	"assets/a-1.js.br":  {Data: []byte("brotli")},
	"assets/a-1.js.gz":  {Data: []byte("gzip")},
	"assets/font.woff2": {Data: []byte("font")},
}

func get(t *testing.T, h http.Handler, method, path, encoding string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest(method, path, http.NoBody)
	r.Header.Set("Accept-Encoding", encoding)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestHandlerFiles(t *testing.T) {
	t.Parallel()
	h := handler(built)
	const forever = "public, max-age=31536000, immutable"
	for name, c := range map[string]struct {
		method, path, encoding string
		status                 int
		body, kind, cache      string
	}{
		"brotli first":           {"GET", "/assets/a-1.js", "gzip, br", 200, "brotli", "text/javascript; charset=utf-8", forever},
		"gzip":                   {"GET", "/assets/a-1.js", "gzip", 200, "gzip", "text/javascript; charset=utf-8", forever},
		"a refused encoding":     {"GET", "/assets/a-1.js", "br;q=0", 200, "plain", "text/javascript; charset=utf-8", forever},
		"never compressed":       {"GET", "/assets/font.woff2", "br", 200, "font", "font/woff2", forever},
		"not hashed":             {"GET", "/favicon.svg", "", 200, "<svg/>", "image/svg+xml", "no-cache"},
		"a missing asset":        {"GET", "/assets/gone.js", "", 404, "404 page not found\n", "text/plain; charset=utf-8", ""},
		"head":                   {"HEAD", "/favicon.svg", "", 200, "", "image/svg+xml", "no-cache"},
		"a method it can't take": {"POST", "/runs", "", 405, "method not allowed\n", "text/plain; charset=utf-8", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := get(t, h, c.method, c.path, c.encoding)
			if w.Code != c.status || w.Body.String() != c.body || w.Header().Get("Content-Type") != c.kind || w.Header().Get("Cache-Control") != c.cache {
				t.Errorf("got %d %q %v", w.Code, w.Body, w.Header())
			}
		})
	}
}

// Every path that is no file starts the console, which knows its own pages; each answer has its own nonce.
func TestHandlerIndex(t *testing.T) {
	t.Parallel()
	h := handler(built)
	seen := map[string]bool{}
	for _, path := range []string{"/", "/index.html", "/runs/0197", "/.keep", "/assets/../runs"} {
		w := get(t, h, "GET", path, "br")
		policy := w.Header().Get("Content-Security-Policy")
		found := regexp.MustCompile(`style-src 'self' 'nonce-([^']+)'`).FindStringSubmatch(policy)
		if found == nil {
			t.Fatalf("%s: no nonce in %q", path, policy)
		}
		nonce := found[1]
		if !strings.Contains(w.Body.String(), `content="`+nonce+`"`) || strings.Contains(policy, "unsafe") || seen[nonce] {
			t.Errorf("%s: nonce %q, policy %q, body %q", path, nonce, policy, w.Body)
		}
		seen[nonce] = true
		if got := w.Header().Get("Cache-Control"); got != "no-cache" {
			t.Errorf("%s: Cache-Control %q", path, got)
		}
	}
}

func TestHandlerBlobOrigins(t *testing.T) {
	t.Parallel()
	w := get(t, handler(built, "https://bucket.example"), "GET", "/", "")
	if policy := w.Header().Get("Content-Security-Policy"); !strings.Contains(policy, "connect-src 'self' https://bucket.example;") {
		t.Errorf("policy %q", policy)
	}
}

func TestHandlerUnbuilt(t *testing.T) {
	t.Parallel()
	w := get(t, handler(fstest.MapFS{".keep": {}}), "GET", "/runs", "")
	if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), "make build") {
		t.Errorf("got %d %q", w.Code, w.Body)
	}
}
