package records

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"time"
	"unicode"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	eventsv1 "github.com/microservicehub/mshub/events/v1"
	"github.com/microservicehub/mshub/internal/audit"
	"github.com/microservicehub/mshub/internal/auth"
	"github.com/microservicehub/mshub/internal/filter"
	"github.com/microservicehub/mshub/internal/rpc"
	"github.com/microservicehub/mshub/services/records/rowsink"
	"github.com/microservicehub/mshub/services/records/schema"
	"github.com/microservicehub/mshub/services/records/store"
	recordsv1 "github.com/microservicehub/mshub/services/records/v1"
)

const (
	exportService = "services.records.v1.ExportService/"
	// exportRows is how many records of the dataset a part has at most: a few seconds' work.
	exportRows = 50_000
)

// PlanExport checks what is asked for and divides the dataset into ranges of record ids. The plan appears whole or not at
// all; a repeated call answers from it.
func (s *Service) PlanExport(ctx context.Context, in *recordsv1.PlanExportRequest) (*recordsv1.PlanExportResponse, error) {
	caller, err := exporter(ctx)
	if err != nil {
		return nil, err
	}
	if row, err := s.exported(ctx, caller); err == nil {
		return s.exportPlan(ctx, row)
	} else if !errors.Is(err, pgx.ErrNoRows) {
		return nil, err
	}
	shelf, dataset, err := s.shelf(ctx, in.GetDataset())
	if err != nil {
		return nil, err
	}
	columns, err := exportColumns(shelf.Schema, in)
	if err != nil {
		return nil, err
	}
	expr, err := filter.Parse(in.GetFilter())
	if err != nil {
		return nil, err
	}
	rows, err := s.documents.Count(ctx, shelf, expr)
	if err != nil {
		return nil, err
	}
	parts, err := s.ranges(ctx, caller, shelf, int(in.GetPartRows()))
	if err != nil {
		return nil, err
	}
	params := store.InsertExportParams{
		ID: caller.Run, DatasetID: dataset.ID, ShelfID: shelf.Dataset, Filter: in.GetFilter(), Columns: columns,
		Format: in.GetFormat().String(), Compression: compressionOf(in).String(), NullToken: in.GetNullToken(),
		Parts: int32(len(parts.Parts)), Rows: rows, Now: s.now(),
	}
	err = s.db.Tx(ctx, caller.Organisation, func(tx pgx.Tx) error {
		n, err := s.queries.InsertExport(ctx, tx, params)
		if err != nil || n == 0 { // 0: the same call, twice at once
			return err
		}
		if err := s.queries.InsertExportParts(ctx, tx, parts); err != nil {
			return err
		}
		return audit.Append(ctx, tx, audit.Entry{Action: exportService + "PlanExport", Target: in.GetDataset(), After: map[string]any{
			"filter": in.GetFilter(), "columns": columns, "format": params.Format, "rows": rows,
		}})
	})
	if err != nil {
		return nil, err
	}
	row, err := s.exported(ctx, caller)
	if err != nil {
		return nil, err
	}
	return s.exportPlan(ctx, row)
}

// ranges cuts the ids of a dataset behind every n-th record. The first range begins before all ids and the last one ends
// behind all, so that every record is in exactly one, whenever it comes.
func (s *Service) ranges(ctx context.Context, caller auth.Caller, shelf store.Shelf, n int) (store.InsertExportPartsParams, error) {
	if n == 0 {
		n = exportRows
	}
	out := store.InsertExportPartsParams{ExportID: caller.Run}
	for after, more := uuid.Nil, true; more; {
		border, found, err := s.documents.Behind(ctx, shelf, after, n)
		if err != nil {
			return out, err
		}
		if more = found; !found {
			border = uuid.Max
		}
		out.Parts = append(out.Parts, int32(len(out.Parts))+1)
		out.Afters, out.Untils = append(out.Afters, after), append(out.Untils, border)
		after = border
	}
	return out, nil
}

