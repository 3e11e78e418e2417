package rowfile

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf16"

	"github.com/klauspost/compress/zstd"
)

func pack(t *testing.T, text string) string {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := io.WriteString(w, text); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func read(r io.Reader, name string, partial bool) (string, error) {
	s, err := Open(r, Options{Name: name, Limit: 1 << 20, Partial: partial})
	if err != nil {
		return "", err
	}
	defer s.Close()
	text, err := io.ReadAll(s)
	return string(text), err
}

func TestOpen(t *testing.T) {
	t.Parallel()
	text := strings.Repeat("größe,日本語,😀\n", 1000)
	packed := pack(t, text)
	encoder, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, in := range map[string]string{
		"plain": text, "bom": "\ufeff" + text, "gzip": packed, "gzip with bom": pack(t, "\ufeff"+text),
		"two gzip members": pack(t, text[:len(text)/2]) + pack(t, text[len(text)/2:]), "zstd": string(encoder.EncodeAll([]byte(text), nil)),
	} {
		for how, r := range map[string]io.Reader{"whole": strings.NewReader(in), "bytewise": iotest.OneByteReader(strings.NewReader(in))} {
			if got, err := read(r, "", false); err != nil || got != text {
				t.Errorf("%s, %s: %d bytes, %v", name, how, len(got), err)
			}
		}
	}
	if got, err := read(strings.NewReader(packed[:len(packed)/2]), "x.csv.gz", true); err != nil || !strings.HasPrefix(text, got) {
		t.Errorf("a sample cut from gzip: %d bytes, %v", len(got), err)
	}
	if got, err := read(strings.NewReader("a,ü"[:3]), "", true); err != nil || got != "a,\xc3" {
		t.Errorf("a sample cut within a character: %q, %v", got, err)
	}
}

// Whatever a file was saved as, its text is the same; what was found out is told.
func TestEncodings(t *testing.T) {
	t.Parallel()
	text := strings.Repeat("größe,Ÿ\n", 50_000)
	plain := strings.Repeat("a,b\n", 50_000) // the first letter beyond ASCII comes after the first buffer
	encode := func(text string, f func(r rune) []byte) string {
		var b strings.Builder
		for _, r := range text {
			b.Write(f(r))
		}
		return b.String()
	}
	le := func(r rune) []byte {
		if r >= 0x10000 {
			a, b := utf16.EncodeRune(r)
			return []byte{byte(a), byte(a >> 8), byte(b), byte(b >> 8)}
		}
		return []byte{byte(r), byte(r >> 8)}
	}
	be := func(r rune) []byte {
		b := le(r)
		for i := 0; i < len(b); i += 2 {
			b[i], b[i+1] = b[i+1], b[i]
		}
		return b
	}
	one := func(r rune) []byte {
		if r == 'Ÿ' {
			return []byte{0x9f}
		}
		return []byte{byte(r)}
	}
	for name, c := range map[string]struct{ in, encoding, want, found string }{
		"utf-8":              {text, "", text, UTF8},
		"utf-8, late":        {plain + text, "", plain + text, UTF8},
		"ascii":              {plain, "", plain, ""},
		"windows":            {encode(text, one), "", text, Windows1252},
		"windows, late":      {plain + encode(text, one), "", plain + text, Windows1252},
		"windows, told":      {encode(text, one), Windows1252, text, Windows1252},
		"latin-1, told":      {encode("größe\u009f", func(r rune) []byte { return []byte{byte(r)} }), Latin1, "größe\u009f", Latin1},
		"utf-16le":           {"\xff\xfe" + encode(text+"😀", le), "", text + "😀", UTF16LE},
		"utf-16be":           {"\xfe\xff" + encode(text+"😀", be), "", text + "😀", UTF16BE},
		"utf-16le, told":     {encode("a😀", le), UTF16LE, "a😀", UTF16LE},
		"utf-8 mark, latin":  {"\xef\xbb\xbfx", Latin1, "ï»¿x", Latin1},
		"gzip of utf-16":     {pack(t, "\xff\xfe"+encode(text, le)), "", text, UTF16LE},
		"zeros behind gzip":  {pack(t, plain) + strings.Repeat("\x00", 1000), "", plain, ""},
		"one letter":         {"ä", "", "ä", UTF8},
		"one windows letter": {"\xe4", "", "ä", Windows1252},
	} {
		for how, r := range map[string]io.Reader{"whole": strings.NewReader(c.in), "bytewise": iotest.OneByteReader(strings.NewReader(c.in))} {
			s, err := Open(r, Options{Limit: 1 << 30, Encoding: c.encoding})
			if err != nil {
				t.Errorf("%s, %s: %v", name, how, err)
				continue
			}
			got, err := io.ReadAll(s)
			if err != nil || string(got) != c.want || s.Encoding() != c.found {
				t.Errorf("%s, %s: %.40q (%d), %s, %v", name, how, got, len(got), s.Encoding(), err)
			}
			s.Close()
		}
	}
}

func TestBadFiles(t *testing.T) {
	t.Parallel()
	packed := pack(t, strings.Repeat("a,b\n", 1000)+"the end")
	damaged := []byte(packed)
	damaged[len(damaged)-6] ^= 0xff
	for name, c := range map[string]struct{ in, file, want string }{
		"empty":              {"", "", "is empty"},
		"only a bom in gzip": {pack(t, ""), "", "is empty"},
		"not gzip":           {"a,b\n", "x.csv.gz", `is called "x.csv.gz", but is not compressed`},
		"cut gzip":           {packed[:len(packed)-20], "x.csv.gz", "is cut off"},
		"cut gzip header":    {packed[:5], "x.csv.gz", "damaged or cut off"},
		"damaged gzip":       {string(damaged), "x.csv.gz", "is damaged"},
		"bytes behind gzip":  {packed + "junk behind the end", "x.csv.gz", "something that is not gzip follows the end"},
		"a byte behind gzip": {packed + "x", "x.csv.gz", "something that is not gzip follows the end"},
		"excel":              {"PK\x03\x04...", "x.csv", "Excel workbook"},
		"utf-16, no mark":    {"a\x00,\x00", "", "line 1 has a zero byte"},
		"utf-16, cut":        {"\xff\xfea\x00\n\x00b", "", "line 2 ends within a character of utf-16le"},
		"utf-16, half":       {"\xfe\xff\x00\n\xd8\x00\x00a", "", "line 2 has half a character of utf-16be"},
		"no character":       {"a,b\n\xe4\n\x81\n", "", "line 3 has a byte that stands for no character of windows-1252"},
		"mixed":              {"ä,ö,ü\n" + strings.Repeat("x\n", 100_000) + "\xe4\n", "", "line 100002 is not UTF-8; name the format's encoding"},
		"cut character":      {"a,b\nü,ü\xc3", "", "line 2 is not UTF-8"},
		"zero byte":          {"a,b\n\x00", "", "line 2 has a zero byte"},
		"too long":           {strings.Repeat("abc\n", 1<<19), "", "more than 1048576 bytes"},
	} {
		for how, r := range map[string]io.Reader{"whole": strings.NewReader(c.in), "bytewise": iotest.OneByteReader(strings.NewReader(c.in))} {
			_, err := read(r, c.file, false)
			var fault *Bad
			if !errors.As(err, &fault) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s, %s: %v, want %q", name, how, err, c.want)
			}
		}
	}
}
