package records

import (
	"context"
	"errors"
	"io"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	gcblob "gocloud.dev/blob"

	eventsv1 "github.com/microservicehub/mshub/events/v1"
	"github.com/microservicehub/mshub/internal/audit"
	"github.com/microservicehub/mshub/internal/auth"
	"github.com/microservicehub/mshub/internal/rpc"
	"github.com/microservicehub/mshub/services/records/rowfile"
	"github.com/microservicehub/mshub/services/records/schema"
	"github.com/microservicehub/mshub/services/records/store"
	recordsv1 "github.com/microservicehub/mshub/services/records/v1"
)

// Size of a chunk: about a second's work, whichever limit comes first.
const (
	chunkRows  = 20_000
	chunkBytes = 8 << 20
	// chunkDocuments bounds the documents that a chunk becomes, in which every row repeats the names of the columns.
	chunkDocuments = 64 << 20
)

const (
	statePlanned  = "planned"
	stateFinished = "finished"
	stateAborted  = "aborted"
)

// PlanImport reads the source once: checks that it is whole and readable, inflates it into the scratch blob, and notes
// where chunks begin and which keys stand twice. The plan appears with all its chunks or not at all; a repeated call
// answers from it.
func (s *Service) PlanImport(ctx context.Context, in *recordsv1.PlanImportRequest) (*recordsv1.PlanImportResponse, error) {
	caller, err := importer(ctx)
	if err != nil {
		return nil, err
	}
	if planned, err := s.imported(ctx, caller); err == nil {
		return planOf(planned)
	} else if !errors.Is(err, pgx.ErrNoRows) {
		return nil, err
	}
	if d := delimiter(in.GetFormat()); d == '"' || d == '\n' || d == '\r' {
		return nil, rpc.Invalid("format.delimiter", "can't be %q, which quotes cells or ends lines; use a comma, semicolon, tab or bar", string(d))
	}
	shelf, _, err := s.shelf(ctx, in.GetDataset())
	if err != nil {
		return nil, err
	}
	fresh, err := s.documents.Empty(ctx, shelf)
	if err != nil {
		return nil, err
	}
	plan, err := s.scan(ctx, caller, shelf, in)
	if err != nil {
		return nil, err
	}
	mode := recordsv1.ImportMode_UPSERT
	if in.GetMode() == recordsv1.ImportMode_INSERT {
		mode = recordsv1.ImportMode_INSERT
	}
	err = s.db.Tx(ctx, caller.Organisation, func(tx pgx.Tx) error {
		// The lock keeps DeleteDataset away until the import is visible to it.
		locked, err := s.queries.LockDataset(ctx, tx, strings.TrimPrefix(in.GetDataset(), "datasets/"))
		if err != nil {
			return err
		}
		if locked.ID != shelf.Dataset {
			return rpc.Precondition("DATASET_REPLACED", "%s was deleted and made anew meanwhile; start again", in.GetDataset())
		}
		n, err := s.queries.InsertImport(ctx, tx, store.InsertImportParams{
			ID: caller.Run, DatasetID: shelf.Dataset, Mode: mode.String(), Delimiter: string(delimiter(in.GetFormat())),
			NullTokens: in.GetFormat().GetNullTokens(), Header: plan.header, Fresh: fresh,
			Chunks: int32(len(plan.chunks)), Rows: plan.rows, Now: s.now(),
		})
		if err != nil || n == 0 { // 0: the same call, twice at once
			return err
		}
		if err := s.queries.InsertChunks(ctx, tx, plan.params(caller.Run)); err != nil {
			return err
		}
		return audit.Append(ctx, tx, audit.Entry{Action: service + "PlanImport", Target: in.GetDataset(), After: map[string]any{"rows": plan.rows, "mode": mode.String()}})
	})
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, rpc.NotFound("dataset", in.GetDataset())
	}
	if err != nil {
		return nil, err
	}
	planned, err := s.imported(ctx, caller)
	if err != nil {
		return nil, err
	}
	return planOf(planned)
}

// importer is the caller of an import's methods: always a run, which gives the import its name.
func importer(ctx context.Context) (auth.Caller, error) {
	caller := auth.From(ctx)
	if caller.Run == uuid.Nil {
		return caller, rpc.Denied("NOT_A_RUN", "an import belongs to a run")
	}
	return caller, nil
}

func (s *Service) imported(ctx context.Context, caller auth.Caller) (row store.Import, err error) {
	err = s.db.Tx(ctx, caller.Organisation, func(tx pgx.Tx) error {
		row, err = s.queries.ImportByID(ctx, tx, caller.Run)
		return err
	})
	return row, err
}

func planOf(row store.Import) (*recordsv1.PlanImportResponse, error) {
	if row.State == stateAborted {
		return nil, rpc.Precondition("IMPORT_OVER", "the import was aborted; start a new run")
	}
	return &recordsv1.PlanImportResponse{Chunks: row.Chunks, Rows: row.Rows, Progress: &eventsv1.Progress{Total: row.Rows, Unit: "rows"}}, nil
}

// plan is what the scan found out.
type plan struct {
	header []string
	chunks []planned
	rows   int64
}

