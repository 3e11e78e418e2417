package gateway_test

import (
	"html"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/microservicehub/mshub/gateway"
)

func TestReferencePage(t *testing.T) {
	t.Parallel()
	described, err := gateway.Describe("https://hub.example.org")
	if err != nil {
		t.Fatal(err)
	}
	handler, err := described.Reference()
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/docs", nil))
	page := w.Body.String()
	if file := os.Getenv("MSHUB_TEST_WRITE_DOCS"); file != "" { // to look at it
		if err := os.WriteFile(file, w.Body.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}

	// Self-contained: what it loads is in it, and the policy allows nothing else.
	if loads := regexp.MustCompile(`(?i)(src|@import|url\()\s*=?\s*["'(]?https?:`).FindString(page); loads != "" {
		t.Errorf("the page loads %s", loads)
	}
	if policy := w.Header().Get("Content-Security-Policy"); !strings.HasPrefix(policy, "default-src 'none'; style-src 'sha256-") {
		t.Error(policy)
	}
	if strings.Contains(page, "ZgotmplZ") || strings.Contains(page, "&lt;no value&gt;") || strings.Contains(page, "map[") {
		t.Error("the template met something it can't show")
	}
	for _, method := range methods() {
		if hasRoute(method) && !strings.Contains(page, `<article id="`+string(method.Parent().Name())+"_"+string(method.Name())+`">`) {
			t.Errorf("%s is missing", method.FullName())
		}
	}
	for _, want := range []string{
		"curl 'https://hub.example.org/v1/runs/{run}' \\\n  -H \"Authorization: Bearer $TOKEN\"",
		"--data-binary @FILE", "<code>records:write</code>", "COMPENSATING",
	} {
		if !strings.Contains(html.UnescapeString(page), want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	ids := map[string]bool{}
	for _, id := range regexp.MustCompile(` id="([^"]+)"`).FindAllStringSubmatch(page, -1) {
		if ids[id[1]] {
			t.Errorf("id %s comes twice", id[1])
		}
		ids[id[1]] = true
	}
	for _, link := range regexp.MustCompile(`href="#([^"]+)"`).FindAllStringSubmatch(page, -1) {
		if !ids[link[1]] {
			t.Errorf("link to nowhere: %s", link[1])
		}
	}
	if w := do(handler, http.MethodPost, "/docs", ""); w.Code != http.StatusMethodNotAllowed || w.Header().Get("Allow") != "GET, HEAD" {
		t.Errorf("POST: %d", w.Code)
	}
}
