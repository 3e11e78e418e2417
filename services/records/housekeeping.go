package records

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/microservicehub/mshub/internal/postgres"
	"github.com/microservicehub/mshub/services/records/store"
)

const (
	// importLifetime is how long an import's ledger and rejected rows are kept, and how long an open one may take.
	importLifetime    = 30 * 24 * time.Hour
	housekeepingEvery = time.Minute
	housekeepingBatch = 100
	// deleteBatch is the number of documents that one transaction deletes.
	deleteBatch = 5_000
)

// Housekeeping cleans up now and then, until ctx ends, on one node at a time.
func (s *Service) Housekeeping(ctx context.Context) error {
	return s.db.Leader(ctx, "records/housekeeping", housekeepingEvery, func(ctx context.Context) error {
		ticker := time.NewTicker(housekeepingEvery)
		defer ticker.Stop()
		for {
			if err := s.CleanUp(ctx); err != nil && ctx.Err() == nil {
				s.logger.WarnContext(ctx, "housekeeping of records failed; it will be tried again", "error", err)
			}
			select {
			case <-ctx.Done():
				return nil
			case <-ticker.C:
			}
		}
	})
}

// CleanUp is one round of housekeeping: documents of deleted datasets, old imports, kept answers whose time is over.
func (s *Service) CleanUp(ctx context.Context) error {
	var datasets []store.DeletingDatasetsRow
	var imports []store.OldImportsRow
	before := s.now().Add(-importLifetime)
	err := s.db.System(ctx, func(tx pgx.Tx) (err error) {
		if datasets, err = s.queries.DeletingDatasets(ctx, tx, housekeepingBatch); err != nil {
			return err
		}
		if imports, err = s.queries.OldImports(ctx, tx, store.OldImportsParams{Before: before, Batch: housekeepingBatch}); err != nil {
			return err
		}
		_, err = postgres.ForgetOnce(ctx, tx, "records", 10_000)
		return err
	})
	if err != nil {
		return err
	}
	for _, d := range datasets {
		if err := s.deleteDataset(ctx, d.OrganisationID, d.ID); err != nil {
			return err
		}
	}
	for _, i := range imports {
		if err := s.scratch.Remove(ctx, i.OrganisationID.String()+"/"+i.ID.String()); err != nil {
			return err
		}
		if err := s.documents.ForgetImport(ctx, i.OrganisationID, i.ID); err != nil {
			return err
		}
		err := s.db.Tx(ctx, i.OrganisationID, func(tx pgx.Tx) error { return s.queries.DeleteImport(ctx, tx, i.ID) })
		if err != nil {
			return err
		}
	}
	return s.scratch.RemoveStranded(before)
}

func (s *Service) deleteDataset(ctx context.Context, organisation, id uuid.UUID) error {
	for {
		n, err := s.documents.DeleteSome(ctx, store.Shelf{Organisation: organisation, Dataset: id}, deleteBatch)
		if err != nil {
			return err
		}
		if n < deleteBatch {
			break
		}
	}
	return s.db.Tx(ctx, organisation, func(tx pgx.Tx) error { return s.queries.DeleteDatasetRow(ctx, tx, id) })
}
