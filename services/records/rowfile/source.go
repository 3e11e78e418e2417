package rowfile

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// Bad is a fault of the file itself: the sentence is for the person who uploaded it.
type Bad struct{ Reason string }

func (b *Bad) Error() string { return b.Reason }

func bad(format string, args ...any) error { return &Bad{fmt.Sprintf(format, args...)} }

// Source is a stream of text behind whatever it was packed in.
type Source struct {
	r       io.Reader
	inflate string // "gzip", "zstd" or ""
	closer  func()
	limit   int64
	read    int64

	line    int64
	pending []byte // the first bytes of a character that was cut by a read
	// Partial allows the stream to end anywhere: a sample.
	partial bool
}

// Open looks at the first bytes and returns the text: inflated, without byte order mark, checked while it is read to be
// UTF-8 and at most limit bytes. The name, if known, lets "x.csv.gz" that is not gzip be told. Close the source.
//
// A partial stream may end anywhere, in the middle of a gzip block or of a character too.
func Open(r io.Reader, name string, limit int64, partial bool) (*Source, error) {
	in := bufio.NewReaderSize(r, 256<<10)
	head, err := in.Peek(4)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	s := &Source{r: in, limit: limit, line: 1, partial: partial, closer: func() {}}
	lower := strings.ToLower(name)
	switch {
	case len(head) == 0:
		return nil, bad("the file is empty")
	case bytes.HasPrefix(head, []byte{0x1f, 0x8b}):
		z, err := gzip.NewReader(in)
		if err != nil {
			return nil, bad("the file begins like gzip, but is damaged or cut off")
		}
		s.r, s.inflate, s.closer = z, "gzip", func() { _ = z.Close() }
	case bytes.HasPrefix(head, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		z, err := zstd.NewReader(in, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(64<<20))
		if err != nil {
			return nil, bad("the file begins like zstd, but is damaged or cut off")
		}
		s.r, s.inflate, s.closer = z, "zstd", z.Close
	case strings.HasSuffix(lower, ".gz"), strings.HasSuffix(lower, ".zst"):
		return nil, bad("the file is called %q, but is not compressed like that; upload the CSV itself, or compress it again", name)
	case bytes.HasPrefix(head, []byte("PK")):
		return nil, bad("the file is a zip archive or an Excel workbook; export it as CSV")
	}
	text := bufio.NewReaderSize(s.r, 64<<10)
	start, err := text.Peek(3)
	if err != nil && !errors.Is(err, io.EOF) {
		err = s.name(err)
		if !errors.Is(err, io.EOF) {
			s.Close()
			return nil, err
		}
	}
	switch {
	case len(start) == 0:
		s.Close()
		return nil, bad("the file is empty")
	case bytes.Equal(start, []byte{0xef, 0xbb, 0xbf}):
		_, _ = text.Discard(3)
	case bytes.HasPrefix(start, []byte{0xff, 0xfe}), bytes.HasPrefix(start, []byte{0xfe, 0xff}):
		s.Close()
		return nil, bad("the file is UTF-16; save it as UTF-8")
	}
	s.r = text
	return s, nil
}

// Close frees the inflater; the stream below stays the caller's.
func (s *Source) Close() { s.closer() }

// Read implements io.Reader.
func (s *Source) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	if s.read += int64(n); s.read > s.limit {
		return 0, bad("the file has more than %d bytes of text; split it", s.limit)
	}
	if fault := s.check(p[:n]); fault != nil {
		return 0, fault
	}
	if err == nil {
		return n, nil
	}
	err = s.name(err)
	if errors.Is(err, io.EOF) && len(s.pending) > 0 && !s.partial {
		return 0, s.notUTF8(s.line)
	}
	return n, err
}

// name turns an inflater's error into words.
func (s *Source) name(err error) error {
	switch {
	case errors.Is(err, io.EOF):
		return io.EOF
	case s.inflate == "":
		return err
	case errors.Is(err, io.ErrUnexpectedEOF) && s.partial:
		return io.EOF
	case errors.Is(err, io.ErrUnexpectedEOF):
		return bad("the %s file is cut off; upload it again", s.inflate)
	case errors.Is(err, gzip.ErrChecksum), errors.Is(err, gzip.ErrHeader), strings.Contains(err.Error(), "corrupt"), errors.Is(err, zstd.ErrCRCMismatch), errors.Is(err, zstd.ErrMagicMismatch):
		return bad("the %s file is damaged; upload it again", s.inflate)
	}
	return err
}

// check follows the text across reads: UTF-8 without zero bytes.
func (s *Source) check(p []byte) error {
	if len(s.pending) > 0 {
		take := 0
		for take < len(p) && !utf8.FullRune(s.pending) {
			s.pending = append(s.pending, p[take])
			take++
		}
		if !utf8.FullRune(s.pending) {
			return nil
		}
		if r, _ := utf8.DecodeRune(s.pending); r == utf8.RuneError && !bytes.Equal(s.pending, []byte("\uFFFD")) {
			return s.notUTF8(s.line)
		}
		s.pending, p = s.pending[:0], p[take:]
	}
	whole := p
	for back := 1; back <= min(utf8.UTFMax-1, len(p)); back++ {
		if b := p[len(p)-back]; utf8.RuneStart(b) {
			if !utf8.FullRune(p[len(p)-back:]) {
				whole = p[:len(p)-back]
			}
			break
		}
	}
	if !utf8.Valid(whole) {
		good := 0
		for good < len(whole) {
			r, size := utf8.DecodeRune(whole[good:])
			if r == utf8.RuneError && size == 1 {
				break
			}
			good += size
		}
		return s.notUTF8(s.line + int64(bytes.Count(whole[:good], []byte{'\n'})))
	}
	if i := bytes.IndexByte(whole, 0); i >= 0 {
		return bad("line %d has a zero byte; this is no CSV file", s.line+int64(bytes.Count(whole[:i], []byte{'\n'})))
	}
	s.line += int64(bytes.Count(whole, []byte{'\n'}))
	s.pending = append(s.pending[:0], p[len(whole):]...)
	return nil
}

func (s *Source) notUTF8(line int64) error {
	return bad("line %d is not UTF-8; save the file as UTF-8 and upload it again", line)
}
