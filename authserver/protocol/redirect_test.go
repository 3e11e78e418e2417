package protocol_test

import (
	"strings"
	"testing"

	"github.com/microservicehub/mshub/authserver/protocol"
)

func TestCheckRedirectURI(t *testing.T) {
	t.Parallel()
	for uri, ok := range map[string]bool{
		"https://app.example/cb":          true,
		"https://app.example/cb?tenant=a": true,
		"https://app.example:8443/":       true,
		"http://localhost:3000/cb":        true,
		"http://127.0.0.1/cb":             true,
		"http://[::1]:8080/cb":            true,
		"http://app.example/cb":           false,
		"http://localhost.evil.example/":  false,
		"http://127.0.0.1.evil.example/":  false,
		"https://app.example/cb#x":        false,
		"https://app.example/cb#":         false,
		"https://*.example/cb":            false,
		"https://app.example/*":           false,
		"https://user@app.example/cb":     false,
		"https://localhost@evil.example/": false,
		"javascript:alert(1)":             false,
		"data:text/html,x":                false,
		"com.example.app:/cb":             false,
		"//app.example/cb":                false,
		"/cb":                             false,
		"https:///cb":                     false,
		"https:app.example/cb":            false,
		"https://app.example\\@evil/":     false,
		"https://app.example/a b":         false,
		"https://app.example/\ncb":        false,
		"":                                false,
	} {
		if err := protocol.CheckRedirectURI(uri); (err == nil) != ok {
			t.Errorf("%q: %v, want ok %t", uri, err, ok)
		}
	}
}

// foreign are requests that other servers once took for the registered address: each was an open redirect.
var foreign = []struct{ name, registered, requested string }{
	{"prefix", "https://app.example/cb", "https://app.example/cb/../../evil"},
	{"longer", "https://app.example/cb", "https://app.example/cb2"},
	{"longer host", "https://app.example", "https://app.example.evil.example"},
	{"path added", "https://app.example/cb", "https://app.example/cb/evil"},
	{"encoded dots", "https://app.example/cb", "https://app.example/..%2Fcb"},
	{"encoded dots after", "https://app.example/cb/", "https://app.example/cb/..%2F..%2Fevil"},
	{"double encoded", "https://app.example/cb", "https://app.example/cb%252e%252e/evil"},
	{"semicolon", "https://app.example/cb", "https://app.example/cb/..;/evil"},
	{"user information", "https://app.example/cb", "https://app.example@evil.example/cb"},
	{"localhost as user", "http://localhost/cb", "http://localhost@evil.example/cb"},
	{"regular expression dot", "https://app.example/cb", "https://appXexample/cb"},
	{"case of the path", "https://app.example/Cb", "https://app.example/cb"},
	{"case of the host", "https://app.example/cb", "https://APP.example/cb"},
	{"query added", "https://app.example/cb", "https://app.example/cb?next=//evil.example"},
	{"query changed", "https://app.example/cb?a=1", "https://app.example/cb?a=2"},
	{"fragment", "https://app.example/cb", "https://app.example/cb#@evil.example"},
	{"backslash", "https://app.example/cb", "https://app.example\\@evil.example/cb"},
	{"scheme", "https://app.example/cb", "http://app.example/cb"},
	{"port of a host", "https://app.example/cb", "https://app.example:8443/cb"},
	{"trailing slash", "https://app.example/cb", "https://app.example/cb/"},
	{"nothing", "https://app.example/cb", ""},
	{"loopback: other path", "http://127.0.0.1/cb", "http://127.0.0.1:1234/evil"},
	{"loopback: other scheme", "http://127.0.0.1/cb", "https://127.0.0.1:1234/cb"},
	{"loopback: registered https", "https://127.0.0.1/cb", "http://127.0.0.1:1234/cb"},
	{"loopback: other host", "http://127.0.0.1/cb", "http://127.0.0.2:1234/cb"},
	{"loopback: other family", "http://127.0.0.1/cb", "http://[::1]:1234/cb"},
	{"loopback: longer", "http://127.0.0.1/cb", "http://127.0.0.1.evil.example:80/cb"},
	{"loopback: user", "http://127.0.0.1/cb", "http://127.0.0.1:80@evil.example/cb"},
	{"loopback: query", "http://127.0.0.1/cb", "http://127.0.0.1:1234/cb?x=1"},
	{"loopback: name with a port", "http://localhost/cb", "http://localhost:1234/cb"},
}

func TestMatchRedirectURIRefuses(t *testing.T) {
	t.Parallel()
	for _, c := range foreign {
		if protocol.MatchRedirectURI([]string{c.registered}, c.requested) {
			t.Errorf("%s: %q matches the registered %q", c.name, c.requested, c.registered)
		}
	}
}

func TestMatchRedirectURIAccepts(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ registered, requested string }{
		{"https://app.example/cb", "https://app.example/cb"},
		{"https://app.example/cb?a=1", "https://app.example/cb?a=1"},
		{"http://localhost:3000/cb", "http://localhost:3000/cb"},
		{"http://127.0.0.1/cb", "http://127.0.0.1:49152/cb"},
		{"http://127.0.0.1:80/cb", "http://127.0.0.1:49152/cb"},
		{"http://[::1]/cb", "http://[::1]:49152/cb"},
	} {
		if !protocol.MatchRedirectURI([]string{"https://other.example/", c.registered}, c.requested) {
			t.Errorf("%q does not match the registered %q", c.requested, c.registered)
		}
	}
}

func FuzzMatchRedirectURI(f *testing.F) {
	for _, c := range foreign {
		f.Add(c.requested)
	}
	registered := []string{"https://app.example/cb", "http://127.0.0.1/cb", "http://[::1]/cb"}
	f.Fuzz(func(t *testing.T, requested string) {
		if !protocol.MatchRedirectURI(registered, requested) {
			return
		}
		for _, prefix := range []string{"https://app.example/cb", "http://127.0.0.1:", "http://[::1]:", "http://127.0.0.1/cb", "http://[::1]/cb"} {
			if strings.HasPrefix(requested, prefix) {
				return
			}
		}
		t.Errorf("%q matches", requested)
	})
}

func TestOrigin(t *testing.T) {
	t.Parallel()
	for uri, want := range map[string]string{
		"https://app.example/cb?x=1": "https://app.example",
		"http://127.0.0.1:8080/cb":   "http://127.0.0.1:8080",
		"http://[::1]:8080/cb":       "http:",
		"nonsense":                   "",
	} {
		if got := protocol.Origin(uri); got != want {
			t.Errorf("Origin(%q) = %q, want %q", uri, got, want)
		}
	}
}
