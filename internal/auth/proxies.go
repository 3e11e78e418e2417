package auth

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// forwardedHeader lists the addresses that a request came through, the caller's first; each proxy adds the one it saw.
const forwardedHeader = "X-Forwarded-For"

// Proxies are the networks in which the edge and the house's own roles stand: they are believed when they say from where a
// request came. The zero Proxies believes nobody.
type Proxies []netip.Prefix

// ParseProxies reads networks such as "10.0.0.0/8" and "fd00::/8".
func ParseProxies(networks []string) (Proxies, error) {
	var p Proxies
	for _, text := range networks {
		if text = strings.TrimSpace(text); text == "" {
			continue
		}
		prefix, err := netip.ParsePrefix(text)
		if err != nil {
			return nil, fmt.Errorf("%q is no network; write 10.0.0.0/8, several separated by commas", text)
		}
		if prefix.Bits() == 0 {
			return nil, fmt.Errorf("%q believes everybody, so that callers could choose their address; name the networks of the proxies", text)
		}
		p = append(p, prefix.Masked())
	}
	return p, nil
}

// Handler gives each request the address of its caller in place of the proxy's that brought it. It stands before everything
// that counts, limits or writes down by address.
func (p Proxies) Handler(next http.Handler) http.Handler {
	if len(p) == 0 {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if caller, ok := p.caller(r); ok {
			r = r.WithContext(r.Context()) // a handler leaves the request that it was given as it is
			r.RemoteAddr = net.JoinHostPort(caller.String(), "0")
		}
		next.ServeHTTP(w, r)
	})
}

// caller goes back from proxy to proxy, as long as they are believed: the last one that is not is who called. What stands
// before it in the header may be invented. False if the request came past the proxies.
func (p Proxies) caller(r *http.Request) (netip.Addr, bool) {
	caller, ok := hop(r.RemoteAddr)
	if !ok || !p.believe(caller) {
		return caller, false
	}
	hops := strings.Split(strings.Join(r.Header.Values(forwardedHeader), ","), ",")
	for _, text := range slices.Backward(hops) {
		before, ok := hop(strings.TrimSpace(text))
		if !ok {
			break
		}
		caller = before
		if !p.believe(caller) {
			break
		}
	}
	return caller, true
}

func (p Proxies) believe(address netip.Addr) bool {
	return slices.ContainsFunc(p, func(network netip.Prefix) bool { return network.Contains(address) })
}

// hop reads an address, with a port as some proxies write it, or without.
func hop(text string) (netip.Addr, bool) {
	address, err := netip.ParseAddr(text)
	if err != nil {
		var both netip.AddrPort
		both, err = netip.ParseAddrPort(text)
		address = both.Addr()
	}
	return address.Unmap().WithZone(""), err == nil
}

// Forward tells the next role from where a request came; only who believes us takes it.
func Forward(from *http.Request, to http.Header) {
	to.Set(forwardedHeader, RemoteAddress(from.RemoteAddr))
}
