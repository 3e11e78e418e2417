package records

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"
	"google.golang.org/protobuf/encoding/protojson"

	eventsv1 "github.com/microservicehub/mshub/events/v1"
	"github.com/microservicehub/mshub/internal/auth"
	"github.com/microservicehub/mshub/internal/blob"
	"github.com/microservicehub/mshub/internal/rpc"
	"github.com/microservicehub/mshub/services/records/rowfile"
	"github.com/microservicehub/mshub/services/records/schema"
	"github.com/microservicehub/mshub/services/records/store"
	recordsv1 "github.com/microservicehub/mshub/services/records/v1"
)

// ImportChunk reads a chunk's range of the scratch blob, turns rows into documents or rejects, and writes both with the
// ledger. A chunk that is in the ledger is answered from there, so the call may be repeated as often as needed.
func (s *Service) ImportChunk(ctx context.Context, in *recordsv1.ImportChunkRequest) (*recordsv1.ImportChunkResponse, error) {
	caller, err := importer(ctx)
	if err != nil {
		return nil, err
	}
	row, err := s.imported(ctx, caller)
	if errors.Is(err, pgx.ErrNoRows) || err == nil && in.GetChunk() > row.Chunks {
		return nil, rpc.NotFound("chunk", fmt.Sprintf("%d of run %s", in.GetChunk(), caller.Run))
	}
	if err != nil {
		return nil, err
	}
	counts, done, err := s.documents.ChunkCounts(ctx, caller.Organisation, caller.Run, in.GetChunk())
	if err != nil {
		return nil, err
	}
	if !done {
		if row.State != statePlanned {
			return nil, rpc.Precondition("IMPORT_OVER", "the import is %s; start a new run", row.State)
		}
		shelf, chunk, err := s.chunk(ctx, caller, row, in.GetChunk())
		if err != nil {
			return nil, err
		}
		if counts, err = s.write(ctx, caller, shelf, chunk); err != nil {
			return nil, err
		}
	}
	if err := s.limit(ctx, caller, row); err != nil {
		return nil, err
	}
	return &recordsv1.ImportChunkResponse{
		Read: counts.Read, Inserted: counts.Inserted, Updated: counts.Updated, Unchanged: counts.Unchanged, Rejected: counts.Rejected, Deleted: counts.Deleted,
		Progress: &eventsv1.Progress{Done: counts.Read, Unit: "rows"},
	}, nil
}

// write a chunk while the import is open: an end that comes meanwhile waits for it, and none is written after the end.
func (s *Service) write(ctx context.Context, caller auth.Caller, shelf store.Shelf, chunk store.Chunk) (counts store.Counts, err error) {
	err = s.db.Tx(ctx, caller.Organisation, func(tx pgx.Tx) error {
		state, err := s.queries.HoldImport(ctx, tx, caller.Run)
		if err != nil {
			return err
		}
		if state != statePlanned {
			return rpc.Precondition("IMPORT_OVER", "the import is %s; start a new run", state)
		}
		counts, err = s.documents.WriteChunk(ctx, tx, shelf, chunk)
		return err
	})
	if errors.Is(err, store.ErrBarred) {
		err = rpc.Precondition("IMPORT_OVER", "the import is undone; start a new run")
	}
	return counts, err
}

// limit stops an import with too many rejects.
func (s *Service) limit(ctx context.Context, caller auth.Caller, row store.Import) error {
	if row.MaxRejects == 0 {
		return nil
	}
	sum, _, err := s.documents.ImportCounts(ctx, caller.Organisation, caller.Run)
	if err != nil || sum.Rejected <= row.MaxRejects {
		return err
	}
	first, err := s.documents.Rejects(ctx, caller.Organisation, caller.Run, 0, 1, false)
	if err != nil || len(first) == 0 {
		return err
	}
	fault := first[0].Faults[0]
	where := fmt.Sprintf("line %d", first[0].Line)
	if fault.Column != "" {
		where += fmt.Sprintf(", column %s, %q", fault.Column, fault.Value)
	}
	return rpc.Precondition("TOO_MANY_REJECTS", "%d rows were rejected, and at most %d may be; the first one is %s: %s. Correct the file, or raise maxRejects",
		sum.Rejected, row.MaxRejects, where, fault.Reason)
}

