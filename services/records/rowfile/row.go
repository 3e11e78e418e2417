package rowfile

import "io"

// Row is the record under a Scanner, valid until the next Scan.
type Row struct {
	// Fields of the record: views into the scanner's buffers. nil is JSON's null, or a member that is not there.
	Fields [][]byte
	// Types of the fields of a JSON object; nil for CSV, whose cells are all text.
	Types []Type
	// Fault is "" or why the record is no record; Fields are then not to be used.
	Fault string
	// Line is where the record begins, from 1. Offset and After are its first byte and the first byte behind it.
	Line          int64
	Offset, After int64
	// Number of the record, where the file itself says it; otherwise 0.
	Number int64
}

// Type of a JSON value.
type Type byte

// The types of values. Text is unescaped; numbers and the others are as the file writes them.
const (
	Text Type = iota
	Number
	Boolean
	// Nested is an object or an array, which no column takes.
	Nested
)

// Scanner reads records: for s.Scan() { s.At() … }; s.Err(). CSV and JSON implement it.
type Scanner interface {
	Scan() bool
	// At is the record that Scan found; always the same pointer.
	At() *Row
	// Err is what ended the scan, or nil at the end of the stream.
	Err() error
}

// Kind of a file.
type Kind byte

// The kinds.
const (
	CSVFile Kind = iota
	NDJSONFile
	JSONFile
)

// Format is how records stand in a file.
type Format struct {
	Kind Kind
	// Comma and Quote of CSV; Quote 0: cells are never quoted.
	Comma, Quote byte
	// Columns of JSON: which member is which field.
	Columns []string
	// Ignored members of JSON, and whether all unknown ones are; otherwise an unknown member is a fault of its record.
	Ignored       []string
	IgnoreUnknown bool
	// Unknown, if set, is told of each unknown member of JSON that is ignored.
	Unknown func(name []byte)
}

// Whole reads a file from its first byte. A header is a record like any other.
func (f *Format) Whole(r io.Reader) Scanner {
	if f.Kind == CSVFile {
		return NewCSV(r, f.Comma, f.Quote, 1)
	}
	return newJSON(r, f, 1, false)
}

// Part reads a part that begins at some record's Offset, in the given line, and ends behind some record.
func (f *Format) Part(r io.Reader, firstLine int64) Scanner {
	if f.Kind == CSVFile {
		return NewCSV(r, f.Comma, f.Quote, firstLine)
	}
	return newJSON(r, f, firstLine, true)
}
