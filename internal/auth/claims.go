package auth

import (
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/google/uuid"
)

// TokenType is the `typ` header of access tokens (RFC 9068); an ID token can't pass for one.
const TokenType = "at+jwt"

// Claims of an access token. The authorization server writes them, every service reads them.
type Claims struct {
	jwt.Claims
	// Organisation is the active organisation's UUID.
	Organisation string   `json:"org,omitempty"`
	Permissions  []string `json:"perms,omitempty"`
	// Roles are the user's in the organisation, by name.
	Roles     []string `json:"roles,omitempty"`
	Scope     string   `json:"scope,omitempty"`
	ClientID  string   `json:"client_id,omitempty"`
	SessionID string   `json:"sid,omitempty"`
	// Keepers of a machine client's own token, see Caller.
	Keepers []string `json:"keepers,omitempty"`
}

// Subjects of callers that are no people carry a prefix, so that no client can take a user's id.
const (
	clientSubject  = "client:"
	serviceSubject = "service:"
)

// ClientSubject is the `sub` of a machine client's own token.
func ClientSubject(clientID string) string { return clientSubject + clientID }

// ServiceSubject is the `sub` of a service of the house.
func ServiceSubject(name string) string { return serviceSubject + name }

// caller turns verified claims into a Caller; false if they make no sense.
func (c Claims) caller() (Caller, bool) {
	caller := Caller{
		ClientID:    c.ClientID,
		Permissions: c.Permissions,
		Roles:       c.Roles,
		Scopes:      strings.Fields(c.Scope),
		SessionID:   c.SessionID,
		TokenID:     c.ID,
		IssuedAt:    c.issued(),
		Expiry:      timeOf(c.Expiry),
	}
	if c.Organisation != "" {
		id, err := uuid.Parse(c.Organisation)
		if err != nil {
			return Caller{}, false
		}
		caller.Organisation = id
	}
	switch {
	case strings.HasPrefix(c.Subject, clientSubject):
		caller.Kind, caller.Keepers = Client, c.Keepers
		caller.Actor = "clients/" + strings.TrimPrefix(c.Subject, clientSubject)
	case strings.HasPrefix(c.Subject, serviceSubject):
		caller.Kind = Service
		caller.Actor = "services/" + strings.TrimPrefix(c.Subject, serviceSubject)
	default:
		id, err := uuid.Parse(c.Subject)
		if err != nil {
			return Caller{}, false
		}
		caller.Kind, caller.User, caller.Actor = User, id, "users/"+id.String()
	}
	return caller, true
}

// issued is when the token was made. `iat` has whole seconds; our issuer's `jti` is a UUIDv7, which knows the millisecond.
// So a revocation does not hit a token that was issued after it within the same second.
func (c Claims) issued() time.Time {
	second := timeOf(c.IssuedAt)
	id, err := uuid.Parse(c.ID)
	if err != nil || id.Version() != 7 {
		return second
	}
	exact := time.UnixMilli(int64(id[0])<<40 | int64(id[1])<<32 | int64(id[2])<<24 | int64(id[3])<<16 | int64(id[4])<<8 | int64(id[5]))
	if since := exact.Sub(second); since < 0 || since >= time.Second {
		return second
	}
	return exact
}

func timeOf(d *jwt.NumericDate) time.Time {
	if d == nil {
		return time.Time{}
	}
	return d.Time()
}
