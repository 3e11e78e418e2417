package files

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/microservicehub/mshub/internal/postgres"
	"github.com/microservicehub/mshub/services/files/store"
)

const (
	// unfinishedLifetime is how long an upload may wait for its completion.
	unfinishedLifetime = 24 * time.Hour
	housekeepingEvery  = 10 * time.Minute
	housekeepingBatch  = 500
	housekeepingRounds = 20 // a store that is away must not keep us here
)

// Housekeeping cleans up now and then, until ctx ends, on one node at a time.
func (s *Service) Housekeeping(ctx context.Context) error {
	return s.db.Leader(ctx, "files/housekeeping", time.Minute, func(ctx context.Context) error {
		ticker := time.NewTicker(housekeepingEvery)
		defer ticker.Stop()
		for {
			if err := s.CleanUp(ctx); err != nil && ctx.Err() == nil {
				s.logger.WarnContext(ctx, "housekeeping of files failed; it will be tried again", "error", err)
			}
			select {
			case <-ctx.Done():
				return nil
			case <-ticker.C:
			}
		}
	})
}

// CleanUp is one round of housekeeping: uploads nobody completed, blobs of deleted files, kept answers whose time is over.
func (s *Service) CleanUp(ctx context.Context) error {
	before := s.now().Add(-unfinishedLifetime)
	for range housekeepingRounds {
		var due []store.UnfinishedRow
		err := s.db.System(ctx, func(tx pgx.Tx) (err error) {
			due, err = s.queries.Unfinished(ctx, tx, store.UnfinishedParams{Before: before, Batch: housekeepingBatch})
			return err
		})
		if err != nil {
			return err
		}
		for _, row := range due {
			s.removeMarked(ctx, row.OrganisationID, row.ID)
		}
		if len(due) < housekeepingBatch {
			break
		}
	}
	err := s.db.System(ctx, func(tx pgx.Tx) error {
		_, err := postgres.ForgetOnce(ctx, tx, "files", 10_000)
		return err
	})
	if err != nil {
		return err
	}
	return s.bucket.RemoveStranded(before)
}

// removeMarked removes the blob of a file in state deleting, then its row; what fails is tried again by housekeeping.
func (s *Service) removeMarked(ctx context.Context, organisation, id uuid.UUID) {
	err := s.bucket.Remove(ctx, blobKey(organisation, id))
	if err == nil {
		err = s.db.Tx(ctx, organisation, func(tx pgx.Tx) error {
			return s.queries.DeleteRow(ctx, tx, store.DeleteRowParams{OrganisationID: organisation, ID: id})
		})
	}
	if err != nil {
		s.logger.WarnContext(ctx, "removing a file failed; housekeeping will do it", "file", id, "error", err)
	}
}
