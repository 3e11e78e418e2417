package protocol

import (
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/ory/fosite"
	"github.com/ory/fosite/token/jwt"
)

// Session travels with a request through fosite. Its JSON form lies in the rows of codes and refresh tokens, so fields
// are added, never renamed; what is not in it (`json:"-"`) is asked anew for every token.
//
// Created by authorize (a person) or token (a machine); deleted with its code or refresh token.
type Session struct {
	// Subject is the `sub`: a user's UUID, or a client's or service's prefixed name.
	Subject      string    `json:"subject"`
	User         uuid.UUID `json:"user"`
	Organisation uuid.UUID `json:"organisation"`
	// Scopes that the person allowed; a refresh may ask for fewer, never for more.
	Scopes []string `json:"scopes"`
	// AuthTime is when the person gave a password; RequestedAt when the client asked.
	AuthTime    time.Time `json:"authTime"`
	RequestedAt time.Time `json:"requestedAt"`
	// FamilyExpiresAt ends the family of refresh tokens however often it is refreshed; zero until the first is issued.
	FamilyExpiresAt time.Time                      `json:"familyExpiresAt"`
	ExpiresAt       map[fosite.TokenType]time.Time `json:"expiresAt"`

	// Permissions of the token about to be issued, and what its ID token may say about the person.
	Permissions []string `json:"-"`
	Roles       []string `json:"-"`
	Keepers     []string `json:"-"`
	Person      Person   `json:"-"`
	// Claims and Headers of the ID token; fosite changes them in place.
	Claims  *jwt.IDTokenClaims `json:"-"`
	Headers *jwt.Headers       `json:"-"`
}

// Person is what OpenID Connect says about a user.
type Person struct {
	Name          string
	Email         string
	EmailVerified bool
}

// Claims returns the claims that the scopes open.
func (p Person) Claims(scopes []string) map[string]any {
	claims := map[string]any{}
	if slices.Contains(scopes, Profile) {
		claims["name"] = p.Name
	}
	if slices.Contains(scopes, Email) {
		claims["email"], claims["email_verified"] = p.Email, p.EmailVerified
	}
	return claims
}

// IDTokenClaims returns the ID token's claims, always the same pointer.
func (s *Session) IDTokenClaims() *jwt.IDTokenClaims {
	if s.Claims == nil {
		s.Claims = &jwt.IDTokenClaims{Subject: s.Subject, AuthTime: s.AuthTime, RequestedAt: s.RequestedAt, Extra: map[string]any{}}
	}
	return s.Claims
}

// IDTokenHeaders returns the ID token's headers, always the same pointer.
func (s *Session) IDTokenHeaders() *jwt.Headers {
	if s.Headers == nil {
		s.Headers = &jwt.Headers{}
	}
	return s.Headers
}

// SetExpiresAt sets the end of one kind of token.
func (s *Session) SetExpiresAt(key fosite.TokenType, at time.Time) {
	if s.ExpiresAt == nil {
		s.ExpiresAt = map[fosite.TokenType]time.Time{}
	}
	s.ExpiresAt[key] = at
}

// GetExpiresAt returns the end of one kind of token, zero if none was set.
func (s *Session) GetExpiresAt(key fosite.TokenType) time.Time { return s.ExpiresAt[key] }

// GetUsername is empty: user names are the identity service's business.
func (s *Session) GetUsername() string { return "" }

// GetSubject returns the `sub`.
func (s *Session) GetSubject() string { return s.Subject }

// Clone copies what is stored; claims of an ID token already issued stay behind.
func (s *Session) Clone() fosite.Session {
	c := *s
	c.ExpiresAt = maps.Clone(s.ExpiresAt)
	c.Scopes = slices.Clone(s.Scopes)
	c.Permissions, c.Roles, c.Keepers, c.Person, c.Claims, c.Headers = nil, nil, nil, Person{}, nil, nil
	return &c
}
