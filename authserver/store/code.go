package store

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/ory/fosite"

	"github.com/microservicehub/mshub/authserver/protocol"
)

// ErrLost says that another request redeemed the code or refresh token a moment before: the token endpoint answers
// invalid_grant and ends the family.
var ErrLost = errors.New("another request was first")

// CreateAuthorizeCodeSession stores a code. Created by authorize; used once by token; deleted by housekeeping.
func (s *Store) CreateAuthorizeCodeSession(ctx context.Context, signature string, r fosite.Requester) error {
	raw, session, err := encodeRequest(r)
	if err != nil {
		return err
	}
	family, err := uuid.Parse(r.GetID())
	if err != nil {
		return err
	}
	return s.Do(ctx, func(tx pgx.Tx) error {
		return s.q.CreateCode(ctx, tx, CreateCodeParams{
			Signature: protocol.Hash(signature),
			FamilyID:  family,
			ClientID:  r.GetClient().GetID(),
			UserID:    session.User,
			Request:   raw,
			ExpiresAt: session.GetExpiresAt(fosite.AuthorizeCode),
		})
	})
}

// GetAuthorizeCodeSession returns the request of a code; for a used one beside fosite.ErrInvalidatedAuthorizeCode.
func (s *Store) GetAuthorizeCodeSession(ctx context.Context, signature string, _ fosite.Session) (fosite.Requester, error) {
	row, r, err := s.code(ctx, signature)
	if err != nil {
		return nil, err
	}
	if row.UsedAt != nil {
		return r, fosite.ErrInvalidatedAuthorizeCode
	}
	return r, nil
}

// InvalidateAuthorizeCodeSession uses the code up. Of many callers at once one succeeds; the others get ErrLost when the
// winner has committed.
func (s *Store) InvalidateAuthorizeCodeSession(ctx context.Context, signature string) error {
	return s.Do(ctx, func(tx pgx.Tx) error {
		now := s.now()
		n, err := s.q.UseCode(ctx, tx, UseCodeParams{Signature: protocol.Hash(signature), Now: &now})
		if err == nil && n == 0 {
			err = fmt.Errorf("authorization code: %w", ErrLost)
		}
		return err
	})
}

// CreatePKCERequestSession does nothing: the challenge lies in the code's row already.
func (s *Store) CreatePKCERequestSession(context.Context, string, fosite.Requester) error { return nil }

// GetPKCERequestSession returns the challenge, unless the code was spoilt.
func (s *Store) GetPKCERequestSession(ctx context.Context, signature string, _ fosite.Session) (fosite.Requester, error) {
	row, r, err := s.code(ctx, signature)
	if err != nil {
		return nil, err
	}
	if row.VerifiedAt != nil {
		return nil, fosite.ErrNotFound
	}
	return r, nil
}

// DeletePKCERequestSession does nothing. fosite calls it before it has looked at the verifier; if it hid the challenge, who
// comes second at the same moment would fail here, and the winner's tokens would not be taken back.
func (s *Store) DeletePKCERequestSession(context.Context, string) error { return nil }

// SpoilCode makes a code worthless, because who had it could not prove to be the one it was made for.
func (s *Store) SpoilCode(ctx context.Context, code string) error {
	_, signature, _ := strings.Cut(code, ".")
	return s.Do(ctx, func(tx pgx.Tx) error {
		now := s.now()
		return s.q.SpoilCode(ctx, tx, SpoilCodeParams{Signature: protocol.Hash(signature), VerifiedAt: &now})
	})
}

// CreateOpenIDConnectSession does nothing: nonce and the like lie in the code's row already.
func (s *Store) CreateOpenIDConnectSession(context.Context, string, fosite.Requester) error {
	return nil
}

// GetOpenIDConnectSession returns what the ID token is made of. fosite gives the whole code here, not its signature.
// The session is the one of the request being served, which holds what was asked about the person now.
func (s *Store) GetOpenIDConnectSession(ctx context.Context, code string, r fosite.Requester) (fosite.Requester, error) {
	_, signature, _ := strings.Cut(code, ".")
	_, stored, err := s.code(ctx, signature)
	if err != nil {
		return nil, err
	}
	if !stored.GrantedScope.Has(protocol.OpenID) {
		return nil, fosite.ErrUnknownRequest
	}
	if r != nil && r.GetSession() != nil {
		stored.Session = r.GetSession()
	}
	return stored, nil
}

// DeleteOpenIDConnectSession does nothing: the row stays, so that a second use is noticed.
func (s *Store) DeleteOpenIDConnectSession(context.Context, string) error { return nil }

func (s *Store) code(ctx context.Context, signature string) (Code, *fosite.Request, error) {
	var row Code
	var r *fosite.Request
	err := s.Do(ctx, func(tx pgx.Tx) error {
		var err error
		if row, err = s.q.GetCode(ctx, tx, protocol.Hash(signature)); err != nil {
			return err
		}
		r, err = s.decodeRequest(context.WithValue(ctx, txKey{}, tx), row.Request, row.ClientID)
		return err
	})
	if errors.Is(err, pgx.ErrNoRows) {
		err = fosite.ErrNotFound
	}
	return row, r, err
}
