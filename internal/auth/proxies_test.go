package auth_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/microservicehub/mshub/internal/auth"
)

// TestProxies: the caller is the last address that no believed proxy has; what is invented before it counts nothing.
func TestProxies(t *testing.T) {
	t.Parallel()
	house, err := auth.ParseProxies([]string{"10.0.0.0/8", " fd00::/8 ", ""})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name      string
		proxies   auth.Proxies
		peer      string
		forwarded []string
		want      string
	}{
		{"nobody is believed", nil, "10.0.0.1:80", []string{"192.0.2.7"}, "10.0.0.1"},
		{"past the edge", house, "203.0.113.9:80", []string{"192.0.2.7"}, "203.0.113.9"},
		{"through the edge", house, "10.0.0.1:80", []string{"192.0.2.7"}, "192.0.2.7"},
		{"through edge and gateway", house, "10.0.0.2:80", []string{"192.0.2.7, 10.0.0.1"}, "192.0.2.7"},
		{"an invented address before it", house, "10.0.0.1:80", []string{"198.51.100.1, 192.0.2.7"}, "192.0.2.7"},
		{"an invented proxy before it", house, "10.0.0.1:80", []string{"10.0.0.5, 192.0.2.7"}, "192.0.2.7"},
		{"two headers", house, "10.0.0.1:80", []string{"198.51.100.1", "192.0.2.7"}, "192.0.2.7"},
		{"the house calls itself", house, "10.0.0.3:80", nil, "10.0.0.3"},
		{"from within", house, "10.0.0.1:80", []string{"10.9.9.9"}, "10.9.9.9"},
		{"no address", house, "10.0.0.1:80", []string{"192.0.2.7, unknown"}, "10.0.0.1"},
		{"with a port", house, "10.0.0.1:80", []string{"192.0.2.7:4711"}, "192.0.2.7"},
		{"IPv6", house, "[fd00::1]:80", []string{"2001:db8::7"}, "2001:db8::7"},
		{"IPv6 with a port", house, "[fd00::1]:80", []string{"[2001:db8::7]:4711"}, "2001:db8::7"},
		{"IPv4 within IPv6", house, "[::ffff:10.0.0.1]:80", []string{"::ffff:192.0.2.7"}, "192.0.2.7"},
	} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
		r.RemoteAddr = c.peer
		r.Header["X-Forwarded-For"] = c.forwarded
		got := ""
		c.proxies.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = auth.RemoteAddress(r.RemoteAddr) })).
			ServeHTTP(httptest.NewRecorder(), r)
		if got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
		if r.RemoteAddr != c.peer {
			t.Errorf("%s: the server's own request was changed", c.name)
		}
	}
}

func TestProxiesNameTheFault(t *testing.T) {
	t.Parallel()
	for _, bad := range []string{"edge", "10.0.0.1", "10.0.0.0/33", "0.0.0.0/0", "::/0"} {
		if _, err := auth.ParseProxies([]string{"10.0.0.0/8", bad}); err == nil || !strings.Contains(err.Error(), bad) {
			t.Errorf("%s: %v", bad, err)
		}
	}
}
