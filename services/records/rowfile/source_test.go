package rowfile

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

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
	s, err := Open(r, name, 1<<20, partial)
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
		"bytes behind gzip":  {packed + "junk behind the end", "x.csv.gz", "is damaged"},
		"excel":              {"PK\x03\x04...", "x.csv", "Excel workbook"},
		"utf-16":             {"\xff\xfea\x00", "", "is UTF-16"},
		"latin-1":            {"a,b\nGr\xfc\xdfe,1\n", "", "line 2 is not UTF-8"},
		"cut character":      {"a,b\nü,\xc3", "", "line 2 is not UTF-8"},
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
