package identity

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/microservicehub/mshub/internal/postgres"
	"github.com/microservicehub/mshub/services/identity/store"
)

const (
	housekeepingEvery = 10 * time.Minute
	// forgetBatch rows of each kind in one transaction.
	forgetBatch = 1000
	// How long what is over is kept.
	keepLinks       = 7 * 24 * time.Hour
	keepInvitations = 90 * 24 * time.Hour
	keepChanges     = 24 * time.Hour
)

// Housekeep forgets what is over, every ten minutes until ctx ends. Every node may run it; one works.
func (s *Service) Housekeep(ctx context.Context) error {
	return s.db.Leader(ctx, "identity.housekeeping", housekeepingEvery, func(ctx context.Context) error {
		ticker := time.NewTicker(housekeepingEvery)
		defer ticker.Stop()
		for {
			if err := s.Forget(ctx); err != nil && ctx.Err() == nil {
				s.logger.WarnContext(ctx, "identity could not forget what is over; it will try again", "error", err)
			}
			select {
			case <-ctx.Done():
				return nil
			case <-ticker.C:
			}
		}
	})
}

// Forget deletes old links, attempts, access changes, answers kept for repeated calls, bulk changes, and
// invitations of people who are gone.
func (s *Service) Forget(ctx context.Context) error {
	for {
		most := int64(0)
		err := s.db.System(ctx, func(tx pgx.Tx) error {
			now := s.now()
			for _, forget := range []func() (int64, error){
				func() (int64, error) {
					return s.q.ForgetLinks(ctx, tx, store.ForgetLinksParams{InvitedBefore: now.Add(-keepInvitations), Before: now.Add(-keepLinks), Batch: forgetBatch})
				},
				func() (int64, error) {
					return s.q.ForgetAttempts(ctx, tx, store.ForgetAttemptsParams{Before: now.Add(-ownerKnown), Batch: forgetBatch})
				},
				func() (int64, error) {
					return s.q.ForgetAccessChanges(ctx, tx, store.ForgetAccessChangesParams{Before: now.Add(-keepChanges), Batch: forgetBatch})
				},
				func() (int64, error) {
					return s.q.ForgetInvitations(ctx, tx, store.ForgetInvitationsParams{Before: now.Add(-keepInvitations), Batch: forgetBatch})
				},
				func() (int64, error) {
					return s.q.ForgetBulks(ctx, tx, store.ForgetBulksParams{Before: now.Add(-keepInvitations), Batch: forgetBatch})
				},
				func() (int64, error) { return postgres.ForgetOnce(ctx, tx, schema, forgetBatch) },
			} {
				n, err := forget()
				if err != nil {
					return err
				}
				most = max(most, n)
			}
			return nil
		})
		if err != nil || most < forgetBatch {
			return err
		}
	}
}
