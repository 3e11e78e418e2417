package notify

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/microservicehub/mshub/services/notify/store"
)

const (
	housekeepingEvery = time.Hour
	keepMessages      = 90 * 24 * time.Hour
	forgetBatch       = 1000
)

// Housekeep deletes notes of mails older than 90 days, every hour until ctx ends. Every node may run it; one works.
func (s *Service) Housekeep(ctx context.Context) error {
	return s.db.Leader(ctx, "notify.housekeeping", housekeepingEvery, func(ctx context.Context) error {
		ticker := time.NewTicker(housekeepingEvery)
		defer ticker.Stop()
		for {
			if err := s.Forget(ctx); err != nil && ctx.Err() == nil {
				s.logger.WarnContext(ctx, "old notes of mails could not be deleted; it will be tried again", "error", err)
			}
			select {
			case <-ctx.Done():
				return nil
			case <-ticker.C:
			}
		}
	})
}

// Forget deletes what is too old now.
func (s *Service) Forget(ctx context.Context) error {
	for {
		var n int64
		err := s.db.System(ctx, func(tx pgx.Tx) (err error) {
			n, err = s.q.ForgetMessages(ctx, tx, store.ForgetMessagesParams{CreatedAt: s.now().Add(-keepMessages), Limit: forgetBatch})
			return err
		})
		if err != nil || n < forgetBatch {
			return err
		}
	}
}
