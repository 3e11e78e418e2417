// Package userinfo is /oauth2/userinfo (OpenID Connect Core §5.3): who the token's person is, as far as its scopes say.
package userinfo

import (
	"errors"
	"log/slog"
	"net/http"
	"slices"

	"connectrpc.com/connect"

	"github.com/microservicehub/mshub/authserver/access"
	"github.com/microservicehub/mshub/authserver/protocol"
	"github.com/microservicehub/mshub/internal/auth"
)

// Endpoint serves GET and POST /oauth2/userinfo.
type Endpoint struct {
	Tokens *access.Verifier
	Issuer *access.Issuer
	Log    *slog.Logger
}

// ServeHTTP answers with claims as JSON, or with a challenge (RFC 6750).
func (e *Endpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	caller, err := e.Tokens.Bearer(r.Context(), r)
	switch {
	case connect.CodeOf(err) == connect.CodeUnauthenticated && r.Header.Get("Authorization") == "":
		challenge(w, http.StatusUnauthorized, "")
		return
	case connect.CodeOf(err) == connect.CodeUnauthenticated:
		challenge(w, http.StatusUnauthorized, `error="invalid_token"`)
		return
	case err != nil:
		e.unavailable(w, r, err)
		return
	case caller.Kind != auth.User || !slices.Contains(caller.Scopes, protocol.OpenID):
		challenge(w, http.StatusForbidden, `error="insufficient_scope", scope="openid"`)
		return
	}
	person, err := e.Issuer.Of(r.Context(), caller.User, caller.Organisation)
	if errors.Is(err, access.ErrNoAccess) {
		challenge(w, http.StatusUnauthorized, `error="invalid_token"`)
		return
	}
	if err != nil {
		e.unavailable(w, r, err)
		return
	}
	claims := person.Profile.Claims(caller.Scopes)
	claims["sub"] = caller.User.String()
	protocol.Answer(w, http.StatusOK, claims)
}

func (e *Endpoint) unavailable(w http.ResponseWriter, r *http.Request, err error) {
	e.Log.ErrorContext(r.Context(), "userinfo endpoint", "error", err)
	w.Header().Set("Retry-After", "1")
	http.Error(w, "the person can't be looked up now; try again", http.StatusServiceUnavailable)
}

func challenge(w http.ResponseWriter, status int, problem string) {
	value := "Bearer"
	if problem != "" {
		value += " " + problem
	}
	w.Header().Set("WWW-Authenticate", value)
	w.WriteHeader(status)
}
