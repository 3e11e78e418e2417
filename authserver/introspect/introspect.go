// Package introspect is POST /oauth2/introspect (RFC 7662): a resource server asks whether a token is good.
//
// Who may ask: a client that can keep a secret, about tokens of its own organisation; and the house's own services.
// About everything else the answer is the same as about nonsense: not active. fosite's own endpoint lets any valid token
// ask about any other.
package introspect

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/ory/fosite"
	"github.com/ory/fosite/handler/oauth2"

	"connectrpc.com/connect"

	"github.com/microservicehub/mshub/authserver/access"
	"github.com/microservicehub/mshub/authserver/protocol"
	"github.com/microservicehub/mshub/authserver/store"
	"github.com/microservicehub/mshub/internal/auth"
)

// Endpoint serves POST /oauth2/introspect.
type Endpoint struct {
	Authenticate fosite.ClientAuthenticationStrategy
	Tokens       *access.Verifier
	Refresh      oauth2.RefreshTokenStrategy
	Store        *store.Store
	Issuer       string
	Log          *slog.Logger
	Now          func() time.Time
}

// answer is what RFC 7662 §2.2 and RFC 9068 say about a token.
type answer struct {
	Active       bool     `json:"active"`
	TokenType    string   `json:"token_type,omitempty"`
	Scope        string   `json:"scope,omitempty"`
	ClientID     string   `json:"client_id,omitempty"`
	Subject      string   `json:"sub,omitempty"`
	Issuer       string   `json:"iss,omitempty"`
	Audience     string   `json:"aud,omitempty"`
	ID           string   `json:"jti,omitempty"`
	IssuedAt     int64    `json:"iat,omitempty"`
	Expires      int64    `json:"exp,omitempty"`
	Organisation string   `json:"org,omitempty"`
	Permissions  []string `json:"perms,omitempty"`
}

// ServeHTTP authenticates the asker, then answers.
func (e *Endpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, 64<<10)
	res, err := e.introspect(r)
	if err != nil {
		if known := fosite.ErrorToRFC6749Error(err); known.CodeField >= http.StatusInternalServerError {
			e.Log.ErrorContext(r.Context(), "introspection endpoint", "error", err, "cause", errors.Unwrap(known))
		}
		protocol.AnswerError(w, err)
		return
	}
	protocol.Answer(w, http.StatusOK, res)
}

func (e *Endpoint) introspect(r *http.Request) (answer, error) {
	if err := r.ParseForm(); err != nil || r.PostForm.Get("token") == "" {
		return answer{}, fosite.ErrInvalidRequest.WithHint("Send the token in the form.")
	}
	asker, err := e.asker(r, r.PostForm)
	if err != nil {
		return answer{}, err
	}
	token := r.PostForm.Get("token")
	if strings.HasPrefix(token, protocol.RefreshPrefix) {
		return e.refresh(r.Context(), asker, token)
	}
	caller, err := e.Tokens.Verify(r.Context(), token)
	if err != nil {
		if code := connect.CodeOf(err); code == connect.CodeUnauthenticated {
			return answer{}, nil
		}
		return answer{}, fosite.ErrTemporarilyUnavailable.WithWrap(err)
	}
	if !mayAsk(asker, caller.Organisation) {
		return answer{}, nil
	}
	res := answer{
		Active: true, TokenType: "Bearer", Scope: strings.Join(caller.Scopes, " "), ClientID: caller.ClientID,
		Subject: access.Subject(caller), Issuer: e.Issuer, Audience: e.Issuer, ID: caller.TokenID,
		IssuedAt: caller.IssuedAt.Unix(), Expires: caller.Expiry.Unix(), Permissions: caller.Permissions,
	}
	if caller.Organisation != uuid.Nil {
		res.Organisation = caller.Organisation.String()
	}
	return res, nil
}

// asker authenticates by secret, or for the house's own services by their token.
func (e *Endpoint) asker(r *http.Request, form url.Values) (*protocol.Client, error) {
	if scheme, _, _ := strings.Cut(r.Header.Get("Authorization"), " "); strings.EqualFold(scheme, "Bearer") {
		caller, err := e.Tokens.Bearer(r.Context(), r)
		if err != nil || caller.Kind != auth.Service {
			return nil, fosite.ErrInvalidClient
		}
		return &protocol.Client{ID: caller.ClientID, Kind: protocol.Service}, nil
	}
	asker, err := e.Authenticate(r.Context(), r, form)
	if err != nil {
		return nil, err
	}
	client, ok := asker.(*protocol.Client)
	if !ok || client.IsPublic() {
		return nil, fosite.ErrInvalidClient.WithHint("Only clients with a secret may ask about tokens.")
	}
	return client, nil
}

// mayAsk: nobody learns about tokens of another organisation, not even that they exist.
func mayAsk(asker *protocol.Client, organisation uuid.UUID) bool {
	return asker.Kind == protocol.Service || (organisation != uuid.Nil && asker.Organisation == organisation)
}

// refresh says whether a refresh token still works; only to the client that it was issued to.
func (e *Endpoint) refresh(ctx context.Context, asker *protocol.Client, token string) (answer, error) {
	request, err := e.Store.GetRefreshTokenSession(ctx, e.Refresh.RefreshTokenSignature(ctx, token), nil)
	switch {
	case errors.Is(err, fosite.ErrNotFound), errors.Is(err, fosite.ErrInactiveToken):
		return answer{}, nil
	case err != nil:
		return answer{}, fosite.ErrTemporarilyUnavailable.WithWrap(err)
	}
	session, ok := request.GetSession().(*protocol.Session)
	if !ok || request.GetClient().GetID() != asker.ID || e.Refresh.ValidateRefreshToken(ctx, request, token) != nil || !e.Now().Before(session.FamilyExpiresAt) {
		return answer{}, nil
	}
	return answer{
		Active: true, Scope: strings.Join(session.Scopes, " "), ClientID: asker.ID, Subject: session.Subject,
		Issuer: e.Issuer, Expires: session.GetExpiresAt(fosite.RefreshToken).Unix(),
	}, nil
}