// exportColumns names the columns of the file, in its order.
func exportColumns(s *schema.Schema, in *recordsv1.PlanExportRequest) ([]string, error) {
	var faults []rpc.Violation
	for i, name := range in.GetColumns() {
		field := fmt.Sprintf("columns[%d]", i)
		if s.Index(name) < 0 {
			faults = append(faults, rpc.Violation{Field: field, Description: fmt.Sprintf("the dataset has no column %q", name)})
		} else if slices.Index(in.GetColumns(), name) < i {
			faults = append(faults, rpc.Violation{Field: field, Description: fmt.Sprintf("names %q a second time", name)})
		}
	}
	if strings.ContainsFunc(in.GetNullToken(), unicode.IsControl) {
		faults = append(faults, rpc.Violation{Field: "nullToken", Description: `must not contain control characters; \N is usual`})
	}
	if len(faults) > 0 {
		return nil, rpc.InvalidFields(faults...)
	}
	if len(in.GetColumns()) > 0 {
		return in.GetColumns(), nil
	}
	all := make([]string, len(s.Columns))
	for i, c := range s.Columns {
		all[i] = c.Name
	}
	return all, nil
}

func compressionOf(in *recordsv1.PlanExportRequest) recordsv1.Export_Compression {
	switch {
	case in.GetCompression() != 0:
		return in.GetCompression()
	case in.GetFormat() == recordsv1.Export_PARQUET:
		return recordsv1.Export_ZSTD
	}
	return recordsv1.Export_NONE
}

// AbortExport ends an export that will not be finished.
func (s *Service) AbortExport(ctx context.Context, _ *recordsv1.AbortExportRequest) (*recordsv1.AbortExportResponse, error) {
	caller, err := exporter(ctx)
	if err != nil {
		return nil, err
	}
	if err := s.endExport(ctx, caller, stateAborted, "AbortExport", nil); err != nil {
		return nil, err
	}
	return &recordsv1.AbortExportResponse{}, s.scratch.RemoveAll(ctx, exportPrefix(caller.Organisation, caller.Run))
}

// endExport closes a planned export; one that is not planned any more is left as it is.
func (s *Service) endExport(ctx context.Context, caller auth.Caller, state, method string, after map[string]any) error {
	now := s.now()
	return s.db.Tx(ctx, caller.Organisation, func(tx pgx.Tx) error {
		n, err := s.queries.EndExport(ctx, tx, store.EndExportParams{ID: caller.Run, State: state, Now: &now})
		if err != nil || n == 0 {
			return err
		}
		return audit.Append(ctx, tx, audit.Entry{Action: exportService + method, Target: "runs/" + caller.Run.String(), After: after})
	})
}

// exporter is the caller of an export's methods: always a run, which gives the export its name.
func exporter(ctx context.Context) (auth.Caller, error) {
	caller := auth.From(ctx)
	if caller.Run == uuid.Nil {
		return caller, rpc.Denied("NOT_A_RUN", "an export belongs to a run")
	}
	return caller, nil
}

func (s *Service) exported(ctx context.Context, caller auth.Caller) (row store.Export, err error) {
	err = s.db.Tx(ctx, caller.Organisation, func(tx pgx.Tx) error {
		row, err = s.queries.Export(ctx, tx, caller.Run)
		return err
	})
	return row, err
}

// openExport finds the caller's export with the dataset that it reads. The dataset must still be the one that was planned.
func (s *Service) openExport(ctx context.Context) (caller auth.Caller, row store.Export, shelf store.Shelf, format rowsink.Format, err error) {
	if caller, err = exporter(ctx); err != nil {
		return caller, row, shelf, format, err
	}
	row, err = s.exported(ctx, caller)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return caller, row, shelf, format, rpc.NotFound("export", "runs/"+caller.Run.String())
	case err == nil && row.State == stateAborted:
		err = exportOver()
	}
	if err == nil {
		shelf, err = s.exportShelf(ctx, row)
	}
	if err == nil {
		format, err = exportFormat(row, shelf.Schema)
	}
	return caller, row, shelf, format, err
}

