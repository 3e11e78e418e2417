package protocol

import (
	"errors"
	"net"
	"net/url"
	"slices"
	"strings"
)

// The schemes that a redirect URI may have.
const (
	tls   = "https"
	plain = "http"
)

// CheckRedirectURI says why a redirect URI may not be registered: nil if it may. Only https, or http on loopback.
func CheckRedirectURI(raw string) error {
	u, err := url.Parse(raw)
	switch {
	case err != nil:
		return errors.New("is not a URL")
	case strings.ContainsFunc(raw, func(r rune) bool { return r <= ' ' || r >= 0x7f || r == '\\' }):
		return errors.New("contains a character that a URL may not; encode it")
	case strings.Contains(raw, "#"):
		return errors.New("has a fragment (#…); remove it")
	case strings.Contains(raw, "*"):
		return errors.New("has a wildcard; register each address in full")
	case u.User != nil || strings.Contains(u.Host, "@"):
		return errors.New("contains user information before the host; remove it")
	case u.Opaque != "" || u.Hostname() == "":
		return errors.New("has no host; use https://host/path")
	case u.Scheme == tls:
		return nil
	case u.Scheme == plain && Loopback(u.Hostname()):
		return nil
	case u.Scheme == plain:
		return errors.New("uses http on a host that is not this machine; use https")
	}
	return errors.New("has another scheme than https; use https, or http on loopback")
}

// Loopback reports whether the host is this machine: localhost, 127.0.0.0/8 or ::1.
func Loopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

// MatchRedirectURI reports whether a request's redirect URI is a registered one: byte for byte, but for the port of a
// loopback address, which native applications choose when they start (RFC 8252 §7.3).
func MatchRedirectURI(registered []string, requested string) bool {
	if slices.Contains(registered, requested) {
		return true
	}
	if CheckRedirectURI(requested) != nil {
		return false
	}
	u, err := url.Parse(requested)
	if err != nil || u.Scheme != plain || net.ParseIP(u.Hostname()) == nil || u.Port() == "" {
		return false
	}
	bare := withoutPort(requested, u)
	return slices.ContainsFunc(registered, func(raw string) bool {
		r, err := url.Parse(raw)
		return err == nil && r.Scheme == plain && net.ParseIP(r.Hostname()) != nil && withoutPort(raw, r) == bare
	})
}

// withoutPort cuts the port out of the text, leaving every other byte as it was written.
func withoutPort(raw string, u *url.URL) string {
	if u.Port() == "" {
		return raw
	}
	return strings.Replace(raw, "://"+u.Host, "://"+strings.TrimSuffix(u.Host, ":"+u.Port()), 1)
}

// Origin is the scheme, host and port of a redirect URI, as a Content-Security-Policy names it. Policies can't name an
// IPv6 host, so such a loopback address allows its scheme.
func Origin(redirectURI string) string {
	u, err := url.Parse(redirectURI)
	if err != nil || u.Host == "" {
		return ""
	}
	if strings.Contains(u.Host, "[") {
		return u.Scheme + ":"
	}
	return u.Scheme + "://" + u.Host
}
