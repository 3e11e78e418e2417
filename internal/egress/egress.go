// Package egress is how the house calls addresses that people named: webhooks' endpoints, sources of imports. A person must not reach through
// us what only our network can: so the address is judged after its name was resolved, at the moment of dialing.
//
//	egress.go   Policy: which networks may be called, and the client that keeps to it; Fault: why no answer came
//
// No proxy is asked and no redirect followed; TLS is verified.
package egress

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"syscall"
	"time"
)

// Policy says which networks may be called. The zero Policy allows the public internet by https alone.
type Policy struct{ allowed []netip.Prefix }

// ParsePolicy reads the networks that may be called beside the public internet, also by plain http: "10.1.0.0/16",
// "127.0.0.1".
func ParsePolicy(networks []string) (Policy, error) {
	var p Policy
	for _, text := range networks {
		text = strings.TrimSpace(text)
		if text == "" {
			continue
		}
		prefix, err := netip.ParsePrefix(text)
		if err != nil {
			var one netip.Addr
			if one, err = netip.ParseAddr(text); err == nil {
				prefix = netip.PrefixFrom(one, one.BitLen())
			}
		}
		if err != nil {
			return p, fmt.Errorf("%q is no network; write 10.1.0.0/16 or 10.1.2.3", text)
		}
		p.allowed = append(p.allowed, prefix.Masked())
	}
	return p, nil
}

// ErrForbidden is the error of a call to an address that the policy keeps away. It names no address.
var ErrForbidden = errors.New("the address lies in a private network, which the operator does not allow")

// ErrPlain is the error of a call by http to the public internet.
var ErrPlain = errors.New("the address must be https")

// CheckURL says what is wrong with a URL before anything is dialed: its form, its scheme, and its host if it is an
// address. A name is judged when it is dialed.
func (p Policy) CheckURL(raw string) error {
	u, err := url.Parse(raw)
	switch {
	case err != nil || u.Host == "" || u.Hostname() == "" || u.Opaque != "":
		return errors.New("must be a URL such as https://example.com/hooks")
	case u.Scheme != "https" && u.Scheme != "http":
		return errors.New("must begin with https://")
	case u.Scheme == "http" && len(p.allowed) == 0:
		return errors.New("must begin with https://")
	case u.User != nil:
		return errors.New("must not hold a user name or password; receivers know us by the signature")
	case u.Fragment != "":
		return errors.New("must not have a fragment")
	}
	if address, err := netip.ParseAddr(u.Hostname()); err == nil {
		return p.check(u.Scheme, address)
	}
	return nil
}

// check judges an address that is about to be dialed.
func (p Policy) check(scheme string, address netip.Addr) error {
	address = address.Unmap().WithZone("")
	for _, prefix := range p.allowed {
		if prefix.Contains(address) {
			return nil
		}
	}
	if !public(address) {
		return ErrForbidden
	}
	if scheme != "https" {
		return ErrPlain
	}
	return nil
}

// Fault says why a call had no answer, in words that tell no address: what a name leads to is the network's own business.
func Fault(err error) string {
	if named, ok := errors.AsType[*net.DNSError](err); ok {
		return fmt.Sprintf("the name %q can't be resolved", named.Name)
	}
	for _, refused := range []error{ErrForbidden, ErrPlain} {
		if errors.Is(err, refused) {
			return refused.Error()
		}
	}
	if call, ok := errors.AsType[*net.OpError](err); ok {
		if call.Timeout() {
			return "it does not answer in time"
		}
		err = call.Err
	} else if call, ok := errors.AsType[*url.Error](err); ok {
		err = call.Err
	}
	return err.Error()
}

// reserved are the networks that netip has no word for: what is not routed in public, and what leads to IPv4 in disguise.
var reserved = prefixes("0.0.0.0/8", "100.64.0.0/10", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "198.18.0.0/15", "198.51.100.0/24",
	"203.0.113.0/24", "240.0.0.0/4", "::/96", "64:ff9b::/96", "64:ff9b:1::/48", "100::/64", "2001::/23", "2001:db8::/32", "2002::/16", "fec0::/10")

func public(address netip.Addr) bool {
	if !address.IsGlobalUnicast() || address.IsPrivate() {
		return false
	}
	for _, prefix := range reserved {
		if prefix.Contains(address) {
			return false
		}
	}
	return true
}

func prefixes(list ...string) []netip.Prefix {
	all := make([]netip.Prefix, 0, len(list))
	for _, text := range list {
		all = append(all, netip.MustParsePrefix(text))
	}
	return all
}

// Client makes a client that keeps to the policy. Timeout is for a whole call, the answer's body included. Redirects are
// answers, not followed.
func (p Policy) Client(timeout time.Duration) *http.Client {
	return &http.Client{
		Transport:     &transport{plain: p.transport("http"), secure: p.transport("https")},
		Timeout:       timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// transport keeps connections by http and https apart, because the policy judges them apart.
type transport struct{ plain, secure *http.Transport }

func (t *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.URL.Scheme == "https" {
		return t.secure.RoundTrip(req)
	}
	return t.plain.RoundTrip(req)
}

func (p Policy) transport(scheme string) *http.Transport {
	dialer := &net.Dialer{
		Timeout: 10 * time.Second,
		ControlContext: func(_ context.Context, _, address string, _ syscall.RawConn) error {
			target, err := netip.ParseAddrPort(address)
			if err != nil {
				return ErrForbidden
			}
			return p.check(scheme, target.Addr())
		},
	}
	return &http.Transport{
		DialContext:            dialer.DialContext,
		ForceAttemptHTTP2:      true,
		TLSHandshakeTimeout:    10 * time.Second,
		MaxIdleConnsPerHost:    2,
		IdleConnTimeout:        30 * time.Second,
		MaxResponseHeaderBytes: 64 << 10,
	}
}
