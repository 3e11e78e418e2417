package records

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/google/uuid"
	gcblob "gocloud.dev/blob"

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
	// headBytes is what is looked at to find out the format.
	headBytes = 64 << 10
	// maxHeader is how many columns a CSV file may have: more than a dataset, which may take some of them alone.
	maxHeader = 4 * schema.MaxColumns
)

// plan is what the scan found out.
type plan struct {
	source source
	format *recordsv1.Format
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
func (s *Service) scan(ctx context.Context, caller auth.Caller, j *job) (*plan, error) {
	lookups, err := s.readLookups(ctx, j.shelf.Schema, j.in.GetFormat())
	if err != nil {
		return nil, err
	}
	if hasLookups(j.in.GetFormat()) {
		if err := s.keepLookups(ctx, j.scratch, lookups); err != nil {
			return nil, err
		}
	}
	body, source, err := s.open(ctx, caller, j.in)
	if err != nil {
		return nil, err
	}
	defer func() { _ = body.Close() }()
	text, err := rowfile.Open(body, rowfile.Options{
		Name: source.name, Limit: s.config.MaxBytes, Ratio: s.config.MaxRatio, Encoding: j.in.GetFormat().GetEncoding(),
	})
	if err != nil {
		return nil, fileError(err)
	}
	defer text.Close()
	writing, cancel := context.WithCancel(ctx)
	defer cancel() // before Close this leaves no blob
	w, err := s.scratch.NewWriter(writing, j.scratch, &gcblob.WriterOptions{ContentType: "text/plain; charset=utf-8"})
	if err != nil {
		return nil, err
	}
	plan, l, hashes, err := read(text, w, j, lookups)
	if err != nil {
		cancel()
		_ = w.Close()
		return nil, fileError(err)
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	plan.source = source
	plan.format.Encoding = cmp.Or(text.Encoding(), rowfile.UTF8)
	return plan, s.findDuplicates(ctx, j.scratch, plan, hashes, l)
}

// read scans the whole text, which goes to w as it is read: format, header, chunks, key hashes.
func read(text io.Reader, w io.Writer, j *job, lookups []schema.Lookup) (*plan, *layout, *keyHashes, error) {
	head := bufio.NewReaderSize(text, headBytes)
	first, err := head.Peek(headBytes)
	if err != nil && !errors.Is(err, io.EOF) && len(first) == 0 {
		return nil, nil, nil, err
	}
	p := &plan{format: settle(j.in.GetFormat(), first, "")}
	file, err := headerless(p.format)
	if err != nil {
		return nil, nil, nil, err
	}
	all := io.TeeReader(head, w)
	var rows rowfile.Scanner
	if p.format.GetKind() == recordsv1.Format_CSV {
		rows = file.Whole(all)
		if p.header, err = csvHeader(rows, p.format, j.shelf.Schema); err != nil {
			return nil, nil, nil, err
		}
	}
	l, err := newLayout(j.shelf.Schema, p.format, p.header, j.keysOnly(), lookups)
	if err != nil {
		return nil, nil, nil, err
	}
	if rows == nil {
		rows, p.header = l.file.Whole(all), l.header
	}
	begun := p.format.GetNoHeader() // the first row is under the scanner already
	hashes, err := p.cut(rows, l, int64(j.in.GetChunkRows()), begun)
	if err != nil {
		return nil, nil, nil, err
	}
	if p.rows == 0 {
		return nil, nil, nil, noRows(p.format)
	}
	return p, l, hashes, nil
}

func noRows(f *recordsv1.Format) error {
	if f.GetKind() == recordsv1.Format_CSV {
		return &rowfile.Bad{Reason: "the file has a header but no rows"}
	}
	return &rowfile.Bad{Reason: "the file has no records"}
}

// headerless is the file's format before its columns are known.
func headerless(f *recordsv1.Format) (*rowfile.Format, error) {
	file := &rowfile.Format{Comma: ',', Quote: quoteOf(f)}
	if f.GetDelimiter() != "" {
		file.Comma = f.GetDelimiter()[0]
	}
	if file.Quote == file.Comma && f.GetKind() == recordsv1.Format_CSV {
		return nil, rpc.Invalid("format.quote", "is the delimiter too; name another one")
	}
	return file, nil
}

// csvHeader reads the header, or makes one where there is none: then the first row is left under the scanner.
func csvHeader(rows rowfile.Scanner, f *recordsv1.Format, s *schema.Schema) ([]string, error) {
	if !rows.Scan() {
		if rows.Err() != nil {
			return nil, rows.Err()
		}
		return nil, &rowfile.Bad{Reason: "the file is empty"}
	}
	row := rows.At()
	if row.Fault == "" && len(row.Fields) > maxHeader {
		return nil, &rowfile.Bad{Reason: fmt.Sprintf("line %d has %d columns; a file may have at most %d, a dataset %d", row.Line, len(row.Fields), maxHeader, schema.MaxColumns)}
	}
	if !f.GetNoHeader() {
		if row.Fault != "" {
			return nil, &rowfile.Bad{Reason: "the header " + row.Fault}
		}
		return headerOf(row.Fields), nil
	}
	var header []string
	for _, column := range f.GetColumns() {
		header = append(header, column.GetSource())
	}
	if header == nil && s != nil {
		for _, column := range s.Columns {
			header = append(header, column.Name)
		}
	}
	if header != nil && row.Fault == "" && len(row.Fields) != len(header) {
		return nil, fileFault("the first row has %d columns, but %d are known; name the file's columns in the format's columns, in their order", len(row.Fields), len(header))
	}
	return header, nil
}

// cut divides rows into chunks and collects the hashes of their keys.
func (p *plan) cut(rows rowfile.Scanner, l *layout, limit int64, begun bool) (*keyHashes, error) {
	if limit == 0 {
		limit = chunkRows
	}
	limit = min(limit, max(1, (chunkDocuments-chunkBytes)/nameBytes(p.header)))
	hashes := newKeyHashes(hashesAtOnce)
	var c *planned
	for row := rows.At(); begun || rows.Scan(); begun = false {
		if c == nil || c.rows == limit || row.After-c.start > chunkBytes {
			p.chunks = append(p.chunks, planned{start: row.Offset, firstLine: row.Line, firstRow: p.rows + 1})
			c = &p.chunks[len(p.chunks)-1]
		}
		c.rows++
		c.length = row.After - c.start
		p.rows++
		if id, ok := l.id(row); ok {
			hashes.add(id)
		}
	}
	return hashes, rows.Err()
}

// nameBytes is what the columns' names add to each row's document.
func nameBytes(header []string) (n int64) {
	for _, name := range header {
		n += int64(len(name) + len(`"":,`))
	}
	return max(n, 1)
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
		return rpc.Unavailable("the source stopped sending; try again")
	}
	return err
}
