package token

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/ory/fosite"

	"github.com/microservicehub/mshub/authserver/protocol"
	"github.com/microservicehub/mshub/authserver/store"
)

// Refresh is the refresh grant. It stands in for fosite's handler, which lets a family live for ever, ignores `scope`,
// and repeats the first `iat`.
type Refresh struct {
	Strategy *Strategy
	Store    *store.Store
	// EndFamily takes back everything that descends from one code.
	EndFamily func(ctx context.Context, family uuid.UUID) error
	// Idle is how long a refresh token waits for its use.
	Idle time.Duration
	Now  func() time.Time
}

var _ fosite.TokenEndpointHandler = (*Refresh)(nil)

// CanHandleTokenEndpointRequest says yes to grant_type=refresh_token.
func (h *Refresh) CanHandleTokenEndpointRequest(_ context.Context, r fosite.AccessRequester) bool {
	return r.GetGrantTypes().ExactOne("refresh_token")
}

// CanSkipClientAuth never.
func (h *Refresh) CanSkipClientAuth(context.Context, fosite.AccessRequester) bool { return false }

// HandleTokenEndpointRequest finds the token and says what the new ones may do.
func (h *Refresh) HandleTokenEndpointRequest(ctx context.Context, r fosite.AccessRequester) error {
	if !r.GetClient().GetGrantTypes().Has("refresh_token") {
		return fosite.ErrUnauthorizedClient.WithHint("This client may not use refresh tokens.")
	}
	presented := r.GetRequestForm().Get("refresh_token")
	original, err := h.Store.GetRefreshTokenSession(ctx, h.Strategy.RefreshTokenSignature(ctx, presented), nil)
	switch {
	case errors.Is(err, fosite.ErrInactiveToken):
		return h.reused(ctx, original)
	case errors.Is(err, fosite.ErrNotFound):
		return fosite.ErrInvalidGrant.WithHint("The refresh token is unknown, or its access was taken back.")
	case err != nil:
		return fosite.ErrServerError.WithWrap(err)
	}
	session, ok := original.GetSession().Clone().(*protocol.Session)
	if !ok {
		return fosite.ErrServerError.WithDebug("a refresh token without a session")
	}
	now := h.Now()
	switch {
	case h.Strategy.ValidateRefreshToken(ctx, original, presented) != nil, !now.Before(session.FamilyExpiresAt):
		return fosite.ErrInvalidGrant.WithHint("The refresh token has expired. Ask the person to sign in again.")
	case original.GetClient().GetID() != r.GetClient().GetID():
		return fosite.ErrInvalidGrant.WithHint("The refresh token was issued to another client.")
	}
	scopes, err := narrowed(session.Scopes, r)
	if err != nil {
		return err
	}
	r.SetID(original.GetID())
	r.SetRequestedScopes(scopes)
	for _, scope := range scopes {
		r.GrantScope(scope)
	}
	session.SetExpiresAt(fosite.RefreshToken, earlier(now.Add(h.Idle), session.FamilyExpiresAt))
	r.SetSession(session)
	return nil
}

// narrowed returns the scopes of the new access token: those asked for, or all that were allowed and that the client may
// still ask for.
func narrowed(allowed []string, r fosite.AccessRequester) (fosite.Arguments, error) {
	var left fosite.Arguments
	for _, scope := range allowed {
		if slices.Contains(r.GetClient().GetScopes(), scope) {
			left = append(left, scope)
		}
	}
	asked := r.GetRequestedScopes()
	if len(asked) == 0 {
		return left, nil
	}
	for _, scope := range asked {
		if !slices.Contains(left, scope) {
			return nil, fosite.ErrInvalidScope.WithHintf("The scope %q was not allowed by the person, or is not open to this client any more.", scope)
		}
	}
	return asked, nil
}

// reused ends the family: the token was used before, so one of the two who hold it is not the client.
func (h *Refresh) reused(ctx context.Context, original fosite.Requester) error {
	family, err := uuid.Parse(original.GetID())
	if err == nil {
		err = h.EndFamily(ctx, family)
	}
	if err != nil {
		return fosite.ErrServerError.WithWrap(err)
	}
	return fosite.ErrInvalidGrant.WithHint("The refresh token was used before. All tokens that descend from it were taken back.")
}

// PopulateTokenEndpointResponse replaces the refresh token by a new one. The new one keeps all allowed scopes, whatever
// this refresh asked for.
func (h *Refresh) PopulateTokenEndpointResponse(ctx context.Context, r fosite.AccessRequester, response fosite.AccessResponder) error {
	if !h.CanHandleTokenEndpointRequest(ctx, r) {
		return fosite.ErrUnknownRequest // fosite asks every handler about every grant
	}
	session, ok := r.GetSession().(*protocol.Session)
	if !ok {
		return fosite.ErrServerError.WithDebug("a refresh without a session")
	}
	signature := h.Strategy.RefreshTokenSignature(ctx, r.GetRequestForm().Get("refresh_token"))
	if err := h.Store.RotateRefreshToken(ctx, r.GetID(), signature); err != nil {
		return err
	}
	token, _, err := h.Strategy.GenerateAccessToken(ctx, r)
	if err != nil {
		return err
	}
	refresh, signature, err := h.Strategy.GenerateRefreshToken(ctx, r)
	if err != nil {
		return err
	}
	kept := fosite.NewRequest()
	kept.ID, kept.Client, kept.Session, kept.RequestedAt = r.GetID(), r.GetClient(), session, r.GetRequestedAt()
	kept.RequestedScope, kept.GrantedScope = session.Scopes, session.Scopes
	if err := h.Store.CreateRefreshTokenSession(ctx, signature, "", kept); err != nil {
		return err
	}
	response.SetAccessToken(token)
	response.SetTokenType("bearer")
	response.SetExpiresIn(accessLifetime)
	response.SetScopes(r.GetGrantedScopes())
	response.SetExtra("refresh_token", refresh)
	return nil
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}