// chunk reads a chunk of an import and converts it. The same chunk gives the same rows, whenever it is read.
func (s *Service) chunk(ctx context.Context, caller auth.Caller, row store.Import, number int32) (shelf store.Shelf, chunk store.Chunk, err error) {
	var part store.ImportChunk
	var dataset store.Dataset
	err = s.db.Tx(ctx, caller.Organisation, func(tx pgx.Tx) error {
		if part, err = s.queries.Chunk(ctx, tx, store.ChunkParams{ImportID: row.ID, Chunk: number}); err != nil {
			return err
		}
		dataset, err = s.queries.DatasetByID(ctx, tx, row.DatasetID)
		return err
	})
	if errors.Is(err, pgx.ErrNoRows) {
		return shelf, chunk, rpc.NotFound("chunk", fmt.Sprintf("%d of run %s", number, row.ID))
	}
	if err != nil {
		return shelf, chunk, err
	}
	if shelf, err = shelfOf(dataset); err != nil {
		return shelf, chunk, err
	}
	shelf.Dataset = row.ShelfID
	l, err := s.layoutOf(ctx, shelf.Schema, row)
	if err != nil {
		return shelf, chunk, err
	}
	text, err := s.scratch.NewRangeReader(ctx, scratchOf(row), part.Start, part.Length, nil)
	if blob.Missing(err) {
		return shelf, chunk, rpc.Precondition("SCRATCH_GONE", "the import's working copy of the file is gone; start a new run")
	}
	if err != nil {
		return shelf, chunk, err
	}
	defer func() { _ = text.Close() }()
	whole := make([]byte, part.Length)
	if _, err := io.ReadFull(text, whole); err != nil {
		return shelf, chunk, fmt.Errorf("records: the scratch blob of import %s is short: %w", row.ID, err)
	}
	chunk, err = convert(whole, l, row, part)
	return shelf, chunk, err
}

// layoutOf an import that is planned.
func (s *Service) layoutOf(ctx context.Context, sc *schema.Schema, row store.Import) (*layout, error) {
	format := &recordsv1.Format{}
	if err := protojson.Unmarshal(row.Format, format); err != nil {
		return nil, err
	}
	lookups, err := s.lookups(ctx, row, format)
	if err != nil {
		return nil, err
	}
	l, err := newLayout(sc, format, row.Header, row.Mode == recordsv1.ImportMode_DELETE.String(), lookups)
	if err != nil {
		return nil, err
	}
	l.replay = row.RejectsOf != nil
	return l, nil
}

var modes = map[string]store.Mode{
	recordsv1.ImportMode_INSERT.String(): store.Insert, recordsv1.ImportMode_UPSERT.String(): store.Upsert,
	// The shelf that a REPLACE fills is empty but for its own rows.
	recordsv1.ImportMode_REPLACE.String(): store.Insert, recordsv1.ImportMode_DELETE.String(): store.Delete,
}

// convert turns a chunk's text into documents and rejects. Every row becomes one of the two.
func convert(text []byte, l *layout, row store.Import, part store.ImportChunk) (store.Chunk, error) {
	c := converter{
		layout: l, firsts: unpackDuplicates(part.Duplicates), keysOnly: row.Mode == recordsv1.ImportMode_DELETE.String(),
		chunk: store.Chunk{
			Import: row.ID, Number: part.Chunk, Mode: modes[row.Mode], Fresh: row.Fresh,
			Rows: make([]store.Row, 0, part.Rows), Data: make([]byte, 0, part.Length*4),
		},
	}
	if row.RejectsOf != nil {
		c.chunk.ReplayOf = *row.RejectsOf
	}
	c.chunk.Cells = func(r store.Row) []byte {
		again := l.part(bytes.NewReader(text[r.Source:]), r.Line)
		if !again.Scan() {
			return []byte("{}")
		}
		return l.texts(again.At())
	}
	rows := l.part(bytes.NewReader(text), part.FirstLine)
	under := rows.At()
	for n := int64(0); rows.Scan(); n++ {
		number := part.FirstRow + n
		if under.Number > 0 {
			number = under.Number
		}
		c.row(under, n, number)
	}
	if rows.Err() != nil {
		return store.Chunk{}, rows.Err()
	}
	if got := int64(len(c.chunk.Rows) + len(c.chunk.Rejects)); got != part.Rows {
		return store.Chunk{}, fmt.Errorf("records: chunk %d of import %s has %d rows, planned were %d", part.Chunk, row.ID, got, part.Rows)
	}
	return c.chunk, nil
}

