package identity

import (
	"crypto/sha256"
	"net/mail"
	"net/netip"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"github.com/microservicehub/mshub/internal/rpc"
)

// normalise decides when two addresses are the same: without spaces around, in Unicode's composed form, in lower case.
// Mail never goes to what was typed but to the address that was stored, so a look-alike can't redirect it.
func normalise(email string) string {
	return norm.NFC.String(strings.ToLower(norm.NFC.String(strings.TrimSpace(email))))
}

// checkEmail accepts one plain address, as it goes into the `To` of a mail.
func checkEmail(field, email string) (string, error) {
	email = strings.TrimSpace(email)
	parsed, err := mail.ParseAddress(email)
	if err != nil || parsed.Address != email || len(email) > 254 || strings.ContainsFunc(email, unsafe) {
		return "", rpc.Invalid(field, "must be an e-mail address such as ann@example.com")
	}
	return email, nil
}

// checkDisplayName accepts what may stand in a mail's greeting: no control characters, and nothing that a mail program
// turns into a link, because strangers choose names when they sign up.
func checkDisplayName(field, name string) (string, error) {
	name = norm.NFC.String(strings.TrimSpace(name))
	switch {
	case name == "":
		return "", rpc.Invalid(field, "must not be empty")
	case len([]rune(name)) > 200:
		return "", rpc.Invalid(field, "has more than 200 characters")
	case strings.ContainsFunc(name, unsafe):
		return "", rpc.Invalid(field, "must not contain control characters")
	case strings.Contains(name, "://"):
		return "", rpc.Invalid(field, "must be a name, not an address")
	}
	return name, nil
}

// unsafe characters: controls, and the marks that reverse or hide text.
func unsafe(r rune) bool {
	return unicode.IsControl(r) || r == unicode.ReplacementChar || (r >= 0x202a && r <= 0x202e) || (r >= 0x2066 && r <= 0x2069)
}

// account is the name under which attempts and links of an address are counted, known or not.
func account(email string) []byte {
	sum := sha256.Sum256([]byte(normalise(email)))
	return sum[:]
}

// network is where guesses are counted: an IPv4 address, or an IPv6 /64, which is one customer.
func network(remoteAddress string) string {
	addr, err := netip.ParseAddr(remoteAddress)
	if err != nil {
		return ""
	}
	if addr = addr.Unmap(); addr.Is4() {
		return addr.String()
	}
	prefix, err := addr.WithZone("").Prefix(64)
	if err != nil {
		return ""
	}
	return prefix.String()
}
