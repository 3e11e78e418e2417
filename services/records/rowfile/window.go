package rowfile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
)

// MaxRecord is the most bytes that one record may have. A longer one is nearly always a quote that is never closed.
const MaxRecord = 1 << 20

// maxBlank is how many bytes of blank lines, or of white space between objects, a file may have beyond as many as its records
// have. Packed, emptiness costs its sender nothing; here it would be read and kept.
const maxBlank = 16 << 20

// TooLong is the error for a record over MaxRecord.
type TooLong struct{ Line int64 }

func (e *TooLong) Error() string {
	return fmt.Sprintf("line %d: the record that begins here is longer than %d bytes; is a quote never closed?", e.Line, MaxRecord)
}

// window is the part of a stream that a scanner looks at: at most one record more than its buffer.
type window struct {
	r          io.Reader
	buf        []byte
	start, end int   // what is in buf and not yet scanned
	base       int64 // offset of buf[0] in the stream
	blank      int64 // bytes that were skipped
	nextLine   int64
	eof        bool
	err        error
}

func newWindow(r io.Reader, firstLine int64) window {
	return window{r: r, buf: make([]byte, 256<<10), nextLine: firstLine}
}

// line returns the line that begins at offset from of the unscanned bytes, end included. At the end of the stream the
// last line may lack its end; there ok is false if nothing is left.
func (s *window) line(from int) (line []byte, ok bool) {
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

// skip moves over n bytes that belong to no record.
func (s *window) skip(n int) {
	s.start += n
	s.blank += int64(n)
	if records := s.base + int64(s.start) - s.blank; s.blank > records+maxBlank {
		s.err = bad("line %d: up to here more of the file is blank than not; leave the blank lines out", s.nextLine)
	}
}

// fill reads more behind the unscanned bytes, which may move.
func (s *window) fill() bool {
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
