package records

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/microservicehub/mshub/internal/postgres"
	"github.com/microservicehub/mshub/services/records/store"
	recordsv1 "github.com/microservicehub/mshub/services/records/v1"
)

const (
	// importLifetime is how long an import's ledger and rejected rows are kept, and how long an open one may take.
	importLifetime    = 30 * 24 * time.Hour
	housekeepingEvery = time.Minute
	housekeepingBatch = 100
	// deleteBatch is the number of documents that one transaction deletes.
	deleteBatch = 5_000
	// readersTime is how long the records that a REPLACE put aside stay, for readers who began before.
	readersTime = 10 * time.Minute
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

// CleanUp is one round of housekeeping: documents of deleted datasets, old imports and exports, kept answers whose time is over.
func (s *Service) CleanUp(ctx context.Context) error {
	var datasets []store.DeletingDatasetsRow
	var imports []store.OldImportsRow
	var undone []store.ImportsWithUndoRow
	var shelves []store.ClearedShelvesRow
	before := s.now().Add(-importLifetime)
	err := s.db.System(ctx, func(tx pgx.Tx) (err error) {
		if datasets, err = s.queries.DeletingDatasets(ctx, tx, housekeepingBatch); err != nil {
			return err
		}
		if imports, err = s.queries.OldImports(ctx, tx, store.OldImportsParams{Before: before, Batch: housekeepingBatch}); err != nil {
			return err
		}
		if undone, err = s.queries.ImportsWithUndo(ctx, tx, housekeepingBatch); err != nil {
			return err
		}
		if shelves, err = s.queries.ClearedShelves(ctx, tx, store.ClearedShelvesParams{Now: s.now(), Batch: housekeepingBatch}); err != nil {
			return err
		}
		_, err = postgres.ForgetOnce(ctx, tx, "records", 10_000)
		return err
	})
	if err != nil {
		return err
	}
	for _, d := range datasets {
		err := s.empty(ctx, d.OrganisationID, d.ShelfID, func(tx pgx.Tx) error { return s.queries.DeleteDatasetRow(ctx, tx, d.ID) })
		if err != nil {
			return err
		}
	}
	for _, d := range shelves {
		err := s.empty(ctx, d.OrganisationID, d.ShelfID, func(tx pgx.Tx) error { return s.queries.ForgetShelf(ctx, tx, d.ShelfID) })
		if err != nil {
			return err
		}
	}
	for _, i := range undone {
		if err := s.forgetUndo(ctx, i.OrganisationID, i.ID); err != nil {
			return err
		}
	}
	for _, i := range imports {
		if err := s.forgetImport(ctx, i); err != nil {
			return err
		}
	}
	if err := s.forgetExports(ctx, before); err != nil {
		return err
	}
	return s.scratch.RemoveStranded(before)
}

// empty deletes a shelf's documents, then what says that it is to be emptied.
func (s *Service) empty(ctx context.Context, organisation, shelf uuid.UUID, done func(tx pgx.Tx) error) error {
	for {
		n, err := s.documents.DeleteSome(ctx, store.Shelf{Organisation: organisation, Dataset: shelf}, deleteBatch)
		if err != nil {
			return err
		}
		if n < deleteBatch {
			return s.db.Tx(ctx, organisation, done)
		}
	}
}

// forgetUndo deletes old documents that an import kept, which is over.
func (s *Service) forgetUndo(ctx context.Context, organisation, imported uuid.UUID) error {
	for {
		n, err := s.documents.ForgetUndo(ctx, organisation, imported, deleteBatch)
		if err != nil {
			return err
		}
		if n < deleteBatch {
			return s.db.Tx(ctx, organisation, func(tx pgx.Tx) error { return s.queries.UndoForgotten(ctx, tx, imported) })
		}
	}
}

func (s *Service) forgetImport(ctx context.Context, i store.OldImportsRow) error {
	if err := s.scratch.RemoveAll(ctx, scratchPrefix(i.OrganisationID, i.ID)); err != nil {
		return err
	}
	if err := s.documents.ForgetImport(ctx, i.OrganisationID, i.ID); err != nil {
		return err
	}
	return s.db.Tx(ctx, i.OrganisationID, func(tx pgx.Tx) error {
		if i.Mode == recordsv1.ImportMode_REPLACE.String() && i.State == statePlanned {
			if err := s.queries.ClearShelf(ctx, tx, store.ClearShelfParams{ShelfID: i.ShelfID, ClearTime: s.now()}); err != nil {
				return err
			}
		}
		return s.queries.DeleteImport(ctx, tx, i.ID)
	})
}