type converter struct {
	*layout
	keysOnly bool
	firsts   map[int64]int64
	chunk    store.Chunk
	key      [16][]byte
	faults   []fieldFault
}

// fieldFault is a fault of one of the file's columns.
type fieldFault struct {
	field int
	store.Fault
}

// row converts the record under the scanner: row n of the chunk, from 0; the number is that of the file, from 1.
func (c *converter) row(r *rowfile.Row, n, number int64) {
	switch {
	case r.Fault != "":
		c.reject(r, number, store.Fault{Reason: r.Fault})
		return
	case len(r.Fields) != len(c.header):
		c.reject(r, number, store.Fault{Reason: fmt.Sprintf("has %d columns, the header has %d", len(r.Fields), len(c.header))})
		return
	}
	c.faults = c.faults[:0]
	from := len(c.chunk.Data)
	out := append(c.chunk.Data, '{')
	keys := 0
	for i := range c.cells {
		cell := &c.cells[i]
		mark := len(out)
		if mark > from+1 {
			out = append(out, ',')
		}
		out = append(out, cell.name...)
		value := len(out)
		var null bool
		var fault string
		if out, null, fault = cell.append(out, r); fault != "" {
			c.faults = append(c.faults, fieldFault{cell.field, store.Fault{Column: cell.column.Name, Value: cut(r.Fields[cell.field]), Reason: fault}})
			out = out[:mark]
			continue
		}
		if null {
			out = out[:mark]
			continue
		}
		if cell.key {
			for k, index := range c.keys {
				if index == i {
					c.key[k] = out[value:len(out):len(out)]
					keys++
				}
			}
		}
	}
	if len(c.faults) > 0 {
		slices.SortFunc(c.faults, func(a, b fieldFault) int { return cmp.Compare(a.field, b.field) }) // as the file has them
		faults := make([]store.Fault, len(c.faults))
		for i, f := range c.faults {
			faults[i] = f.Fault
		}
		c.reject(r, number, faults...)
		return // Data still ends at from
	}
	out = append(out, '}')
	row := store.Row{Number: number, Line: r.Line, From: int32(from), To: int32(len(out)), Source: int32(r.Offset)}
	if len(c.keys) == 0 {
		row.ID = schema.RowID(c.chunk.Import, number)
	} else {
		row.ID = schema.KeyID(c.key[:keys]...)
		if first, ok := c.firsts[n]; ok {
			c.reject(r, number, store.Fault{Column: c.keyNames(), Value: cut(c.keyText(r)), Reason: fmt.Sprintf("the same key stands in line %d", first)})
			return
		}
	}
	if !c.keysOnly {
		c.chunk.Data = out
	} else {
		row.From, row.To = 0, 0
	}
	c.chunk.Rows = append(c.chunk.Rows, row)
}

// maxRejectValue is how many characters of a cell a fault shows.
const maxRejectValue = 200

func cut(value []byte) string {
	shown := strings.ToValidUTF8(string(value[:min(len(value), maxRejectValue*utf8.UTFMax)]), "")
	if runes := []rune(shown); len(runes) > maxRejectValue {
		shown = string(runes[:maxRejectValue])
	}
	return strings.ReplaceAll(shown, "\x00", "")
}

func (c *converter) reject(r *rowfile.Row, number int64, faults ...store.Fault) {
	c.chunk.Rejects = append(c.chunk.Rejects, store.Reject{Number: number, Line: r.Line, Faults: faults, Cells: c.texts(r)})
}
