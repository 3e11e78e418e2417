package records

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	eventsv1 "github.com/microservicehub/mshub/events/v1"
	"github.com/microservicehub/mshub/internal/auth"
	"github.com/microservicehub/mshub/internal/filter"
	"github.com/microservicehub/mshub/internal/rpc"
	"github.com/microservicehub/mshub/services/records/rowsink"
	"github.com/microservicehub/mshub/services/records/store"
	recordsv1 "github.com/microservicehub/mshub/services/records/v1"
)

// ExportPart reads one range and writes it to a scratch blob, which appears whole or not at all; then the ledger says so.
// A call that died in between is simply made again.
func (s *Service) ExportPart(ctx context.Context, in *recordsv1.ExportPartRequest) (*recordsv1.ExportPartResponse, error) {
	caller, row, shelf, format, err := s.openExport(ctx)
	if err != nil {
		return nil, err
	}
	var part store.ExportPart
	err = s.db.Tx(ctx, caller.Organisation, func(tx pgx.Tx) error {
		part, err = s.queries.ExportPart(ctx, tx, store.ExportPartParams{ExportID: caller.Run, Part: in.GetPart()})
		return err
	})
	if errors.Is(err, pgx.ErrNoRows) {
		err = rpc.NotFound("part", fmt.Sprintf("%d of run %s", in.GetPart(), caller.Run))
	}
	if err != nil {
		return nil, err
	}
	if !part.Done {
		expr, err := filter.Parse(row.Filter)
		if err != nil {
			return nil, err
		}
		written, err := s.writePart(ctx, partKey(part), shelf, store.Range{After: part.After, Until: part.Until, Filter: expr}, format, in.GetPart() == 1)
		if err != nil {
			return nil, scratchError(err)
		}
		written.ExportID, written.Part = part.ExportID, part.Part
		if err := s.keepPart(ctx, caller, row, part, written); err != nil {
			return nil, err
		}
		part.Rows = written.Rows
	}
	return &recordsv1.ExportPartResponse{Rows: part.Rows, Progress: &eventsv1.Progress{Done: part.Rows, Unit: "rows"}}, nil
}

// writePart makes the blob of a part; the first one of a CSV file begins with the header.
func (s *Service) writePart(ctx context.Context, key string, shelf store.Shelf, r store.Range, format rowsink.Format, first bool) (written store.EndExportPartParams, err error) {
	writing, cancel := context.WithCancel(ctx)
	defer cancel() // before Close this leaves no blob
	blob, err := s.scratch.NewWriter(writing, key, nil)
	if err != nil {
		return written, err
	}
	size := &counter{}
	sink, err := rowsink.NewSink(io.MultiWriter(blob, size), format)
	if err == nil && first {
		err = sink.Header()
	}
	if err == nil {
		err = s.documents.Walk(ctx, shelf, r, sink.Add)
	}
	if err == nil {
		err = sink.Close()
	}
	if err != nil {
		cancel()
		_ = blob.Close()
		return written, err
	}
	if err := blob.Close(); err != nil {
		return written, err
	}
	return store.EndExportPartParams{Rows: sink.Rows, Bytes: size.n, Ambiguous: sink.Ambiguous}, nil
}

// keepPart notes a written part, unless the export was aborted or the dataset replaced while it was read: then what was
// written is none of it.
func (s *Service) keepPart(ctx context.Context, caller auth.Caller, row store.Export, part store.ExportPart, written store.EndExportPartParams) error {
	if _, err := s.exportShelf(ctx, row); err != nil {
		return errors.Join(err, s.scratch.Remove(ctx, partKey(part)))
	}
	over := false
	err := s.db.Tx(ctx, caller.Organisation, func(tx pgx.Tx) error {
		state, err := s.queries.HoldExport(ctx, tx, caller.Run)
		if over = state != statePlanned; err != nil || over {
			return err
		}
		return s.queries.EndExportPart(ctx, tx, written)
	})
	if err == nil && over {
		err = errors.Join(exportOver(), s.scratch.Remove(context.WithoutCancel(ctx), partKey(part)))
	}
	return err
}

func partKey(p store.ExportPart) string {
	return fmt.Sprintf("%s%06d", exportPrefix(p.OrganisationID, p.ExportID), p.Part)
}

// wholeKey is the blob of a file that can't be made by writing parts one behind the other.
func wholeKey(organisation, id uuid.UUID) string { return exportPrefix(organisation, id) + "whole" }
