package rowfile

import (
	"bytes"
	"io"
)

// JSON reads objects: one a line (NDJSON), or the elements of one array. A record that is no JSON object is one faulty
// record; where an array's own brackets and commas are wrong, the file is.
type JSON struct {
	window
	Row

	array, part bool
	format      *Format
	index       map[string]int // member -> field; -1: ignored
	state       arrayState
	seen        []uint64 // by field: the record in which it was set last
	records     uint64
	guess       int
	object      objectReader
}

type arrayState byte

const (
	beforeArray arrayState = iota
	beforeFirst            // behind [
	behindValue
	behindComma
	behindArray
)

func newJSON(r io.Reader, f *Format, firstLine int64, part bool) *JSON {
	s := &JSON{window: newWindow(r, firstLine), format: f, array: f.Kind == JSONFile, part: part, index: make(map[string]int, len(f.Columns)+len(f.Ignored))}
	for _, name := range f.Ignored {
		s.index[name] = -1
	}
	for i, name := range f.Columns {
		s.index[name] = i
	}
	s.Fields, s.Types, s.seen = make([][]byte, len(f.Columns)), make([]Type, len(f.Columns)), make([]uint64, len(f.Columns))
	return s
}

// At implements Scanner.
func (s *JSON) At() *Row { return &s.Row }

// Err implements Scanner.
func (s *JSON) Err() error { return s.err }

// Scan implements Scanner.
func (s *JSON) Scan() bool {
	if s.array {
		return s.scanElement()
	}
	for s.err == nil {
		line, ok := s.line(0)
		if !ok {
			return false
		}
		s.Offset, s.Line = s.base+int64(s.start), s.nextLine
		body := bytes.Trim(line, " \t\r\n")
		s.nextLine++
		if len(body) == 0 {
			s.skip(len(line))
			continue
		}
		s.start += len(line)
		s.After = s.base + int64(s.start)
		s.read(body)
		return true
	}
	return false
}

func (s *JSON) scanElement() bool {
	for s.err == nil {
		b, ok := s.next()
		switch {
		case s.err != nil:
			return false
		case !ok:
			s.ended()
			return false
		case s.part && b == ',':
			s.start++
		case s.part:
			return s.element()
		case s.state == beforeArray && b == '[':
			s.state = beforeFirst
			s.start++
		case s.state == beforeArray:
			s.err = bad("line %d: a JSON file must be an array of objects, but it begins with %q", s.nextLine, string(rune(b)))
		case s.state == behindArray:
			s.err = bad("line %d: something follows the end of the array; one file holds one array", s.nextLine)
		case b == ']' && s.state != behindComma:
			s.state = behindArray
			s.start++
		case b == ',' && s.state == behindValue:
			s.state = behindComma
			s.start++
		case b == ']' || b == ',':
			s.err = bad("line %d: %q where an object should be", s.nextLine, string(rune(b)))
		case s.state == behindValue:
			s.err = bad("line %d: a comma is missing between two objects", s.nextLine)
		default:
			s.state = behindValue
			return s.element()
		}
	}
	return false
}

// ended is the end of the stream between two elements.
func (s *JSON) ended() {
	switch {
	case s.part || s.state == behindArray:
	case s.state == beforeArray:
		s.err = bad("the file is empty")
	default:
		s.err = bad("line %d: the file ends within the array; its ] is missing, so the file is cut off", s.nextLine)
	}
}

// next skips white space and peeks at the byte behind it.
func (s *JSON) next() (byte, bool) {
	for s.err == nil {
		for i, b := range s.buf[s.start:s.end] {
			switch b {
			case '\n':
				s.nextLine++
			case ' ', '\t', '\r':
			default:
				s.skip(i)
				return b, true
			}
		}
		s.skip(s.end - s.start)
		if s.eof || !s.fill() {
			return 0, false
		}
	}
	return 0, false
}

// element reads the value that begins here.
func (s *JSON) element() bool {
	n, ok := s.extent()
	if !ok {
		return false
	}
	value := s.buf[s.start : s.start+n]
	s.Offset, s.Line = s.base+int64(s.start), s.nextLine
	s.nextLine += int64(bytes.Count(value, []byte{'\n'}))
	s.start += n
	s.After = s.base + int64(s.start)
	s.read(value)
	return true
}

// extent is the length of the value that begins here, by brackets and strings alone.
func (s *JSON) extent() (n int, ok bool) {
	depth, quoted, escaped, scalar := 0, false, false, false
	for i := 0; ; {
		for ; s.start+i < s.end; i++ {
			b := s.buf[s.start+i]
			switch {
			case escaped:
				escaped = false
			case quoted:
				switch b {
				case '\\':
					escaped = true
				case '"':
					quoted = false
					if depth == 0 {
						return i + 1, true
					}
				}
			case b == '"':
				if scalar {
					return i, true
				}
				quoted = true
			case b == '{' || b == '[':
				if scalar {
					return i, true
				}
				depth++
			case b == '}' || b == ']':
				if depth--; depth < 0 {
					if i == 0 { // a bracket that closes nothing is a faulty record of its own
						i = 1
					}
					return i, true
				}
				if depth == 0 {
					return i + 1, true
				}
			case depth == 0 && (b == ',' || b == ' ' || b == '\t' || b == '\r' || b == '\n'):
				return i, true
			case depth == 0:
				scalar = true
			}
		}
		if i > MaxRecord {
			s.err = &TooLong{Line: s.nextLine}
			return 0, false
		}
		if s.eof {
			if scalar && depth == 0 && s.part {
				return i, true
			}
			s.err = bad("line %d: the record that begins here has no end; is the file cut off, or a quote or bracket never closed?", s.nextLine)
			return 0, false
		}
		if !s.fill() {
			return 0, false
		}
	}
}

// read makes the fields of an object.
func (s *JSON) read(value []byte) {
	clear(s.Fields)
	clear(s.Types)
	s.Fault, s.guess = "", 0
	s.records++
	s.object.read(value, s.member)
	if s.Fault == "" {
		s.Fault = s.object.fault
	}
}

// member takes a member of the object.
func (s *JSON) member(name, value []byte, kind Type, null bool) {
	field, known := s.guess, true
	if field >= len(s.format.Columns) || string(name) != s.format.Columns[field] {
		field, known = s.index[string(name)]
	}
	switch {
	case !known && s.format.IgnoreUnknown:
		if s.format.Unknown != nil {
			s.format.Unknown(name)
		}
	case !known && s.Fault == "":
		s.Fault = "has the member " + shown(name) + ", which the dataset lacks; leave it out, or name it in the format's columns to rename or skip it"
	case !known || field < 0:
	case s.seen[field] == s.records:
		if s.Fault == "" {
			s.Fault = "has the member " + shown(name) + " twice"
		}
	default:
		s.seen[field], s.guess = s.records, field+1
		if !null {
			s.Fields[field], s.Types[field] = value, kind
		}
	}
}
