package page

import (
	"net/url"
	"strings"
)

// maxLocal bounds a return address: an authorization request with a long state still fits.
const maxLocal = 8 << 10

// Local returns the address if it is a path on this origin, else "/". Whoever writes a link to our sign-in page chooses
// it, so nothing a browser could read as another host may pass.
func Local(raw string) string {
	if len(raw) > maxLocal || !strings.HasPrefix(raw, "/") || strings.HasPrefix(raw, "//") {
		return "/"
	}
	// Browsers drop tabs and newlines, and read a backslash as a slash.
	if strings.ContainsFunc(raw, func(r rune) bool { return r <= ' ' || r == 0x7f || r == '\\' }) {
		return "/"
	}
	u, err := url.Parse(raw)
	if err != nil || u.Scheme != "" || u.Host != "" || u.User != nil || u.Opaque != "" {
		return "/"
	}
	if strings.HasPrefix(u.Path, "//") || strings.ContainsAny(u.Path, "\\\r\n\t") {
		return "/"
	}
	return raw
}
