package authorize

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"maps"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// The parameters in which tickets travel.
const (
	// loginTicket says when this request first asked for a fresh sign-in.
	loginTicket = "mshub_login"
	// consentTicket says that this person has just allowed this request.
	consentTicket = "mshub_consent"
)

// Tickets signs the transitions between steps. A ticket is good for one request, one step and one session.
type Tickets struct {
	Keys [][]byte // the first signs, all verify
	Now  func() time.Time
}

// issue returns a ticket for a request; session is empty for a step before sign-in.
func (t *Tickets) issue(step, session string, request url.Values) string {
	at := strconv.FormatInt(t.Now().Unix(), 10)
	return at + "." + t.sign(t.Keys[0], step, session, at, request)
}

// check returns when a ticket was issued, if it is good and not older than the given age.
func (t *Tickets) check(ticket, step, session string, request url.Values, age time.Duration) (time.Time, bool) {
	at, mac, _ := strings.Cut(ticket, ".")
	seconds, err := strconv.ParseInt(at, 10, 64)
	if err != nil || t.Now().Sub(time.Unix(seconds, 0)) > age {
		return time.Time{}, false
	}
	for _, key := range t.Keys {
		if hmac.Equal([]byte(mac), []byte(t.sign(key, step, session, at, request))) {
			return time.Unix(seconds, 0), true
		}
	}
	return time.Time{}, false
}

func (t *Tickets) sign(key []byte, step, session, at string, request url.Values) string {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(strings.Join([]string{step, session, at, request.Encode()}, "\x00")))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// Allowed returns the address at which a request goes on after the person has allowed it in this session.
func (t *Tickets) Allowed(request url.Values, session string) string {
	return address(request, consentTicket, t.issue(consentTicket, session, request))
}

// address is where a request is, or goes on with a ticket.
func address(request url.Values, ticket ...string) string {
	query := maps.Clone(request)
	if len(ticket) == 2 {
		query.Set(ticket[0], ticket[1])
	}
	return Path + "?" + query.Encode()
}

// Path of the endpoint.
const Path = "/oauth2/authorize"
