package records

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"

	"github.com/microservicehub/mshub/internal/audit"
	"github.com/microservicehub/mshub/internal/auth"
	"github.com/microservicehub/mshub/services/records/store"
	recordsv1 "github.com/microservicehub/mshub/services/records/v1"
)

// AbortImport ends an import that will not be finished. What it wrote is taken back chunk by chunk, or left if it is to be
// kept; an import never planned, or already over, is no error. A call that is repeated goes on where the last one stopped.
//
// Which documents a chunk made is not written down: the chunk's text, read again, tells their ids. Only what was changed or
// deleted is kept in its old form, while the import is open. A REPLACE has its own shelf, which is dropped as a whole.
func (s *Service) AbortImport(ctx context.Context, in *recordsv1.AbortImportRequest) (*recordsv1.AbortImportResponse, error) {
	caller, err := importer(ctx)
	if err != nil {
		return nil, err
	}
	out := &recordsv1.AbortImportResponse{}
	row, err := s.imported(ctx, caller)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return out, s.forestall(ctx, caller)
	case err != nil:
		return nil, err
	}
	if row.Mode != recordsv1.ImportMode_REPLACE.String() && in.GetKeep() {
		err = s.db.Tx(ctx, caller.Organisation, func(tx pgx.Tx) error { return s.end(ctx, tx, caller, stateAborted, 0, nil) })
	} else {
		err = s.undo(ctx, caller, row)
	}
	if err != nil {
		return nil, err
	}
	return out, s.release(ctx, row)
}

// forestall ends an import before it is planned, so that a planning that was given up, but is still at work, finds it over.
func (s *Service) forestall(ctx context.Context, caller auth.Caller) error {
	now := s.now()
	err := s.db.Tx(ctx, caller.Organisation, func(tx pgx.Tx) error {
		_, err := s.queries.InsertImport(ctx, tx, store.InsertImportParams{
			ID: caller.Run, Mode: recordsv1.ImportMode_UPSERT.String(), Format: []byte("{}"), Header: []string{}, Now: now,
		})
		if err != nil {
			return err
		}
		_, err = s.queries.EndImport(ctx, tx, store.EndImportParams{ID: caller.Run, State: stateAborted, Now: &now})
		return err
	})
	return errors.Join(err, s.scratch.RemoveAll(ctx, scratchPrefix(caller.Organisation, caller.Run)))
}

func (s *Service) undo(ctx context.Context, caller auth.Caller, row store.Import) error {
	if row.State != statePlanned && row.State != stateUndoing {
		return nil
	}
	// Chunks under way are waited for; none is written from here on.
	err := s.db.Tx(ctx, caller.Organisation, func(tx pgx.Tx) error {
		n, err := s.queries.BeginUndo(ctx, tx, caller.Run)
		if err != nil || n == 0 {
			return err
		}
		return audit.Append(ctx, tx, audit.Entry{Action: service + "AbortImport", Target: "runs/" + caller.Run.String(), After: map[string]any{"undone": true}})
	})
	if err != nil {
		return err
	}
	for number := int32(1); number <= row.Chunks; number++ {
		if err := s.undoChunk(ctx, caller, row, number); err != nil {
			return err
		}
	}
	now := s.now()
	return s.db.Tx(ctx, caller.Organisation, func(tx pgx.Tx) error {
		n, err := s.queries.EndUndo(ctx, tx, store.EndUndoParams{ID: caller.Run, Now: &now})
		if err != nil || n == 0 || row.Mode != recordsv1.ImportMode_REPLACE.String() {
			return err
		}
		return s.queries.ClearShelf(ctx, tx, store.ClearShelfParams{ShelfID: row.ShelfID, ClearTime: now})
	})
}

func (s *Service) undoChunk(ctx context.Context, caller auth.Caller, row store.Import, number int32) error {
	written, err := s.documents.BarChunk(ctx, caller.Organisation, row.ID, number)
	if err != nil || !written || row.Mode == recordsv1.ImportMode_REPLACE.String() {
		return err
	}
	shelf, chunk, err := s.chunk(ctx, caller, row, number)
	if err != nil {
		return err
	}
	return s.db.Tx(ctx, caller.Organisation, func(tx pgx.Tx) error { return s.documents.UndoChunk(ctx, tx, shelf, chunk) })
}