func exportOver() error {
	return rpc.Precondition("EXPORT_OVER", "the export was aborted; start a new run")
}

// exportShelf is the dataset of an export, if its records lie where they lay when the export was planned.
func (s *Service) exportShelf(ctx context.Context, row store.Export) (shelf store.Shelf, err error) {
	var dataset store.Dataset
	err = s.db.Tx(ctx, row.OrganisationID, func(tx pgx.Tx) error {
		dataset, err = s.queries.DatasetByID(ctx, tx, row.DatasetID)
		return err
	})
	if errors.Is(err, pgx.ErrNoRows) {
		return shelf, rpc.Precondition("DATASET_GONE", "the dataset was deleted meanwhile")
	}
	if err == nil {
		shelf, err = shelfOf(dataset)
	}
	if err == nil && shelf.Dataset != row.ShelfID {
		err = rpc.Precondition("DATASET_REPLACED", "all records of the dataset were replaced meanwhile; start a new export")
	}
	return shelf, err
}

func exportFormat(row store.Export, s *schema.Schema) (rowsink.Format, error) {
	out := rowsink.Format{
		Kind:      map[string]rowsink.Kind{"CSV": rowsink.CSV, "NDJSON": rowsink.NDJSON, "PARQUET": rowsink.Parquet}[row.Format],
		Packing:   map[string]rowsink.Packing{"NONE": rowsink.Plain, "GZIP": rowsink.Gzip, "ZSTD": rowsink.Zstd}[row.Compression],
		NullToken: row.NullToken,
	}
	for _, name := range row.Columns {
		i := s.Index(name)
		if i < 0 { // schemas only grow
			return out, fmt.Errorf("records: column %q of export %s is gone", name, row.ID)
		}
		out.Columns = append(out.Columns, s.Columns[i])
	}
	return out, nil
}

func (s *Service) exportPlan(ctx context.Context, row store.Export) (*recordsv1.PlanExportResponse, error) {
	if row.State == stateAborted {
		return nil, exportOver()
	}
	var dataset store.Dataset
	err := s.db.Tx(ctx, row.OrganisationID, func(tx pgx.Tx) (err error) {
		dataset, err = s.queries.DatasetByID(ctx, tx, row.DatasetID)
		return err
	})
	if err != nil {
		return nil, err
	}
	shelf, err := shelfOf(dataset)
	if err != nil {
		return nil, err
	}
	format, err := exportFormat(row, shelf.Schema)
	if err != nil {
		return nil, err
	}
	return &recordsv1.PlanExportResponse{
		Parts: row.Parts, Rows: row.Rows, FileName: dataset.Slug + format.Extension(), ContentType: format.ContentType(),
		Progress: &eventsv1.Progress{Total: row.Rows, Unit: "rows"},
	}, nil
}

// forgetExports deletes exports from before a moment, ended or not, with what they left in scratch space.
func (s *Service) forgetExports(ctx context.Context, before time.Time) error {
	var old []store.OldExportsRow
	err := s.db.System(ctx, func(tx pgx.Tx) (err error) {
		old, err = s.queries.OldExports(ctx, tx, store.OldExportsParams{Before: before, Batch: housekeepingBatch})
		return err
	})
	for _, e := range old {
		if err := s.scratch.RemoveAll(ctx, exportPrefix(e.OrganisationID, e.ID)); err != nil {
			return err
		}
		err := s.db.Tx(ctx, e.OrganisationID, func(tx pgx.Tx) error { return s.queries.DeleteExport(ctx, tx, e.ID) })
		if err != nil {
			return err
		}
	}
	return err
}

// exportPrefix is where an export's blobs lie.
func exportPrefix(organisation, id uuid.UUID) string {
	return organisation.String() + "/" + id.String() + ".export."
}

// scratchError says when the scratch space is full: waiting would not empty it while the export keeps what it has.
func scratchError(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return rpc.Precondition("SCRATCH_FULL", "the space for exports under way is full; ask the operator for more, or export fewer records or columns")
	}
	return err
}
