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

// Source is a stream of text behind whatever it was packed in and however it was encoded.
type Source struct {
	r       io.Reader
	decoder *decoder
	inflate string // "gzip", "zstd" or ""
	closer  func()
	limit   int64
	read    int64
	packed  *counter
	ratio   int64
	err     error

	line    int64
	pending []byte // the first bytes of a character that was cut by a read
	partial bool
}

// freeText is how much text a file may have however well it is packed.
const freeText = 100 << 20

// counter knows how much was read of a stream.
type counter struct {
	r io.Reader
	n int64
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}

// Options of Open.
type Options struct {
	// Name of the file, if known, lets "x.csv.gz" that is not gzip be told.
	Name string
	// Limit of the text's bytes.
	Limit int64
	// Ratio of text to packed bytes that a file may have where its text has more than freeText bytes; 0: any.
	Ratio int64
	// Partial streams may end anywhere, in the middle of a gzip block or of a character too.
	Partial bool
	// Encoding; "" finds it out.
	Encoding string
}

// Open looks at the first bytes and returns the text: inflated, in UTF-8 without byte order mark, checked while it is
// read. Close the source.
func Open(r io.Reader, o Options) (*Source, error) {
	packed := &counter{r: r}
	in := bufio.NewReaderSize(packed, 256<<10)
	head, err := in.Peek(4)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	s := &Source{limit: o.Limit, packed: packed, ratio: o.Ratio, line: 1, partial: o.Partial, closer: func() {}}
	raw := io.Reader(in)
	lower := strings.ToLower(o.Name)
	switch {
	case len(head) == 0:
		return nil, bad("the file is empty")
	case bytes.HasPrefix(head, gzipMagic):
		z, err := gzip.NewReader(in)
		if err != nil {
			return nil, bad("the file begins like gzip, but is damaged or cut off")
		}
		z.Multistream(false)
		raw, s.inflate, s.closer = &members{in, z}, "gzip", func() { _ = z.Close() }
	case bytes.HasPrefix(head, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		z, err := zstd.NewReader(in, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(64<<20))
		if err != nil {
			return nil, bad("the file begins like zstd, but is damaged or cut off")
		}
		raw, s.inflate, s.closer = z, "zstd", z.Close
	case strings.HasSuffix(lower, ".gz"), strings.HasSuffix(lower, ".zst"):
		return nil, bad("the file is called %q, but is not compressed like that; upload the file itself, or compress it again", o.Name)
	case bytes.HasPrefix(head, []byte("PK")):
		return nil, bad("the file is a zip archive or an Excel workbook; export it as CSV")
	}
	s.decoder, err = newDecoder(bufio.NewReaderSize(raw, decoderWindow), o.Encoding, o.Partial)
	if err != nil {
		s.Close()
		if err = s.name(err); errors.Is(err, io.EOF) {
			err = bad("the file is empty")
		}
		return nil, err
	}
	s.r = s.decoder
	if _, err := s.decoder.in.Peek(1); errors.Is(err, io.EOF) {
		s.Close()
		return nil, bad("the file is empty")
	}
	return s, nil
}

// Encoding of the file: what was asked for, or what was found out so far; "" while all is ASCII.
func (s *Source) Encoding() string { return s.decoder.encoding }

var gzipMagic = []byte{0x1f, 0x8b}

// members reads a gzip file of one or more members. Zeros behind the last one, by which tapes are filled, are let pass.
type members struct {
	in *bufio.Reader
	z  *gzip.Reader
}

func (m *members) Read(p []byte) (int, error) {
	n, err := m.z.Read(p)
	if !errors.Is(err, io.EOF) {
		return n, err
	}
	head, err := m.in.Peek(2)
	switch {
	case len(head) == 0 && errors.Is(err, io.EOF):
		return n, io.EOF
	case err != nil && !errors.Is(err, io.EOF):
		return n, err
	case bytes.Equal(head, gzipMagic):
		if err := m.z.Reset(m.in); err != nil {
			return n, err
		}
		m.z.Multistream(false)
		return n, nil
	}
	for {
		b, err := m.in.ReadByte()
		if err != nil {
			return n, err
		}
		if b != 0 {
			return n, bad("something that is not gzip follows the end of the gzip file; was something added to it? compress the text again")
		}
	}
}

// Close frees the inflater; the stream below stays the caller's.
func (s *Source) Close() { s.closer() }

// Read implements io.Reader. An error comes again, however often it is asked.
func (s *Source) Read(p []byte) (n int, err error) {
	if s.err == nil {
		n, s.err = s.next(p)
	}
	return n, s.err
}

func (s *Source) next(p []byte) (int, error) {
	n, err := s.r.Read(p)
	if s.read += int64(n); s.read > s.limit {
		return 0, bad("the file has more than %d bytes of text; split it", s.limit)
	}
	if s.inflate != "" && s.ratio > 0 && s.read > freeText && s.read/s.ratio > s.packed.n {
		return 0, bad("the %s file inflates to more than %d times its size; upload the text itself, or pack it in parts of less than %d bytes", s.inflate, s.ratio, freeText)
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
	case errors.Is(err, errCut), errors.Is(err, errUndefined), errors.Is(err, errSurrogate):
		return bad("line %d %s of %s; name the format's encoding, or save the file as UTF-8", s.line, err, s.decoder.encoding)
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
		return bad("line %d has a zero byte; this is no text; for UTF-16 without a byte order mark name the format's encoding", s.line+int64(bytes.Count(whole[:i], []byte{'\n'})))
	}
	s.line += int64(bytes.Count(whole, []byte{'\n'}))
	s.pending = append(s.pending[:0], p[len(whole):]...)
	return nil
}

func (s *Source) notUTF8(line int64) error {
	return bad("line %d is not UTF-8; name the format's encoding, or save the file as UTF-8", line)
}
