package records

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"

	eventsv1 "github.com/microservicehub/mshub/events/v1"
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
	counts, done, err := s.documents.ChunkCounts(ctx, caller.Organisation, caller.Run, in.GetChunk())
	if err != nil {
		return nil, err
	}
	if done {
		return chunkResponse(counts), nil
	}
	var row store.Import
	var part store.ImportChunk
	var dataset store.Dataset
	err = s.db.Tx(ctx, caller.Organisation, func(tx pgx.Tx) error {
		if row, err = s.queries.ImportByID(ctx, tx, caller.Run); err != nil {
			return err
		}
		if part, err = s.queries.Chunk(ctx, tx, store.ChunkParams{ImportID: caller.Run, Chunk: in.GetChunk()}); err != nil {
			return err
		}
		dataset, err = s.queries.DatasetByID(ctx, tx, row.DatasetID)
		return err
	})
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return nil, rpc.NotFound("chunk", fmt.Sprintf("%d of run %s", in.GetChunk(), caller.Run))
	case err != nil:
		return nil, err
	case row.State != statePlanned:
		return nil, rpc.Precondition("IMPORT_OVER", "the import is %s; start a new run", row.State)
	}
	shelf, err := shelfOf(dataset)
	if err != nil {
		return nil, err
	}
	m, err := mapHeader(shelf.Schema, row.Header)
	if err != nil {
		return nil, err
	}
	text, err := s.scratch.NewRangeReader(ctx, scratchKey(caller), part.Start, part.Length, nil)
	if blob.Missing(err) {
		return nil, rpc.Precondition("SCRATCH_GONE", "the import's working copy of the file is gone; start a new run")
	}
	if err != nil {
		return nil, err
	}
	defer func() { _ = text.Close() }()
	chunk, err := convert(text, shelf.Schema, m, row, part)
	if err != nil {
		return nil, err
	}
	if counts, err = s.documents.WriteChunk(ctx, shelf, chunk); err != nil {
		return nil, err
	}
	return chunkResponse(counts), nil
}

func chunkResponse(c store.Counts) *recordsv1.ImportChunkResponse {
	return &recordsv1.ImportChunkResponse{
		Read: c.Read, Inserted: c.Inserted, Updated: c.Updated, Unchanged: c.Unchanged, Rejected: c.Rejected,
		Progress: &eventsv1.Progress{Done: c.Read, Unit: "rows"},
	}
}

// convert turns a chunk's text into documents and rejects. Every row becomes one of the two.
func convert(text io.Reader, s *schema.Schema, m mapping, row store.Import, part store.ImportChunk) (store.Chunk, error) {
	c := converter{
		schema: s, mapping: m, header: row.Header, nulls: schema.NewNulls(row.NullTokens),
		firsts: unpackDuplicates(part.Duplicates),
		chunk: store.Chunk{
			Import: row.ID, Number: part.Chunk, InsertOnly: row.Mode == recordsv1.ImportMode_INSERT.String(), Fresh: row.Fresh,
			Rows: make([]store.Row, 0, part.Rows), Data: make([]byte, 0, part.Length*4),
		},
	}
	c.prepare()
	rows := rowfile.NewScanner(text, row.Delimiter[0], part.FirstLine)
	for n := int64(0); rows.Scan(); n++ {
		c.row(rows, n, part.FirstRow+n)
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
	schema  *schema.Schema
	mapping mapping
	header  []string
	nulls   schema.Nulls
	firsts  map[int64]int64
	chunk   store.Chunk

	cells []cell // in the order of a document's keys
	key   [][]byte
}

// cell says how a column of the file becomes a member of the document.
type cell struct {
	field  int
	column *schema.Column
	name   []byte // `"name":`
	key    int    // place in the key, or -1
}

func (c *converter) prepare() {
	fieldOf := make(map[int]int, len(c.mapping))
	for field, column := range c.mapping {
		fieldOf[column] = field
	}
	for _, column := range c.schema.Stored() {
		field, ok := fieldOf[column]
		if !ok {
			continue // an optional column that the file lacks
		}
		key := -1
		for i, k := range c.schema.KeyColumns {
			if k == column {
				key = i
			}
		}
		c.cells = append(c.cells, cell{field, &c.schema.Columns[column], c.schema.AppendName(nil, column), key})
	}
	c.key = make([][]byte, len(c.schema.KeyColumns))
}

// row converts the record under the scanner: row n of the chunk, from 0, and of the file, from 1.
func (c *converter) row(r *rowfile.Scanner, n, ofFile int64) {
	if r.Fault != "" {
		c.reject(r.Line, "", nil, r.Fault)
		return
	}
	if len(r.Fields) != len(c.header) {
		c.reject(r.Line, "", nil, fmt.Sprintf("has %d columns, the header has %d", len(r.Fields), len(c.header)))
		return
	}
	from := len(c.chunk.Data)
	out := append(c.chunk.Data, '{')
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
		if out, null, fault = cell.column.AppendCell(out, r.Fields[cell.field], c.nulls); fault != "" {
			c.reject(r.Line, cell.column.Name, r.Fields[cell.field], fault)
			return // Data still ends at from
		}
		if null {
			out = out[:mark]
			continue
		}
		if cell.key >= 0 {
			c.key[cell.key] = out[value:len(out):len(out)]
		}
	}
	out = append(out, '}')
	row := store.Row{Line: r.Line, From: int32(from), To: int32(len(out))}
	if len(c.key) == 0 {
		row.ID = schema.RowID(c.chunk.Import, ofFile)
	} else {
		row.ID = schema.KeyID(c.key...)
		if first, ok := c.firsts[n]; ok {
			c.reject(r.Line, strings.Join(c.keyNames(), ", "), c.keyValue(r), fmt.Sprintf("the same key stands in line %d", first))
			return
		}
	}
	c.chunk.Data = out
	c.chunk.Rows = append(c.chunk.Rows, row)
}

func (c *converter) keyNames() []string {
	names := make([]string, len(c.schema.KeyColumns))
	for i, k := range c.schema.KeyColumns {
		names[i] = c.schema.Columns[k].Name
	}
	return names
}

// keyValue is the key as the file writes it.
func (c *converter) keyValue(r *rowfile.Scanner) []byte {
	var parts []string
	for _, field := range c.mapping.keyFields(c.schema) {
		parts = append(parts, string(r.Fields[field]))
	}
	return []byte(strings.Join(parts, ", "))
}

// maxRejectValue is how many characters of a cell a reject shows.
const maxRejectValue = 200

func (c *converter) reject(line int64, column string, value []byte, reason string) {
	shown := strings.ToValidUTF8(string(value[:min(len(value), maxRejectValue*utf8.UTFMax)]), "")
	if runes := []rune(shown); len(runes) > maxRejectValue {
		shown = string(runes[:maxRejectValue])
	}
	c.chunk.Rejects = append(c.chunk.Rejects, store.Reject{Line: line, Column: column, Value: strings.ReplaceAll(shown, "\x00", ""), Reason: reason})
}
