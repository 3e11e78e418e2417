// Package rowsink writes records as files: the reverse of package rowfile.
//
//	sink.go      Format; Sink: documents of one part -> bytes
//	document.go  the members of a document, as the stores give it
//	csv.go       a line of cells
//	ndjson.go    a line of JSON
//	parquet.go   columns, from lines of JSON
//	packing.go   gzip and zstd, in members that can stand one behind the other
//
// Parts of CSV and NDJSON are pieces of the file: written one behind the other, header first, they are it, packed or not.
// Parts of Parquet are lines of JSON, because its columns can only be written by one hand; see Parquet.
package rowsink

import (
	"io"

	"github.com/microservicehub/mshub/services/records/schema"
)

// Kind of a file.
type Kind int

// The kinds.
const (
	CSV Kind = iota + 1
	NDJSON
	Parquet
)

// Packing of a file; of Parquet's pages.
type Packing int

// The packings.
const (
	Plain Packing = iota + 1
	Gzip
	Zstd
)

// Format is what a file looks like.
type Format struct {
	Kind    Kind
	Packing Packing
	// Columns in the file's order.
	Columns []schema.Column
	// NullToken is what null is in a CSV file.
	NullToken string
}

// Extension is how names of such files end: ".csv.gz".
func (f Format) Extension() string {
	switch f.Kind {
	case Parquet:
		return ".parquet"
	case NDJSON:
		return ".ndjson" + f.Packing.extension()
	}
	return ".csv" + f.Packing.extension()
}

// ContentType of such files.
func (f Format) ContentType() string {
	switch {
	case f.Kind == Parquet:
		return "application/vnd.apache.parquet"
	case f.Packing == Gzip:
		return "application/gzip"
	case f.Packing == Zstd:
		return "application/zstd"
	case f.Kind == NDJSON:
		return "application/x-ndjson"
	}
	return "text/csv"
}

// Sink writes one part. Use: Add for each document, then Close.
type Sink struct {
	format  Format
	members members
	out     io.WriteCloser
	line    []byte
	values  [][]byte

	// Rows that were added.
	Rows int64
	// Ambiguous cells of a CSV file do not read back as they were: texts that equal the null token, and line breaks of two
	// characters, which readers make one.
	Ambiguous int64
}

// NewSink writes to out, which stays open.
func NewSink(out io.Writer, f Format) (*Sink, error) {
	packing := f.Packing
	if f.Kind == Parquet {
		packing = Zstd
	}
	packed, err := packing.pack(out)
	return &Sink{format: f, members: newMembers(f.Columns), out: packed, values: make([][]byte, len(f.Columns))}, err
}

// Header writes the first line of a CSV file; of other files nothing.
func (s *Sink) Header() error {
	if s.format.Kind != CSV {
		return nil
	}
	s.line = s.line[:0]
	for i, c := range s.format.Columns {
		if i > 0 {
			s.line = append(s.line, ',')
		}
		s.line = appendCell(s.line, c.Name, len(s.format.Columns) == 1)
	}
	s.line = append(s.line, '\n')
	_, err := s.out.Write(s.line)
	return err
}

// Add writes a document, which is a flat JSON object.
func (s *Sink) Add(document []byte) error {
	if err := s.members.read(document, s.values); err != nil {
		return err
	}
	var err error
	if s.format.Kind == CSV {
		s.line, err = s.csvLine(s.line[:0])
	} else {
		s.line = s.jsonLine(s.line[:0])
	}
	if err != nil {
		return err
	}
	s.Rows++
	_, err = s.out.Write(s.line)
	return err
}

// Close ends the part.
func (s *Sink) Close() error { return s.out.Close() }
