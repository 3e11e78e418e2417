package authserver

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/microservicehub/mshub/authserver/store"
	"github.com/microservicehub/mshub/internal/postgres"
)

// batch bounds one statement of housekeeping, so that it never holds many rows.
const batch = 1000

// lead is the leader's work: keys pass from state to state, and what has expired goes.
func (s *Server) lead(ctx context.Context) error {
	ticker := time.NewTicker(s.timeouts.Housekeeping)
	defer ticker.Stop()
	for {
		if err := s.ring.Rotate(ctx); err != nil && ctx.Err() == nil {
			s.log.ErrorContext(ctx, "signing keys were not rotated; the active one goes on signing", "error", err)
		}
		if err := s.clean(ctx); err != nil && ctx.Err() == nil {
			s.log.WarnContext(ctx, "expired rows were not deleted; the next round tries again", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

// clean deletes what has expired, in batches. What proves a second use of something is kept a while longer.
func (s *Server) clean(ctx context.Context) error {
	q, now := store.New(), s.now()
	evidence := now.Add(-s.timeouts.Evidence)
	for _, expired := range []func(tx pgx.Tx) (int64, error){
		func(tx pgx.Tx) (int64, error) {
			return q.DeleteExpiredSessions(ctx, tx, store.DeleteExpiredSessionsParams{Now: now, Idle: now.Add(-s.timeouts.SessionIdle), Most: batch})
		},
		func(tx pgx.Tx) (int64, error) {
			return q.DeleteExpiredCodes(ctx, tx, store.DeleteExpiredCodesParams{ExpiresAt: evidence, Limit: batch})
		},
		func(tx pgx.Tx) (int64, error) {
			return q.DeleteExpiredRefreshTokens(ctx, tx, store.DeleteExpiredRefreshTokensParams{ExpiresAt: evidence, Limit: batch})
		},
		func(tx pgx.Tx) (int64, error) {
			return q.DeleteExpiredPushedRequests(ctx, tx, store.DeleteExpiredPushedRequestsParams{ExpiresAt: now, Limit: batch})
		},
		func(tx pgx.Tx) (int64, error) {
			return q.DeleteExpiredRevocations(ctx, tx, store.DeleteExpiredRevocationsParams{Time: evidence, Limit: batch})
		},
	} {
		if err := s.inBatches(ctx, s.db.Global, expired); err != nil {
			return err
		}
	}
	return s.inBatches(ctx, s.db.System, func(tx pgx.Tx) (int64, error) {
		return postgres.ForgetOnce(ctx, tx, "authserver", batch)
	})
}

func (s *Server) inBatches(ctx context.Context, run func(context.Context, func(pgx.Tx) error) error, remove func(tx pgx.Tx) (int64, error)) error {
	for {
		var n int64
		err := run(ctx, func(tx pgx.Tx) (err error) {
			n, err = remove(tx)
			return err
		})
		if err != nil || n < batch {
			return err
		}
	}
}
