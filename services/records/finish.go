package records

import (
	"context"
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strconv"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/microservicehub/mshub/internal/audit"
	"github.com/microservicehub/mshub/internal/auth"
	"github.com/microservicehub/mshub/internal/rpc"
	"github.com/microservicehub/mshub/services/records/store"
	recordsv1 "github.com/microservicehub/mshub/services/records/v1"
)

// RejectsType is the content type of the rejects file; CreateUpload must name it, since the link covers it.
const RejectsType = "text/csv"

// FinishImport sums the ledger up, puts a REPLACE in the place of the old records, and ends the import. Given a link, it
// sends the rejects file, once, before the end or any time after it. Repeating it gives the same answer.
func (s *Service) FinishImport(ctx context.Context, in *recordsv1.FinishImportRequest) (*recordsv1.FinishImportResponse, error) {
	caller, row, err := s.openImport(ctx)
	if err != nil {
		return nil, err
	}
	counts, chunks, err := s.documents.ImportCounts(ctx, caller.Organisation, caller.Run)
	if err != nil {
		return nil, err
	}
	if chunks != int64(row.Chunks) {
		return nil, rpc.Precondition("CHUNKS_MISSING", "%d of %d chunks are not imported yet", int64(row.Chunks)-chunks, row.Chunks)
	}
	out := &recordsv1.FinishImportResponse{
		Read: counts.Read, Inserted: counts.Inserted, Updated: counts.Updated, Unchanged: counts.Unchanged, Rejected: counts.Rejected,
		Deleted: counts.Deleted + row.Deleted, RejectsSize: row.RejectsSize, RejectsSha256: row.RejectsSha256,
	}
	if counts.Rejected > 0 && in.GetRejectsUrl() != "" && row.RejectsSize == 0 {
		if err := s.sendRejects(ctx, caller, in.GetRejectsUrl(), out); err != nil {
			return nil, err
		}
	}
	switch {
	case row.State == stateFinished:
		err = s.noteRejects(ctx, caller, row, out)
	case row.Mode == recordsv1.ImportMode_REPLACE.String():
		err = s.replace(ctx, caller, row, out)
	default:
		err = s.db.Tx(ctx, caller.Organisation, func(tx pgx.Tx) error { return s.end(ctx, tx, caller, stateFinished, 0, out) })
	}
	if err != nil {
		return nil, err
	}
	return out, s.release(ctx, row)
}

// noteRejects keeps what was sent after the end.
func (s *Service) noteRejects(ctx context.Context, caller auth.Caller, row store.Import, sum *recordsv1.FinishImportResponse) error {
	if sum.GetRejectsSize() == row.RejectsSize {
		return nil
	}
	return s.db.Tx(ctx, caller.Organisation, func(tx pgx.Tx) error {
		return s.queries.NoteRejects(ctx, tx, store.NoteRejectsParams{ID: caller.Run, Size: sum.GetRejectsSize(), Sha256: sum.GetRejectsSha256()})
	})
}

// end closes a planned import; one that is not planned any more is left as it is.
func (s *Service) end(ctx context.Context, tx pgx.Tx, caller auth.Caller, state string, replaced int64, sum *recordsv1.FinishImportResponse) error {
	now, method := s.now(), "AbortImport"
	params := store.EndImportParams{ID: caller.Run, State: state, Deleted: replaced, Now: &now}
	var after map[string]any
	if sum != nil {
		method = "FinishImport"
		params.RejectsSize, params.RejectsSha256 = sum.GetRejectsSize(), sum.GetRejectsSha256()
		after = map[string]any{
			"read": sum.GetRead(), "inserted": sum.GetInserted(), "updated": sum.GetUpdated(), "unchanged": sum.GetUnchanged(),
			"rejected": sum.GetRejected(), "deleted": sum.GetDeleted(),
		}
	}
	n, err := s.queries.EndImport(ctx, tx, params)
	if err != nil || n == 0 {
		return err
	}
	return audit.Append(ctx, tx, audit.Entry{Action: service + method, Target: "runs/" + caller.Run.String(), After: after})
}

