package rowfile

import (
	"bytes"
	"io"
)

// CSV reads records of cells. A record means what encoding/csv says it means (a fuzz test compares them).
type CSV struct {
	window
	Row

	comma byte
	quote byte // 0: cells are never quoted

	cells   []byte // of records with quotes
	indexes []int
}

// NewCSV reads records whose first line has the given number. Quote 0 takes quotes for letters.
func NewCSV(r io.Reader, comma, quote byte, firstLine int64) *CSV {
	return &CSV{window: newWindow(r, firstLine), comma: comma, quote: quote, cells: []byte{}}
}

// At implements Scanner.
func (s *CSV) At() *Row { return &s.Row }

// Err implements Scanner.
func (s *CSV) Err() error { return s.err }

// Scan moves to the next record; blank lines are none.
func (s *CSV) Scan() bool {
	for s.err == nil {
		line, ok := s.line(0)
		if !ok {
			return false
		}
		body := trimEnd(line)
		if len(body) == 0 {
			s.nextLine++
			s.skip(len(line))
			continue
		}
		s.Offset, s.Line, s.Fault = s.base+int64(s.start), s.nextLine, ""
		if s.quote == 0 || bytes.IndexByte(body, s.quote) < 0 {
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
func (s *CSV) take(n int, lines int64) {
	s.start += n
	s.nextLine += lines
	s.After = s.base + int64(s.start)
}

// split cuts a line without quotes into views.
func (s *CSV) split(body []byte) {
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
func (s *CSV) quoted() (n int, lines int64, ok bool) {
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
		if len(line) == 0 || line[0] != s.quote {
			cell, more := line, false
			if i := bytes.IndexByte(line, s.comma); i >= 0 {
				cell, line, more = line[:i], line[i+1:], true
			}
			if bytes.IndexByte(cell, s.quote) >= 0 {
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
			i := bytes.IndexByte(line, s.quote)
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
			case line[0] == s.quote:
				s.cells = append(s.cells, s.quote)
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
