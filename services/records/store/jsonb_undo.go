package store

import (
	"bytes"
	"context"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// BarChunk implements Documents: whoever writes a chunk holds the import in its state until the commit is done or lost, so
// there is none under way once the import is being undone.
func (s *JSONB) BarChunk(ctx context.Context, organisation, imported uuid.UUID, chunk int32) (bool, error) {
	_, done, err := s.ChunkCounts(ctx, organisation, imported, chunk)
	return done, err
}

// UndoChunk implements Documents.
func (s *JSONB) UndoChunk(ctx context.Context, tx pgx.Tx, shelf Shelf, c Chunk) error {
	done, err := s.queries.LockChunk(ctx, tx, LockChunkParams{ImportID: c.Import, Chunk: c.Number})
	if err != nil || !done {
		return err
	}
	if c.Mode == Delete {
		err = s.queries.UndoDeletes(ctx, tx, UndoDeletesParams{ImportID: c.Import, Chunk: c.Number, ShelfID: shelf.Dataset})
	} else {
		slices.SortFunc(c.Rows, func(a, b Row) int { return bytes.Compare(a.ID[:], b.ID[:]) })
		err = s.queries.UndoInserts(ctx, tx, UndoInsertsParams{ImportID: c.Import, Chunk: c.Number, ShelfID: shelf.Dataset, Ids: ids(c.Rows)})
		if err == nil {
			err = s.queries.UndoUpdates(ctx, tx, UndoUpdatesParams{ImportID: c.Import, Chunk: c.Number, ShelfID: shelf.Dataset})
		}
	}
	if err == nil && c.ReplayOf != uuid.Nil {
		err = s.queries.MarkReplayed(ctx, tx, MarkReplayedParams{ImportID: c.ReplayOf, Numbers: c.numbers(nil)})
	}
	if err != nil {
		return err
	}
	return s.queries.ReopenChunk(ctx, tx, ReopenChunkParams{ImportID: c.Import, Chunk: c.Number})
}

// ForgetUndo implements Documents.
func (s *JSONB) ForgetUndo(ctx context.Context, organisation, imported uuid.UUID, limit int) (n int64, err error) {
	err = s.db.Tx(ctx, organisation, func(tx pgx.Tx) error {
		n, err = s.queries.ForgetUndo(ctx, tx, ForgetUndoParams{ImportID: imported, Batch: int32(limit)})
		return err
	})
	return n, err
}