// planned is a chunk: a range of the scratch blob.
type planned struct {
	start, length, firstLine, firstRow, rows int64
	duplicates                               []duplicate
}

func (p *plan) params(imported uuid.UUID) store.InsertChunksParams {
	out := store.InsertChunksParams{ImportID: imported}
	for i, c := range p.chunks {
		out.Chunks = append(out.Chunks, int32(i)+1)
		out.Starts, out.Lengths = append(out.Starts, c.start), append(out.Lengths, c.length)
		out.FirstLines, out.FirstRows, out.Rows = append(out.FirstLines, c.firstLine), append(out.FirstRows, c.firstRow), append(out.Rows, c.rows)
		out.Duplicates = append(out.Duplicates, packDuplicates(c.duplicates))
	}
	return out
}

// scan fetches the source into the scratch blob and plans it.
func (s *Service) scan(ctx context.Context, caller auth.Caller, shelf store.Shelf, in *recordsv1.PlanImportRequest) (*plan, error) {
	body, name, err := s.fetch(ctx, in.GetSourceUrl())
	if err != nil {
		return nil, err
	}
	defer func() { _ = body.Close() }()
	source, err := rowfile.Open(body, name, s.config.MaxBytes, false)
	if err != nil {
		return nil, fileError(err)
	}
	defer source.Close()

	writing, cancel := context.WithCancel(ctx)
	defer cancel() // before Close this leaves no blob
	w, err := s.scratch.NewWriter(writing, scratchKey(caller), &gcblob.WriterOptions{ContentType: "text/csv"})
	if err != nil {
		return nil, err
	}
	plan, m, hashes, err := read(io.TeeReader(source, w), shelf.Schema, in)
	if err != nil {
		cancel()
		_ = w.Close()
		return nil, fileError(err)
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	key := newKeyReader(shelf.Schema, m, schema.NewNulls(in.GetFormat().GetNullTokens()))
	if err := s.findDuplicates(ctx, caller, plan, hashes, key, delimiter(in.GetFormat())); err != nil {
		return nil, errors.Join(err, s.scratch.Remove(context.WithoutCancel(ctx), scratchKey(caller)))
	}
	return plan, nil
}

// read scans the whole text: header, chunks, key hashes.
func read(text io.Reader, s *schema.Schema, in *recordsv1.PlanImportRequest) (*plan, mapping, *keyHashes, error) {
	limit := int64(in.GetChunkRows())
	if limit == 0 {
		limit = chunkRows
	}
	rows := rowfile.NewScanner(text, delimiter(in.GetFormat()), 1)
	if !rows.Scan() {
		if rows.Err() != nil {
			return nil, nil, nil, rows.Err()
		}
		return nil, nil, nil, &rowfile.Bad{Reason: "the file is empty"}
	}
	if rows.Fault != "" {
		return nil, nil, nil, &rowfile.Bad{Reason: "the header " + rows.Fault}
	}
	p := &plan{header: headerOf(rows.Fields)}
	m, err := mapHeader(s, p.header)
	if err != nil {
		return nil, nil, nil, err
	}
	key, hashes := newKeyReader(s, m, schema.NewNulls(in.GetFormat().GetNullTokens())), newKeyHashes(hashesAtOnce)
	limit = min(limit, max(1, (chunkDocuments-chunkBytes)/nameBytes(p.header)))
	var c *planned
	for rows.Scan() {
		if c == nil || c.rows == limit || rows.After-c.start > chunkBytes {
			p.chunks = append(p.chunks, planned{start: rows.Offset, firstLine: rows.Line, firstRow: p.rows + 1})
			c = &p.chunks[len(p.chunks)-1]
		}
		c.rows++
		c.length = rows.After - c.start
		p.rows++
		if id, ok := key.id(rows); ok {
			hashes.add(id)
		}
	}
	if rows.Err() != nil {
		return nil, nil, nil, rows.Err()
	}
	if p.rows == 0 {
		return nil, nil, nil, &rowfile.Bad{Reason: "the file has a header but no rows"}
	}
	return p, m, hashes, nil
}

// nameBytes is what the columns' names add to each row's document.
func nameBytes(header []string) (n int64) {
	for _, name := range header {
		n += int64(len(name) + len(`"":,`))
	}
	return n
}

// delimiter of a format, which the door allows one byte.
func delimiter(format *recordsv1.Format) byte {
	if d := format.GetDelimiter(); d != "" {
		return d[0]
	}
	return ','
}

// scratchKey is where the inflated source lies while the import is under way.
func scratchKey(caller auth.Caller) string {
	return caller.Organisation.String() + "/" + caller.Run.String()
}

// fileError turns faults of the file into invalid_argument on "file", the field by which people named it.
func fileError(err error) error {
	var fault *rowfile.Bad
	var long *rowfile.TooLong
	switch {
	case errors.As(err, &fault):
		return rpc.Invalid("file", "%s", fault.Reason)
	case errors.As(err, &long):
		return rpc.Invalid("file", "%s", long)
	case errors.Is(err, io.ErrUnexpectedEOF):
		return rpc.Unavailable("the file store stopped sending; try again")
	}
	return err
}