// replace puts the shelf that the import has filled in the place of the dataset's. Readers see the old records or the new
// ones, and whoever changes a record waits, so that no change gets lost between the two.
func (s *Service) replace(ctx context.Context, caller auth.Caller, row store.Import, out *recordsv1.FinishImportResponse) error {
	return s.db.Tx(ctx, caller.Organisation, func(tx pgx.Tx) error {
		if err := s.queries.LockShelf(ctx, tx, row.DatasetID.String()); err != nil {
			return err
		}
		dataset, err := s.queries.DatasetByID(ctx, tx, row.DatasetID)
		if err != nil {
			return err
		}
		if dataset.ShelfID == row.ShelfID {
			return nil // the same call, twice at once
		}
		shelf, err := shelfOf(dataset)
		if err != nil {
			return err
		}
		if out.Deleted, err = s.documents.Count(ctx, shelf, nil); err != nil {
			return err
		}
		if err := s.queries.MoveDataset(ctx, tx, store.MoveDatasetParams{ID: dataset.ID, ShelfID: row.ShelfID, Now: s.now()}); err != nil {
			return err
		}
		if err := s.queries.ClearShelf(ctx, tx, store.ClearShelfParams{ShelfID: dataset.ShelfID, ClearTime: s.now().Add(readersTime)}); err != nil {
			return err
		}
		return s.end(ctx, tx, caller, stateFinished, out.GetDeleted(), out)
	})
}

// openImport finds the caller's import, which must not have been aborted.
func (s *Service) openImport(ctx context.Context) (auth.Caller, store.Import, error) {
	caller, err := importer(ctx)
	if err != nil {
		return caller, store.Import{}, err
	}
	row, err := s.imported(ctx, caller)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return caller, row, rpc.NotFound("import", "runs/"+caller.Run.String())
	case err == nil && row.State != statePlanned && row.State != stateFinished:
		return caller, row, rpc.Precondition("IMPORT_OVER", "the import was aborted; start a new run")
	}
	return caller, row, err
}

// release frees what only an open import needs. The ledger and the rejected rows stay until housekeeping.
func (s *Service) release(ctx context.Context, row store.Import) error {
	s.forgetLookups(row.ID)
	return s.drop(ctx, scratchOf(row))
}

// sendRejects writes the rejects file to a signed link. Its size must be known before the first byte is sent, so it is
// written twice: into a hash, then into the request. Both are the same, because rejects are in the order of the file.
func (s *Service) sendRejects(ctx context.Context, caller auth.Caller, link string, out *recordsv1.FinishImportResponse) error {
	hash, size := sha256.New(), &counter{}
	write := func(w io.Writer) error { return s.writeRejects(ctx, caller.Organisation, caller.Run, w) }
	if err := write(io.MultiWriter(hash, size)); err != nil {
		return err
	}
	out.RejectsSize, out.RejectsSha256 = size.n, hex.EncodeToString(hash.Sum(nil))
	return s.put(ctx, link, "rejectsUrl", RejectsType, size.n, write)
}

const rejectsPage = 5000

// writeRejects writes a line for every fault of every rejected row.
func (s *Service) writeRejects(ctx context.Context, organisation, imported uuid.UUID, to io.Writer) error {
	w := csv.NewWriter(to)
	_ = w.Write([]string{"line", "column", "value", "reason"})
	for after := int64(0); ; {
		page, err := s.documents.Rejects(ctx, organisation, imported, after, rejectsPage, false)
		if err != nil {
			return err
		}
		for _, r := range page {
			for _, f := range r.Faults {
				_ = w.Write([]string{strconv.FormatInt(r.Line, 10), f.Column, f.Value, f.Reason})
			}
			after = r.Number
		}
		if w.Flush(); w.Error() != nil {
			return fmt.Errorf("writing rejects: %w", w.Error())
		}
		if len(page) < rejectsPage {
			return nil
		}
	}
}

type counter struct{ n int64 }

func (c *counter) Write(p []byte) (int, error) {
	c.n += int64(len(p))
	return len(p), nil
}
