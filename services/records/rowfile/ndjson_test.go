package rowfile

import (
	"bytes"
	"encoding/json"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf8"
)

// FuzzNDJSON holds the reader of lines to encoding/json: every line that is not blank is a record, read exactly if
// encoding/json reads it as an object, from the line's first byte to its last; and however the bytes arrive.
func FuzzNDJSON(f *testing.F) {
	for _, seed := range []string{
		"", "\n", "{}", "{\"a\":1}\n{\"a\":2}\n", "{\"a\":1}\r\n\r\n {\"b\":[1,2]} \n", "{\"a\":\"x\\ny\"}\n[1]\n\"x\"\n5\nnull\n{}", "{\"a\":1}{\"a\":2}\n", "{\n}\n",
		"{\"a\":\"\\u00e4\"}\n{\"a\":", "\t\n{}\t\n\v\n", "{\"a\":1},\n{\"a\":2}", "\r{}\r{}", "{}\u2028{}",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if !utf8.ValidString(text) {
			return
		}
		format := Format{Kind: NDJSONFile, IgnoreUnknown: true}
		rows := func(r io.Reader) (all []Row, err error) {
			s := format.Whole(r)
			for row := s.At(); s.Scan(); {
				all = append(all, Row{Fault: row.Fault, Offset: row.Offset, After: row.After, Line: row.Line})
			}
			return all, s.Err()
		}
		got, err := rows(strings.NewReader(text))
		if err != nil {
			t.Fatalf("%q: %v", text, err) // lines have no end that could be missing
		}
		again, err := rows(iotest.OneByteReader(strings.NewReader(text)))
		if err != nil || !slices.EqualFunc(got, again, func(a, b Row) bool {
			return a.Fault == b.Fault && a.Offset == b.Offset && a.After == b.After && a.Line == b.Line
		}) {
			t.Fatalf("%q: %+v, byte by byte %+v, %v", text, got, again, err)
		}
		n := 0
		for number, line := range bytes.Split([]byte(text), []byte("\n")) {
			object := bytes.Trim(line, " \t\r")
			if len(object) == 0 {
				continue
			}
			if n == len(got) {
				t.Fatalf("%q: line %d is missing", text, number+1)
			}
			row := got[n]
			n++
			if row.Line != int64(number)+1 || !bytes.Contains([]byte(text[row.Offset:row.After]), object) {
				t.Fatalf("%q: record %d is %q of line %d, want %q of line %d", text, n, text[row.Offset:row.After], row.Line, object, number+1)
			}
			var members map[string]json.RawMessage
			isObject := json.Unmarshal(object, &members) == nil && members != nil
			if read := row.Fault == ""; read != isObject && !strings.Contains(row.Fault, "too deeply") {
				t.Fatalf("%q: line %d is read: %v (%s), by encoding/json: %v", text, number+1, read, row.Fault, isObject)
			}
		}
		if n != len(got) {
			t.Fatalf("%q: %d records, want %d", text, len(got), n)
		}
	})
}
