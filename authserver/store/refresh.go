package store

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/ory/fosite"

	"github.com/microservicehub/mshub/authserver/protocol"
)

// CreateAccessTokenSession does nothing: an access token is a JWT, and every service verifies it without a row.
func (s *Store) CreateAccessTokenSession(context.Context, string, fosite.Requester) error { return nil }

// GetAccessTokenSession finds nothing, see CreateAccessTokenSession.
func (s *Store) GetAccessTokenSession(context.Context, string, fosite.Session) (fosite.Requester, error) {
	return nil, fosite.ErrNotFound
}

// DeleteAccessTokenSession does nothing, see CreateAccessTokenSession.
func (s *Store) DeleteAccessTokenSession(context.Context, string) error { return nil }

// CreateRefreshTokenSession stores a refresh token. Created by token; used up by the next refresh; its family is deleted
// when one of it comes twice, when access is taken back, or by housekeeping.
func (s *Store) CreateRefreshTokenSession(ctx context.Context, signature, _ string, r fosite.Requester) error {
	raw, session, err := encodeRequest(r)
	if err != nil {
		return err
	}
	family, err := uuid.Parse(r.GetID())
	if err != nil {
		return err
	}
	return s.Do(ctx, func(tx pgx.Tx) error {
		return s.q.CreateRefreshToken(ctx, tx, CreateRefreshTokenParams{
			Signature:       protocol.Hash(signature),
			FamilyID:        family,
			ClientID:        r.GetClient().GetID(),
			UserID:          session.User,
			Request:         raw,
			CreatedAt:       s.now(),
			ExpiresAt:       session.GetExpiresAt(fosite.RefreshToken),
			FamilyExpiresAt: session.FamilyExpiresAt,
		})
	})
}

// GetRefreshTokenSession returns the request of a refresh token; for a used one beside fosite.ErrInactiveToken.
func (s *Store) GetRefreshTokenSession(ctx context.Context, signature string, _ fosite.Session) (fosite.Requester, error) {
	var row RefreshToken
	var r *fosite.Request
	err := s.Do(ctx, func(tx pgx.Tx) error {
		var err error
		if row, err = s.q.GetRefreshToken(ctx, tx, protocol.Hash(signature)); err != nil {
			return err
		}
		r, err = s.decodeRequest(context.WithValue(ctx, txKey{}, tx), row.Request, row.ClientID)
		return err
	})
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return nil, fosite.ErrNotFound
	case err != nil:
		return nil, err
	case row.UsedAt != nil:
		return r, fosite.ErrInactiveToken
	}
	return r, nil
}

// DeleteRefreshTokenSession does nothing: a used token's row is how a second use is noticed.
func (s *Store) DeleteRefreshTokenSession(context.Context, string) error { return nil }

// RotateRefreshToken uses a refresh token up. Of many callers at once one succeeds; the others get ErrLost.
func (s *Store) RotateRefreshToken(ctx context.Context, _ string, signature string) error {
	return s.Do(ctx, func(tx pgx.Tx) error {
		now := s.now()
		n, err := s.q.UseRefreshToken(ctx, tx, UseRefreshTokenParams{Signature: protocol.Hash(signature), Now: &now})
		if err == nil && n == 0 {
			err = fmt.Errorf("refresh token: %w", ErrLost)
		}
		return err
	})
}

// RevokeRefreshToken ends a family: fosite calls it for a code that comes twice.
func (s *Store) RevokeRefreshToken(ctx context.Context, requestID string) error {
	family, err := uuid.Parse(requestID)
	if err != nil {
		return err
	}
	return s.endFamily(ctx, family)
}

// RevokeAccessToken does nothing: ending the family took its access tokens back as well.
func (s *Store) RevokeAccessToken(context.Context, string) error { return nil }
