package rowfile

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"slices"
	"unicode/utf16"
	"unicode/utf8"
)

// The encodings that can be named.
const (
	UTF8        = "utf-8"
	UTF16LE     = "utf-16le"
	UTF16BE     = "utf-16be"
	Windows1252 = "windows-1252"
	Latin1      = "iso-8859-1"
)

// decoder turns the bytes of a file into UTF-8. A file that says nothing of its encoding is read as ASCII until its first
// other byte; the bytes around that tell UTF-8 from Windows-1252.
type decoder struct {
	in       *bufio.Reader
	encoding string // "" while undecided
	partial  bool
	raw      []byte
	out      []byte // decoded, not yet read
	odd      []byte // the first byte of a unit, or the first unit of a pair, that was cut
	fault    error  // of the byte behind out
}

const decoderWindow = 64 << 10

// newDecoder looks for a byte order mark. Encoding "" finds it out.
func newDecoder(in *bufio.Reader, encoding string, partial bool) (*decoder, error) {
	d := &decoder{in: in, encoding: encoding, partial: partial}
	head, err := in.Peek(3)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if len(head) == 0 {
		return nil, bad("the file is empty")
	}
	for _, mark := range []struct{ bytes, encoding string }{{"\xef\xbb\xbf", UTF8}, {"\xff\xfe", UTF16LE}, {"\xfe\xff", UTF16BE}} {
		if bytes.HasPrefix(head, []byte(mark.bytes)) && (encoding == "" || encoding == mark.encoding) {
			d.encoding = mark.encoding
			_, err := in.Discard(len(mark.bytes))
			return d, err
		}
	}
	return d, nil
}

func (d *decoder) Read(p []byte) (int, error) {
	switch d.encoding {
	case UTF8:
		return d.in.Read(p)
	case "":
		return d.undecided(p)
	}
	for len(d.out) == 0 {
		if d.fault != nil {
			return 0, d.fault
		}
		if d.raw == nil {
			d.raw = make([]byte, 32<<10)
		}
		n, err := d.in.Read(d.raw)
		if n > 0 {
			d.fault = d.decode(d.raw[:n])
			continue // what was decoded before a fault comes first; an error comes again
		}
		if errors.Is(err, io.EOF) && len(d.odd) > 0 && !d.partial {
			return 0, errCut
		}
		if err != nil {
			return 0, err
		}
	}
	n := copy(p, d.out)
	d.out = d.out[n:]
	return n, nil
}

// Faults of an encoding; the source adds the line.
var (
	errCut       = errors.New("ends within a character")
	errUndefined = errors.New("has a byte that stands for no character")
	errSurrogate = errors.New("has half a character")
)

// undecided passes ASCII on, and decides at the first byte that is none.
func (d *decoder) undecided(p []byte) (int, error) {
	if _, err := d.in.Peek(1); err != nil {
		return 0, err
	}
	have, err := d.in.Peek(min(d.in.Buffered(), len(p)))
	if err != nil {
		return 0, err
	}
	other := bytes.IndexFunc(have, func(r rune) bool { return r >= utf8.RuneSelf })
	if other != 0 {
		if other > 0 {
			have = have[:other]
		}
		n := copy(p, have)
		_, err := d.in.Discard(n)
		return n, err
	}
	window, err := d.in.Peek(decoderWindow)
	if err != nil && len(window) == 0 {
		return 0, err
	}
	d.encoding = guessEncoding(window, len(window) == decoderWindow || d.partial)
	return d.Read(p)
}

// guessEncoding of text with bytes beyond ASCII: UTF-8 if at least as many of them make characters of UTF-8 as not. A
// character that is cut by the window's end says nothing, if there is more behind it.
func guessEncoding(window []byte, more bool) string {
	characters, broken := 0, 0
	for i := 0; i < len(window); {
		if window[i] < utf8.RuneSelf {
			i++
			continue
		}
		r, n := utf8.DecodeRune(window[i:])
		switch {
		case r != utf8.RuneError || n > 1:
			characters++
		case more && !utf8.FullRune(window[i:]):
		default:
			broken++
		}
		i += n
	}
	if broken > characters {
		return Windows1252
	}
	return UTF8
}

func (d *decoder) decode(raw []byte) error {
	d.out = d.out[:0]
	if d.encoding == UTF16LE || d.encoding == UTF16BE {
		return d.decode16(raw)
	}
	for _, b := range raw {
		r := rune(b)
		if b >= 0x80 && b < 0xa0 && d.encoding == Windows1252 {
			if r = windows1252[b-0x80]; r == 0 {
				return errUndefined
			}
		}
		d.out = utf8.AppendRune(d.out, r)
	}
	return nil
}

func (d *decoder) decode16(raw []byte) error {
	if len(d.odd) > 0 {
		raw = slices.Concat(d.odd, raw)
		d.odd = d.odd[:0]
	}
	unit := func(i int) rune {
		if d.encoding == UTF16LE {
			return rune(raw[i]) | rune(raw[i+1])<<8
		}
		return rune(raw[i])<<8 | rune(raw[i+1])
	}
	i := 0
	for ; i+1 < len(raw); i += 2 {
		r := unit(i)
		if utf16.IsSurrogate(r) {
			if i+3 >= len(raw) && r < 0xdc00 {
				break
			}
			if i+3 >= len(raw) {
				return errSurrogate
			}
			if r = utf16.DecodeRune(r, unit(i+2)); r == utf8.RuneError {
				return errSurrogate
			}
			i += 2
		}
		d.out = utf8.AppendRune(d.out, r)
	}
	d.odd = append(d.odd, raw[i:]...)
	return nil
}

// windows1252 has the characters of the bytes 0x80 to 0x9f; 0 is none.
var windows1252 = [32]rune{
	'€', 0, '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', 0, 'Ž', 0,
	0, '‘', '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', 0, 'ž', 'Ÿ',
}
