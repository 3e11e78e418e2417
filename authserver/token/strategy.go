package token

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/ory/fosite"
	"github.com/ory/fosite/handler/oauth2"
	"github.com/ory/fosite/handler/openid"
	"github.com/ory/fosite/token/hmac"
	"github.com/ory/fosite/token/jwt"

	"github.com/microservicehub/mshub/authserver/access"
	"github.com/microservicehub/mshub/authserver/keys"
	"github.com/microservicehub/mshub/authserver/protocol"
)

// Strategy makes every kind of token: codes and refresh tokens are random with an HMAC, access and ID tokens JWTs.
type Strategy struct {
	random *oauth2.HMACSHAStrategyUnPrefixed
	id     *openid.DefaultStrategy
	issuer *access.Issuer
	keys.Signer
}

var (
	_ oauth2.CoreStrategy               = (*Strategy)(nil)
	_ openid.OpenIDConnectTokenStrategy = (*Strategy)(nil)
	_ jwt.Signer                        = (*Strategy)(nil)
)

// NewStrategy signs with the ring; random tokens use the secret of config.
func NewStrategy(config *fosite.Config, ring *keys.Ring, issuer *access.Issuer) *Strategy {
	signer := keys.Signer{Ring: ring}
	return &Strategy{
		random: oauth2.NewHMACSHAStrategyUnPrefixed(&hmac.HMACStrategy{Config: config}, config),
		id:     &openid.DefaultStrategy{Signer: signer, Config: config},
		issuer: issuer,
		Signer: signer,
	}
}

// GenerateAccessToken signs a token for whoever the request's session names.
func (s *Strategy) GenerateAccessToken(ctx context.Context, r fosite.Requester) (token, signature string, err error) {
	session, ok := r.GetSession().(*protocol.Session)
	if !ok || session.Subject == "" {
		return "", "", errors.New("an access token needs a session with a subject")
	}
	grant := access.Grant{
		Subject:      session.Subject,
		Organisation: session.Organisation,
		Permissions:  session.Permissions,
		Roles:        session.Roles,
		Keepers:      session.Keepers,
		Scopes:       r.GetGrantedScopes(),
		ClientID:     r.GetClient().GetID(),
	}
	if session.User != uuid.Nil {
		grant.Session = r.GetID() // the family: taking it back takes its access tokens back
	}
	t, err := s.issuer.Issue(ctx, grant)
	if err != nil {
		return "", "", err
	}
	return t.Value, s.AccessTokenSignature(ctx, t.Value), nil
}

// AccessTokenSignature is the third part of a JWT.
func (s *Strategy) AccessTokenSignature(ctx context.Context, token string) string {
	signature, _ := s.GetSignature(ctx, token) // of what is no JWT: none
	return signature
}

// ValidateAccessToken refuses: tokens are read by access.Verifier.
func (s *Strategy) ValidateAccessToken(context.Context, fosite.Requester, string) error {
	return fosite.ErrNotFound
}

// GenerateRefreshToken returns a random token.
func (s *Strategy) GenerateRefreshToken(ctx context.Context, r fosite.Requester) (token, signature string, err error) {
	token, signature, err = s.random.GenerateRefreshToken(ctx, r)
	return protocol.RefreshPrefix + token, signature, err
}

// RefreshTokenSignature is what a refresh token is stored under.
func (s *Strategy) RefreshTokenSignature(ctx context.Context, token string) string {
	return s.random.RefreshTokenSignature(ctx, token)
}

// ValidateRefreshToken checks the HMAC and the end.
func (s *Strategy) ValidateRefreshToken(ctx context.Context, r fosite.Requester, token string) error {
	return s.random.ValidateRefreshToken(ctx, r, strings.TrimPrefix(token, protocol.RefreshPrefix))
}

// GenerateAuthorizeCode returns a random code.
func (s *Strategy) GenerateAuthorizeCode(ctx context.Context, r fosite.Requester) (token, signature string, err error) {
	token, signature, err = s.random.GenerateAuthorizeCode(ctx, r)
	return protocol.CodePrefix + token, signature, err
}

// AuthorizeCodeSignature is what a code is stored under.
func (s *Strategy) AuthorizeCodeSignature(ctx context.Context, token string) string {
	return s.random.AuthorizeCodeSignature(ctx, token)
}

// ValidateAuthorizeCode checks the HMAC and the end.
func (s *Strategy) ValidateAuthorizeCode(ctx context.Context, r fosite.Requester, token string) error {
	return s.random.ValidateAuthorizeCode(ctx, r, strings.TrimPrefix(token, protocol.CodePrefix))
}

// GenerateIDToken signs an ID token with what the granted scopes open about the person.
func (s *Strategy) GenerateIDToken(ctx context.Context, lifespan time.Duration, r fosite.Requester) (string, error) {
	if session, ok := r.GetSession().(*protocol.Session); ok {
		claims := session.IDTokenClaims()
		claims.Extra = session.Person.Claims(r.GetGrantedScopes())
		claims.Extra["sid"] = r.GetID()
		claims.Extra["azp"] = r.GetClient().GetID()
	}
	return s.id.GenerateIDToken(ctx, lifespan, r)
}
