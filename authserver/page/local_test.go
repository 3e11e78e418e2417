package page_test

import (
	"net/url"
	"testing"

	"github.com/microservicehub/mshub/authserver/page"
)

func TestLocal(t *testing.T) {
	t.Parallel()
	for _, raw := range []string{
		"/", "/runs", "/runs?filter=state%3D%22RUNNING%22", "/runs/1#step-2", "/oauth2/authorize?client_id=a&redirect_uri=https%3A%2F%2Fapp.example%2Fcb", "/a//b", "/a:b",
	} {
		if got := page.Local(raw); got != raw {
			t.Errorf("Local(%q) = %q, want it unchanged", raw, got)
		}
	}
	for _, raw := range []string{
		"", "runs", "https://evil.example", "//evil.example", "///evil.example", "/\\evil.example", "\\\\evil.example", "/\t/evil.example",
		"/\n/evil.example", "\t//evil.example", " //evil.example", "/ /evil.example", "javascript:alert(1)", "/%2f/evil.example", "/%2Fevil.example",
		"/%5cevil.example", "/%09/evil.example", "/%0d%0aSet-Cookie:x=y", "https:evil.example", "http:///evil.example", "@evil.example", "/x\x00", "/%zz",
	} {
		if got := page.Local(raw); got != "/" {
			t.Errorf("Local(%q) = %q, want /", raw, got)
		}
	}
}

func FuzzLocal(f *testing.F) {
	f.Add("/runs")
	f.Add("//evil.example")
	base := &url.URL{Scheme: "https", Host: "hub.example", Path: "/signin"}
	f.Fuzz(func(t *testing.T, raw string) {
		target, err := url.Parse(page.Local(raw))
		if err != nil {
			t.Fatalf("%q became something that is no URL", raw)
		}
		if at := base.ResolveReference(target); at.Host != base.Host || at.Scheme != base.Scheme {
			t.Errorf("%q leads to %s", raw, at)
		}
	})
}
