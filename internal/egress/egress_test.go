package egress_test

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/microservicehub/mshub/internal/egress"
)

func policy(t *testing.T, networks ...string) egress.Policy {
	t.Helper()
	p, err := egress.ParsePolicy(networks)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestCheckURL(t *testing.T) {
	t.Parallel()
	cases := []struct {
		url     string
		allowed []string
		fault   string
	}{
		{"https://example.com/hooks?token=1", nil, ""},
		{"https://93.184.216.34/", nil, ""},
		{"https://[2606:2800:220:1::1]:8443/", nil, ""},
		{"http://example.com/", nil, "https"},
		{"ftp://example.com/", nil, "https"},
		{"example.com/hooks", nil, "URL"},
		{"https://", nil, "URL"},
		{"https:example.com", nil, "URL"},
		{"https://user:secret@example.com/", nil, "password"},
		{"https://example.com/#a", nil, "fragment"},
		{"https://127.0.0.1/", nil, "private network"},
		{"https://[::1]/", nil, "private network"},
		{"https://[::ffff:10.0.0.1]/", nil, "private network"},
		{"https://[64:ff9b::a00:1]/", nil, "private network"},
		{"https://[2002:a00:1::]/", nil, "private network"},
		{"https://10.1.2.3/", nil, "private network"},
		{"https://172.16.0.1/", nil, "private network"},
		{"https://192.168.1.1/", nil, "private network"},
		{"https://169.254.169.254/latest/meta-data", nil, "private network"},
		{"https://100.64.0.1/", nil, "private network"},
		{"https://0.0.0.0/", nil, "private network"},
		{"https://[fe80::1%25eth0]/", nil, "private network"},
		{"https://[fd00::1]/", nil, "private network"},
		{"https://224.0.0.1/", nil, "private network"},
		{"https://10.1.2.3/", []string{"10.1.0.0/16"}, ""},
		{"http://10.1.2.3/", []string{"10.1.0.0/16"}, ""},
		{"https://10.2.2.3/", []string{"10.1.0.0/16"}, "private network"},
		{"http://93.184.216.34/", []string{"10.1.0.0/16"}, "https"},
		{"http://127.0.0.1:8080/", []string{"127.0.0.1"}, ""},
	}
	for _, tc := range cases {
		err := policy(t, tc.allowed...).CheckURL(tc.url)
		if tc.fault == "" && err != nil || tc.fault != "" && (err == nil || !strings.Contains(err.Error(), tc.fault)) {
			t.Errorf("%s with %v: %v, want %q", tc.url, tc.allowed, err, tc.fault)
		}
	}
	if _, err := egress.ParsePolicy([]string{"internal.example"}); err == nil {
		t.Error("a name is no network")
	}
}

// A name is judged by what it leads to at the moment of the call: localhost stands for any name that leads inside.
func TestNamesThatLeadInside(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "http://169.254.169.254/", http.StatusFound)
	}))
	defer server.Close()
	named := strings.Replace(server.URL, "127.0.0.1", "localhost", 1)
	for _, link := range []string{named, server.URL, strings.Replace(named, "http:", "https:", 1)} {
		if _, err := policy(t).Client(time.Second).Get(link); !errors.Is(err, egress.ErrForbidden) {
			t.Errorf("%s: %v", link, err)
		}
	}
	res, err := policy(t, "127.0.0.0/8", "::1").Client(5 * time.Second).Get(named)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusFound {
		t.Errorf("a redirect was followed: %d", res.StatusCode)
	}
}

// What a name leads to is told to nobody, whatever went wrong.
func TestFaultsNameNoAddress(t *testing.T) {
	t.Parallel()
	inside := &net.TCPAddr{IP: net.IPv4(10, 1, 2, 3), Port: 8080}
	dial := func(err error) error {
		return &url.Error{Op: "Get", URL: "https://files.example.com/10.1.2.3", Err: &net.OpError{Op: "dial", Net: "tcp", Addr: inside, Err: err}}
	}
	for want, err := range map[string]error{
		"the name \"files.example.com\" can't be resolved": dial(&net.DNSError{Err: "no such host", Name: "files.example.com", Server: "10.1.2.3:53"}),
		"connect: connection refused":                      dial(os.NewSyscallError("connect", syscall.ECONNREFUSED)),
		egress.ErrForbidden.Error():                        dial(egress.ErrForbidden),
		egress.ErrPlain.Error():                            fmt.Errorf("reading: %w", dial(egress.ErrPlain)),
		"it does not answer in time":                       dial(os.ErrDeadlineExceeded),
		"read: connection reset by peer":                   &net.OpError{Op: "read", Net: "tcp", Source: inside, Addr: inside, Err: os.NewSyscallError("read", syscall.ECONNRESET)},
		"unexpected EOF":                                   &url.Error{Op: "Get", URL: "https://10.1.2.3/", Err: errors.New("unexpected EOF")},
	} {
		if got := egress.Fault(err); got != want {
			t.Errorf("%v: %q, want %q", err, got, want)
		}
	}
}
