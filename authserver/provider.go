package authserver

import (
	"context"
	"net/url"

	"github.com/ory/fosite"
	"github.com/ory/fosite/compose"
	"github.com/ory/fosite/handler/oauth2"
	"github.com/ory/fosite/handler/openid"

	"github.com/microservicehub/mshub/authserver/protocol"
	"github.com/microservicehub/mshub/authserver/store"
	"github.com/microservicehub/mshub/authserver/token"
	"github.com/microservicehub/mshub/internal/auth"
)

// provider is fosite with the handlers and rules of this house. The list of handlers is the list of what the token and
// authorization endpoints can do: no implicit grant, no hybrid, no password grant.
func (s *Server) provider(secrets [][]byte, authenticator *token.Authenticator) (fosite.OAuth2Provider, *token.Strategy) {
	config := &fosite.Config{
		AccessTokenLifespan:   auth.TokenLifetime,
		RefreshTokenLifespan:  s.timeouts.Refresh,
		AuthorizeCodeLifespan: s.timeouts.Code,
		IDTokenLifespan:       s.timeouts.IDToken,
		IDTokenIssuer:         s.issuer,
		// HMAC over random tokens: fosite uses the first 32 bytes of a secret, and ours have exactly 32.
		GlobalSecret:         secrets[0],
		RotatedGlobalSecrets: secrets[1:],
		EnforcePKCE:          true,
		ScopeStrategy:        fosite.ExactScopeStrategy,
		// Nobody may ask for another audience than this house.
		AudienceMatchingStrategy: fosite.ExactAudienceMatchingStrategy,
		RefreshTokenScopes:       []string{protocol.OfflineAccess},
		// A short state or nonce is fine, because PKCE is never missing; 0 would mean 8.
		MinParameterEntropy:          1,
		OmitRedirectScopeParam:       true,
		ClientAuthenticationStrategy: authenticator.Authenticate,
		RedirectSecureChecker: func(_ context.Context, u *url.URL) bool {
			return protocol.CheckRedirectURI(u.String()) == nil
		},
		// What of a request is kept with its code: what the token endpoint needs, nothing secret.
		SanitationWhiteList: []string{
			"redirect_uri", "code_challenge", "code_challenge_method", "nonce", "max_age", "prompt", "acr_values",
		},
	}
	strategy := token.NewStrategy(config, s.ring, s.tokens)
	refresh := func(fosite.Configurator, any, any) any {
		return &token.Refresh{Strategy: strategy, Store: s.store, EndFamily: s.book.EndFamily, Idle: s.timeouts.Refresh, Now: s.now}
	}
	return compose.Compose(config, s.store, strategy,
		compose.OAuth2AuthorizeExplicitFactory,
		compose.OAuth2ClientCredentialsGrantFactory,
		refresh,
		compose.OpenIDConnectExplicitFactory, // after the code's handler: it wants the code
		compose.OpenIDConnectRefreshFactory,
		compose.OAuth2PKCEFactory,
	), strategy
}

// What fosite asks of the values above by type assertion, said so that the compiler checks it.
var (
	_ fosite.Storage                     = (*store.Store)(nil)
	_ oauth2.CoreStorage                 = (*store.Store)(nil)
	_ oauth2.TokenRevocationStorage      = (*store.Store)(nil)
	_ openid.OpenIDConnectRequestStorage = (*store.Store)(nil)
	_ openid.Session                     = (*protocol.Session)(nil)
	_ fosite.ResponseModeClient          = (*protocol.Client)(nil)
)
