package records

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	gcblob "gocloud.dev/blob"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/microservicehub/mshub/internal/audit"
	"github.com/microservicehub/mshub/internal/auth"
	"github.com/microservicehub/mshub/internal/postgres"
	"github.com/microservicehub/mshub/internal/rpc"
	"github.com/microservicehub/mshub/services/records/store"
	recordsv1 "github.com/microservicehub/mshub/services/records/v1"
)

// ListRejects returns the rejected rows of an import in the order of the file.
func (s *Service) ListRejects(ctx context.Context, in *recordsv1.ListRejectsRequest) (*recordsv1.ListRejectsResponse, error) {
	run, err := importNamed(in.GetParent())
	if err != nil {
		return nil, err
	}
	organisation := auth.From(ctx).Organisation
	if _, err := s.importOf(ctx, organisation, run); err != nil {
		return nil, importError(err, in.GetParent())
	}
	var after int64
	if in.GetPageToken() != "" {
		if err := postgres.DecodePage(in.GetPageToken(), &after); err != nil {
			return nil, err
		}
	}
	size := postgres.PageSize(in.GetPageSize())
	rows, err := s.documents.Rejects(ctx, organisation, run, after, size+1, false)
	if err != nil {
		return nil, err
	}
	out := &recordsv1.ListRejectsResponse{}
	if len(rows) > size {
		rows = rows[:size]
		out.NextPageToken = postgres.EncodePage(rows[size-1].Number)
	}
	for _, row := range rows {
		reject, err := rejectOf(in.GetParent(), row)
		if err != nil {
			return nil, err
		}
		out.Rejects = append(out.Rejects, reject)
	}
	return out, nil
}

// maxCell is the most bytes of a corrected cell.
const maxCell = 64 << 10

// UpdateReject corrects cells of a rejected row. Whether they are right now is seen when the row is read again.
func (s *Service) UpdateReject(ctx context.Context, in *recordsv1.UpdateRejectRequest) (*recordsv1.Reject, error) {
	parent, number, run, err := splitReject(in.GetReject().GetName())
	if err != nil {
		return nil, err
	}
	organisation, out := auth.From(ctx).Organisation, &recordsv1.Reject{}
	row, err := s.importOf(ctx, organisation, run)
	if err != nil {
		return nil, importError(err, parent)
	}
	if err := checkCells(in.GetReject().GetCells(), row.Header); err != nil {
		return nil, err
	}
	err = s.db.Tx(ctx, organisation, func(tx pgx.Tx) error {
		return postgres.Once(ctx, tx, "records", service+"UpdateReject", rpc.IdempotencyKey(ctx), in, out, func() error {
			reject, err := s.documents.Reject(ctx, organisation, run, number)
			if errors.Is(err, store.ErrNotFound) {
				return rpc.NotFound("reject", in.GetReject().GetName())
			}
			if err != nil {
				return err
			}
			cells, err := cellsOf(reject)
			if err != nil {
				return err
			}
			maps.Copy(cells, in.GetReject().GetCells())
			if reject.Cells, err = json.Marshal(cells); err != nil {
				return err
			}
			if err := s.documents.CorrectReject(ctx, tx, organisation, run, reject); errors.Is(err, store.ErrChanged) {
				return rpc.Precondition("REJECT_REPLAYED", "the row was imported meanwhile; change its record instead")
			} else if err != nil {
				return err
			}
			reject.Corrected = true
			changed, err := rejectOf(parent, reject)
			if err != nil {
				return err
			}
			proto.Merge(out, changed)
			return audit.Append(ctx, tx, audit.Entry{Action: service + "UpdateReject", Target: out.GetName()})
		})
	})
	return out, err
}

func checkCells(cells map[string]string, header []string) error {
	c := &formatCheck{}
	if len(cells) == 0 {
		c.failf("reject.cells", "name the cells that change: column of the file -> text")
	}
	for _, column := range slices.Sorted(maps.Keys(cells)) {
		switch {
		case !slices.Contains(header, column):
			c.failf("reject.cells."+column, "the file has no such column")
		case len(cells[column]) > maxCell:
			c.failf("reject.cells."+column, "has more than %d bytes", maxCell)
		case strings.ContainsRune(cells[column], 0):
			c.failf("reject.cells."+column, "contains a zero byte")
		}
	}
	return c.err()
}

func cellsOf(r store.Reject) (map[string]string, error) {
	cells := map[string]string{}
	if len(r.Cells) == 0 {
		return cells, nil
	}
	return cells, json.Unmarshal(r.Cells, &cells)
}

func rejectOf(parent string, r store.Reject) (*recordsv1.Reject, error) {
	out := &recordsv1.Reject{Name: parent + "/rejects/" + strconv.FormatInt(r.Number, 10), Line: r.Line, State: recordsv1.Reject_REJECTED}
	switch {
	case r.Replayed:
		out.State = recordsv1.Reject_REPLAYED
	case r.Corrected:
		out.State = recordsv1.Reject_CORRECTED
	}
	for _, f := range r.Faults {
		out.Faults = append(out.Faults, &recordsv1.Reject_Fault{Column: f.Column, Value: f.Value, Reason: f.Reason})
	}
	var err error
	out.Cells, err = cellsOf(r)
	return out, err
}

