// Package revoke is POST /oauth2/revoke (RFC 7009): a client gives a token back.
//
// A refresh token takes its whole family with it, access tokens included; an access token goes alone. The answer to a
// token that is unknown, foreign or expired already is success: it does not work, which is all that was asked.
package revoke

import (
	"context"
	"errors"
	"log/slog"
	"net/http"

	"connectrpc.com/connect"
	"github.com/google/uuid"
	"github.com/ory/fosite"
	"github.com/ory/fosite/handler/oauth2"

	"github.com/microservicehub/mshub/authserver/access"
	"github.com/microservicehub/mshub/authserver/protocol"
	"github.com/microservicehub/mshub/authserver/revocation"
	"github.com/microservicehub/mshub/authserver/store"
)

// Endpoint serves POST /oauth2/revoke.
type Endpoint struct {
	Authenticate fosite.ClientAuthenticationStrategy
	Tokens       *access.Verifier
	Refresh      oauth2.RefreshTokenStrategy
	Store        *store.Store
	Book         *revocation.Book
	Log          *slog.Logger
}

// ServeHTTP authenticates the client, then revokes.
func (e *Endpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, 64<<10)
	w.Header().Set("Cache-Control", "no-store")
	if err := e.revoke(r); err != nil {
		if known := fosite.ErrorToRFC6749Error(err); known.CodeField >= http.StatusInternalServerError {
			e.Log.ErrorContext(r.Context(), "revocation endpoint", "error", err, "cause", errors.Unwrap(known))
		}
		protocol.AnswerError(w, err)
	}
}

func (e *Endpoint) revoke(r *http.Request) error {
	ctx := r.Context()
	if err := r.ParseForm(); err != nil || r.PostForm.Get("token") == "" {
		return fosite.ErrInvalidRequest.WithHint("Send the token in the form.")
	}
	client, err := e.Authenticate(ctx, r, r.PostForm)
	if err != nil {
		return err
	}
	token := r.PostForm.Get("token")
	request, err := e.Store.GetRefreshTokenSession(ctx, e.Refresh.RefreshTokenSignature(ctx, token), nil)
	switch {
	case err == nil || errors.Is(err, fosite.ErrInactiveToken):
		if request.GetClient().GetID() != client.GetID() {
			return nil
		}
		return e.family(ctx, request.GetID())
	case !errors.Is(err, fosite.ErrNotFound):
		return fosite.ErrTemporarilyUnavailable.WithWrap(err)
	}
	caller, err := e.Tokens.Verify(ctx, token)
	switch {
	case connect.CodeOf(err) == connect.CodeUnauthenticated:
		return nil
	case err != nil:
		return fosite.ErrTemporarilyUnavailable.WithWrap(err)
	case caller.ClientID != client.GetID():
		return nil
	}
	if err := e.Book.EndToken(ctx, caller.TokenID); err != nil {
		return fosite.ErrTemporarilyUnavailable.WithWrap(err)
	}
	return nil
}

func (e *Endpoint) family(ctx context.Context, id string) error {
	family, err := uuid.Parse(id)
	if err == nil {
		err = e.Book.EndFamily(ctx, family)
	}
	if err != nil {
		return fosite.ErrTemporarilyUnavailable.WithWrap(err)
	}
	return nil
}
