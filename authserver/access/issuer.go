package access

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"connectrpc.com/connect"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/google/uuid"

	identityv1 "github.com/microservicehub/mshub/services/identity/v1"

	"github.com/microservicehub/mshub/authserver/keys"
	"github.com/microservicehub/mshub/authserver/protocol"
	"github.com/microservicehub/mshub/internal/auth"
	"github.com/microservicehub/mshub/internal/rpc"
	"github.com/microservicehub/mshub/services/identity/v1/identityv1connect"
)

// Issuer makes access tokens (RFC 9068).
type Issuer struct {
	issuer      string
	ring        *keys.Ring
	credentials identityv1connect.CredentialServiceClient
	now         func() time.Time
}

// Token is a signed access token.
type Token struct {
	Value   string
	Expires time.Time
}

// NewIssuer signs with the ring in the name of issuer (MSHUB_PUBLIC_URL).
func NewIssuer(issuer string, ring *keys.Ring, now func() time.Time) *Issuer {
	return &Issuer{issuer: issuer, ring: ring, now: now}
}

// Ask makes the issuer ask this service what people may do. The service is called with a token of this very issuer, so
// it can only be given afterwards.
func (i *Issuer) Ask(credentials identityv1connect.CredentialServiceClient) {
	i.credentials = credentials
}

// Person is a user and what the user may do now.
type Person struct {
	ID uuid.UUID
	// Organisation is zero if the user has no membership yet.
	Organisation uuid.UUID
	Permissions  []string
	Roles        []string
	Profile      protocol.Person
}

// ErrNoAccess says that the user may not (or not any more) act in the organisation.
var ErrNoAccess = errors.New("the user has no access to this organisation")

// Of returns what a user may do now in an organisation, or with the zero organisation in the one used last.
func (i *Issuer) Of(ctx context.Context, user, organisation uuid.UUID) (Person, error) {
	req := &identityv1.GetAccessRequest{User: "users/" + user.String()}
	if organisation != uuid.Nil {
		req.Organisation = "organisations/" + organisation.String()
	}
	res, err := i.credentials.GetAccess(ctx, req)
	switch connect.CodeOf(err) {
	case connect.CodeNotFound, connect.CodePermissionDenied, connect.CodeFailedPrecondition:
		return Person{}, fmt.Errorf("%w: %s", ErrNoAccess, rpc.Message(err))
	}
	if err != nil {
		return Person{}, err
	}
	if res.GetUser().GetState() != identityv1.User_ACTIVE {
		return Person{}, fmt.Errorf("%w: the account is not active", ErrNoAccess)
	}
	person := Person{ID: user, Permissions: res.GetPermissions(), Roles: res.GetUser().GetRoles(), Profile: protocol.Person{
		Name: res.GetUser().GetDisplayName(), Email: res.GetUser().GetEmail(), EmailVerified: res.GetUser().GetEmailVerified(),
	}}
	if name := res.GetOrganisation().GetName(); name != "" {
		if person.Organisation, err = uuid.Parse(strings.TrimPrefix(name, "organisations/")); err != nil {
			return Person{}, fmt.Errorf("identity names an organisation %q", name)
		}
	}
	if organisation != uuid.Nil && person.Organisation != organisation {
		return Person{}, ErrNoAccess
	}
	return person, nil
}

// Grant is what a token says.
type Grant struct {
	// Subject is a user's UUID, auth.ClientSubject or auth.ServiceSubject.
	Subject      string
	Organisation uuid.UUID
	// Permissions before they are cut down to the scopes.
	Permissions []string
	Roles       []string
	// Keepers of a machine client, see auth.Caller.
	Keepers  []string
	Scopes   []string
	ClientID string
	// Session is the browser session, or the family of tokens of an authorization code.
	Session string
}

// Issue signs a token for five minutes.
func (i *Issuer) Issue(ctx context.Context, g Grant) (Token, error) {
	id, err := uuid.NewV7() // its time is the token's to the millisecond, see auth.Claims
	if err != nil {
		return Token{}, err
	}
	now := i.now()
	claims := auth.Claims{
		Claims: jwt.Claims{
			Issuer:   i.issuer,
			Audience: jwt.Audience{i.issuer},
			Subject:  g.Subject,
			ID:       id.String(),
			IssuedAt: jwt.NewNumericDate(now),
			Expiry:   jwt.NewNumericDate(now.Add(auth.TokenLifetime)),
		},
		Permissions: auth.Restrict(g.Permissions, g.Scopes, auth.Permissions()),
		Roles:       g.Roles,
		Keepers:     g.Keepers,
		Scope:       strings.Join(g.Scopes, " "),
		ClientID:    g.ClientID,
		SessionID:   g.Session,
	}
	if g.Organisation != uuid.Nil {
		claims.Organisation = g.Organisation.String()
	}
	value, err := i.ring.Sign(ctx, auth.TokenType, claims)
	return Token{Value: value, Expires: now.Add(auth.TokenLifetime)}, err
}

// Ready makes sure that there are keys to sign with, see keys.Ring.
func (i *Issuer) Ready(ctx context.Context) error { return i.ring.Ready(ctx) }

// Service is the auth.TokenSource of the server itself: it signs its own token to call other services.
func (i *Issuer) Service(name string) auth.TokenSource {
	return func(ctx context.Context) (string, time.Time, error) {
		token, err := i.Issue(ctx, Grant{Subject: auth.ServiceSubject(name), Scopes: []string{"mshub." + name}, ClientID: name})
		return token.Value, token.Expires, err
	}
}