// importNamed reads "imports/RUN".
func importNamed(name string) (uuid.UUID, error) {
	text, ok := strings.CutPrefix(name, "imports/")
	id, err := uuid.Parse(text)
	if !ok || err != nil || id.String() != text {
		return uuid.Nil, rpc.NotFound("import", name)
	}
	return id, nil
}

// splitReject reads "imports/RUN/rejects/ROW".
func splitReject(name string) (parent string, number int64, run uuid.UUID, err error) {
	parent, text, _ := strings.Cut(name, "/rejects/")
	number, err = strconv.ParseInt(text, 10, 64)
	if err != nil || number < 1 {
		return "", 0, uuid.Nil, rpc.NotFound("reject", name)
	}
	run, err = importNamed(parent)
	return parent, number, run, err
}

func importError(err error, name string) error {
	if errors.Is(err, pgx.ErrNoRows) {
		return rpc.NotFound("import", name)
	}
	return err
}

// replayable finds an import whose rejects can be read again, and the name of its dataset.
func (s *Service) replayable(ctx context.Context, caller auth.Caller, run string) (*store.Import, string, error) {
	id, err := runOf(run, "rejectsOf")
	if err != nil {
		return nil, "", err
	}
	var row store.Import
	var dataset store.Dataset
	err = s.db.Tx(ctx, caller.Organisation, func(tx pgx.Tx) error {
		if row, err = s.queries.ImportByID(ctx, tx, id); err != nil {
			return err
		}
		dataset, err = s.queries.DatasetByID(ctx, tx, row.DatasetID)
		return err
	})
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return nil, "", rpc.Invalid("rejectsOf", "%s was no import, or its rejected rows or its dataset are gone", run)
	case err != nil:
		return nil, "", err
	case row.State == statePlanned || row.State == stateUndoing:
		return nil, "", rpc.Precondition("IMPORT_RUNNING", "the import of %s has not ended yet", run)
	case row.State == stateUndone:
		return nil, "", rpc.Precondition("IMPORT_UNDONE", "the import of %s was undone; import the whole file again", run)
	}
	return &row, "datasets/" + dataset.Slug, nil
}

// scanRejects writes the rejects of an earlier import into the scratch blob and plans them: a CSV file of number, line, and
// the file's columns, so that a row keeps its place. A cell that is not there is empty.
func (s *Service) scanRejects(ctx context.Context, caller auth.Caller, j *job) (*plan, error) {
	format := &recordsv1.Format{}
	if err := protojson.Unmarshal(j.rejectsOf.Format, format); err != nil {
		return nil, err
	}
	format.Kind, format.Encoding, format.Delimiter, format.Quote, format.NoHeader = recordsv1.Format_CSV, "utf-8", ",", `"`, true
	lookups, err := s.readLookups(ctx, j.shelf.Schema, format)
	if err != nil {
		return nil, err
	}
	if hasLookups(format) {
		if err := s.keepLookups(ctx, j.scratch, lookups); err != nil {
			return nil, err
		}
	}
	l, err := newLayout(j.shelf.Schema, format, j.rejectsOf.Header, j.keysOnly(), lookups)
	if err != nil {
		return nil, err
	}
	l.replay = true
	p := &plan{format: format, header: j.rejectsOf.Header, source: source{name: j.in.GetRejectsOf()}}
	writing, cancel := context.WithCancel(ctx)
	defer cancel() // before Close this leaves no blob
	w, err := s.scratch.NewWriter(writing, j.scratch, &gcblob.WriterOptions{ContentType: "text/csv"})
	if err != nil {
		return nil, err
	}
	text, sent := io.Pipe()
	defer func() { _ = text.Close() }()
	go func() { sent.CloseWithError(s.openRejects(ctx, caller, j.rejectsOf, sent)) }()
	hashes, err := p.cut(l.part(io.TeeReader(text, w), 1), l, int64(j.in.GetChunkRows()), false)
	if err == nil && p.rows == 0 {
		err = rpc.Precondition("NO_REJECTS", "%s has no rejected rows that were not imported since", j.in.GetRejectsOf())
	}
	if err != nil {
		cancel()
		_ = w.Close()
		return nil, fileError(err)
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return p, s.findDuplicates(ctx, j.scratch, p, hashes, l)
}

// openRejects writes the rows that were not replayed.
func (s *Service) openRejects(ctx context.Context, caller auth.Caller, of *store.Import, to io.Writer) error {
	w := csv.NewWriter(to)
	record := make([]string, 2+len(of.Header))
	for after := int64(0); ; {
		page, err := s.documents.Rejects(ctx, caller.Organisation, of.ID, after, rejectsPage, true)
		if err != nil {
			return err
		}
		for _, r := range page {
			after = r.Number
			cells, err := cellsOf(r)
			if err != nil {
				return err
			}
			if len(cells) == 0 {
				continue // from before cells were kept, or an empty row: read again it would be a record of nothing
			}
			record[0], record[1] = strconv.FormatInt(r.Number, 10), strconv.FormatInt(r.Line, 10)
			for i, column := range of.Header {
				record[2+i] = cells[column]
			}
			if err := w.Write(record); err != nil {
				return err
			}
		}
		if w.Flush(); w.Error() != nil {
			return w.Error()
		}
		if len(page) < rejectsPage {
			return nil
		}
	}
}
