// Package csvfile reads what people call a CSV file, at the speed of a disk.
//
//	csvfile.go   Scanner: records of a byte stream, with line numbers and byte offsets
//	source.go    Open: a plain, gzip or zstd stream -> checked UTF-8 text, whole or a named fault
//
// A record means what encoding/csv says it means (a fuzz test compares them), but cells are views into the read buffer, a
// record with broken quotes is one faulty record and not the end, and the offset of every record is known, so a file can
// be cut at record borders and each part be read alone.
package rowfile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
)

// MaxRecord is the most bytes that one record may have. A longer one is nearly always a quote that is never closed.
const MaxRecord = 1 << 20

// Scanner reads records. Use: for s.Scan() { … }; s.Err().
type Scanner struct {
	r     io.Reader
	comma byte

	buf        []byte
	start, end int   // what is in buf and not yet scanned
	base       int64 // offset of buf[0] in the stream
	nextLine   int64
	eof        bool
	err        error

	// Fields of the record; valid until the next Scan.
	Fields [][]byte
	// Fault is "" or why the record is no record (quotes); Fields are then not to be used.
	Fault string
	// Line is where the record begins, from 1. Offset and After are its first byte and the first byte behind it.
	Line          int64
	Offset, After int64

	cells   []byte // of records with quotes
	indexes []int
}

// NewScanner reads records whose first line has the given number.
func NewScanner(r io.Reader, comma byte, firstLine int64) *Scanner {
	return &Scanner{r: r, comma: comma, buf: make([]byte, 256<<10), nextLine: firstLine}
}

// Err is what ended the scan, or nil at the end of the stream.
func (s *Scanner) Err() error { return s.err }

// TooLong is the error for a record over MaxRecord.
type TooLong struct{ Line int64 }

func (e *TooLong) Error() string {
	return fmt.Sprintf("line %d: the record that begins here is longer than %d bytes; is a quote never closed?", e.Line, MaxRecord)
}

// Scan moves to the next record; blank lines are none.
func (s *Scanner) Scan() bool {
	for s.err == nil {
		line, ok := s.line(0)
		if !ok {
			return false
		}
		body := trimEnd(line)
		if len(body) == 0 {
			s.take(len(line), 1)
			continue
		}
		s.Offset, s.Line, s.Fault = s.base+int64(s.start), s.nextLine, ""
		if bytes.IndexByte(body, '"') < 0 {
			s.split(body)
			s.take(len(line), 1)
			return true
		}
		n, lines, ok := s.quoted()
		if !ok {
			return false
		}
		s.take(n, lines)
		return true
	}
	return false
}

// take moves behind n bytes that held the given number of lines.
func (s *Scanner) take(n int, lines int64) {
	s.start += n
	s.nextLine += lines
	s.After = s.base + int64(s.start)
}

// line returns the line that begins at offset from of the unscanned bytes, end included. At the end of the stream the
// last line may lack its end; there ok is false if nothing is left.
func (s *Scanner) line(from int) (line []byte, ok bool) {
	searched := from
	for {
		window := s.buf[s.start:s.end]
		if i := bytes.IndexByte(window[searched:], '\n'); i >= 0 {
			return window[from : searched+i+1], true
		}
		searched = len(window)
		if s.eof {
			return window[from:], len(window) > from
		}
		if len(window) > MaxRecord {
			s.err = &TooLong{Line: s.nextLine}
			return nil, false
		}
		if !s.fill() {
			return nil, false
		}
	}
}

// fill reads more behind the unscanned bytes, which may move.
func (s *Scanner) fill() bool {
	if s.start > 0 {
		copy(s.buf, s.buf[s.start:s.end])
		s.base += int64(s.start)
		s.end -= s.start
		s.start = 0
	}
	if s.end == len(s.buf) {
		s.buf = append(s.buf, make([]byte, len(s.buf))...)
	}
	n, err := s.r.Read(s.buf[s.end:])
	s.end += n
	switch {
	case errors.Is(err, io.EOF):
		s.eof = true
	case err != nil:
		s.err = err
		return false
	}
	return true
}

// split cuts a line without quotes into views.
func (s *Scanner) split(body []byte) {
	s.Fields = s.Fields[:0]
	comma, from := s.comma, 0
	for i, b := range body {
		if b == comma {
			s.Fields = append(s.Fields, body[from:i:i])
			from = i + 1
		}
	}
	s.Fields = append(s.Fields, body[from:len(body):len(body)])
}

// Faults of a record, as encoding/csv names them.
const (
	bareQuote  = `has a quote inside a cell that does not begin with one`
	badQuote   = `has text after a closing quote, or a quote that is not doubled`
	openQuote  = `has a quote that is never closed`
	lineEnding = "\n"
)

// quoted reads a record with quotes, which may go over several lines. It returns the record's length and lines.
func (s *Scanner) quoted() (n int, lines int64, ok bool) {
	s.cells, s.indexes, s.Fields = s.cells[:0], s.indexes[:0], s.Fields[:0]
	next := func() ([]byte, bool) {
		line, ok := s.line(n)
		if ok {
			n += len(line)
			lines++
		}
		return line, ok
	}
	raw, ok := next()
	if !ok {
		return 0, 0, false
	}
	line, hasEnd := trimEnd(raw), ends(raw)
	for {
		if len(line) == 0 || line[0] != '"' {
			cell, more := line, false
			if i := bytes.IndexByte(line, s.comma); i >= 0 {
				cell, line, more = line[:i], line[i+1:], true
			}
			if bytes.IndexByte(cell, '"') >= 0 {
				s.Fault = bareQuote
				return n, lines, true
			}
			s.cells = append(s.cells, cell...)
			s.indexes = append(s.indexes, len(s.cells))
			if !more {
				break
			}
			continue
		}
		line = line[1:]
		more, closed := false, false
		for !closed {
			i := bytes.IndexByte(line, '"')
			if i < 0 {
				s.cells = append(s.cells, line...)
				if hasEnd {
					s.cells = append(s.cells, lineEnding...)
				}
				if raw, ok = next(); !ok {
					if s.err != nil {
						return 0, 0, false
					}
					s.Fault = openQuote
					return n, lines, true
				}
				line, hasEnd = trimEnd(raw), ends(raw)
				continue
			}
			s.cells = append(s.cells, line[:i]...)
			line = line[i+1:]
			switch {
			case len(line) == 0:
				closed = true
			case line[0] == '"':
				s.cells = append(s.cells, '"')
				line = line[1:]
			case line[0] == s.comma:
				line, more, closed = line[1:], true, true
			default:
				s.Fault = badQuote
				return n, lines, true
			}
		}
		s.indexes = append(s.indexes, len(s.cells))
		if !more {
			break
		}
	}
	from := 0
	for _, to := range s.indexes {
		s.Fields = append(s.Fields, s.cells[from:to:to])
		from = to
	}
	return n, lines, true
}

func ends(line []byte) bool { return len(line) > 0 && line[len(line)-1] == '\n' }

// trimEnd cuts \n, \r\n, and a last \r at the end of the stream.
func trimEnd(line []byte) []byte {
	if ends(line) {
		line = line[:len(line)-1]
	}
	if len(line) > 0 && line[len(line)-1] == '\r' {
		line = line[:len(line)-1]
	}
	return line
}
