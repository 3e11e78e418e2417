package access

import (
	"context"
	"net/http"
	"strings"

	"github.com/microservicehub/mshub/internal/auth"
	"github.com/microservicehub/mshub/internal/rpc"
)

// Verifier reads tokens presented to the server's own endpoints.
type Verifier struct {
	tokens  *auth.Verifier
	revoked func(ctx context.Context, caller auth.Caller, subject string) (bool, error)
}

// NewVerifier asks revoked about every token that is good otherwise.
func NewVerifier(tokens *auth.Verifier, revoked func(ctx context.Context, caller auth.Caller, subject string) (bool, error)) *Verifier {
	return &Verifier{tokens: tokens, revoked: revoked}
}

// Verify returns who an access token speaks for, unless it was taken back.
func (v *Verifier) Verify(ctx context.Context, token string) (auth.Caller, error) {
	caller, err := v.tokens.Verify(ctx, token)
	if err != nil {
		return auth.Caller{}, err
	}
	gone, err := v.revoked(ctx, caller, Subject(caller))
	if err != nil {
		return auth.Caller{}, err
	}
	if gone {
		return auth.Caller{}, rpc.Unauthenticated("TOKEN_REVOKED", "the access was taken back; sign in again")
	}
	return caller, nil
}

// Bearer returns who the request's Authorization header speaks for; without one it is an error.
func (v *Verifier) Bearer(ctx context.Context, r *http.Request) (auth.Caller, error) {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") || token == "" {
		return auth.Caller{}, rpc.Unauthenticated("NO_TOKEN", "send an access token: Authorization: Bearer …")
	}
	return v.Verify(ctx, token)
}

// Subject is the `sub` of the token that made the caller.
func Subject(c auth.Caller) string {
	switch c.Kind {
	case auth.Client:
		return auth.ClientSubject(c.ClientID)
	case auth.Service:
		return auth.ServiceSubject(c.ClientID)
	}
	return c.User.String()
}
