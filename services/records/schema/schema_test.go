package schema

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"google.golang.org/protobuf/types/known/structpb"
)

func parse(t testing.TB, text string, key ...string) *Schema {
	t.Helper()
	in := &structpb.Struct{}
	if err := in.UnmarshalJSON([]byte(text)); err != nil {
		t.Fatal(err)
	}
	s, err := Parse(in, key)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

const everyKind = `{"type":"object","properties":{
	"s":{"type":"string"},"i":{"type":"integer"},"n":{"type":"number"},"b":{"type":"boolean"},"d":{"type":"string","format":"date"},
	"t":{"type":"string","format":"date-time"},"e":{"type":"string","format":"email"},"u":{"type":"string","format":"uuid"},
	"l":{"type":"string","format":"uri"},"longer, \"odd\" name":{"type":"string"}}}`

// A cell becomes one canonical value, whatever way it is written; null and faults are told apart.
func TestCells(t *testing.T) {
	t.Parallel()
	s := parse(t, everyKind)
	for _, c := range []struct {
		column, cell, want string // want "" is null, "!" a fault
	}{
		{"s", "x", `"x"`}, {"s", "", ""}, {"s", "NA", `"NA"`}, {"s", " x ", `" x "`}, {"s", "a\"\\\n\t\x01", `"a\"\\\n\t\u0001"`}, {"s", "\x00", "!"},
		{"i", "7", "7"}, {"i", "-7", "-7"}, {"i", "+7", "7"}, {"i", "007", "7"}, {"i", " 7 ", "7"}, {"i", "-0", "0"}, {"i", "", ""}, {"i", "NA", ""}, {"i", "N/A", ""}, {"i", "NULL", ""}, {"i", "null", ""},
		{"i", "na", "!"}, {"i", "7.0", "!"}, {"i", "1e3", "!"}, {"i", "-", "!"}, {"i", " ", "!"}, {"i", "9007199254740991", "9007199254740991"}, {"i", "9007199254740992", "!"}, {"i", "99999999999999999999", "!"},
		{"n", "1.50", "1.5"}, {"n", "1e3", "1000"}, {"n", "-.5", "-0.5"}, {"n", "5.", "5"}, {"n", "-0", "0"}, {"n", "1e400", "!"}, {"n", "NaN", "!"}, {"n", "Inf", "!"}, {"n", "0x1p4", "!"}, {"n", "1,5", "!"}, {"n", "1_000", "!"}, {"n", "0.1", "0.1"},
		{"b", "true", "true"}, {"b", "F", "false"}, {"b", "1", "true"}, {"b", "yes", "!"}, {"b", "NA", ""},
		{"d", "2013-01-31", `"2013-01-31"`}, {"d", "2013-02-30", "!"}, {"d", "31.01.2013", "!"}, {"d", "N/A", ""},
		{"t", "2013-01-01T10:00:00Z", `"2013-01-01T10:00:00Z"`}, {"t", "2013-01-31T23:59:59Z", `"2013-01-31T23:59:59Z"`}, {"t", "2013-01-01T12:00:00.500+02:00", `"2013-01-01T10:00:00.5Z"`},
		{"t", "2013-01-01T10:00:00.1234567Z", `"2013-01-01T10:00:00.123456Z"`}, {"t", "2013-01-01 10:00:00", "!"}, {"t", "2013-13-01T10:00:00Z", "!"}, {"t", "2013-02-29T10:00:00Z", "!"}, {"t", "0000-12-31T23:00:00Z", "!"},
		{"e", "a@b.c", `"a@b.c"`}, {"e", "A <a@b.c>", "!"}, {"e", "a", "!"}, {"e", "", ""}, {"e", "NA", "!"},
		{"u", "01890A5D-AC96-774B-BCCE-B302099A8057", `"01890a5d-ac96-774b-bcce-b302099a8057"`}, {"u", "x", "!"},
		{"l", "https://a.b/c?d", `"https://a.b/c?d"`}, {"l", "a/b", "!"},
	} {
		column := &s.Columns[s.Index(c.column)]
		out, null, fault := column.AppendCell(nil, []byte(c.cell), Nulls{})
		got := string(out)
		if fault != "" {
			got = "!"
		}
		if got != c.want || null != (c.want == "") {
			t.Errorf("%s %q: got %s (null %v, %s), want %s", c.column, c.cell, got, null, fault, c.want)
		}
	}
	for cell, want := range map[string]string{"9007199254740992": beyond, "-99999999999999999999": beyond, "+-7": "is not a whole number", "7x": "is not a whole number"} {
		if _, _, fault := s.Columns[s.Index("i")].AppendCell(nil, []byte(cell), Nulls{}); fault != want {
			t.Errorf("%s %s, want %s", cell, fault, want)
		}
	}
	tokens := NewNulls([]string{"-", ""})
	for cell, null := range map[string]bool{"-": true, "": true, "NA": false} {
		if _, got, _ := s.Columns[s.Index("s")].AppendCell(nil, []byte(cell), tokens); got != null {
			t.Errorf("with tokens %q: null %v", cell, got)
		}
	}
}

// The short cut for times agrees with the standard library.
func FuzzCanonicalTime(f *testing.F) {
	f.Add("2013-01-01T10:00:00Z")
	f.Add("2013-00-01T24:60:60Z")
	f.Fuzz(func(t *testing.T, text string) {
		if !canonicalTime([]byte(text)) {
			return
		}
		parsed, err := time.Parse(time.RFC3339Nano, text)
		if err != nil || string(appendTime(nil, parsed)) != `"`+text+`"` {
			t.Fatalf("%q is taken for canonical, but is %v, %v", text, parsed, err)
		}
	})
}

// A document is JSON, its members come back as they went in, and the key's id depends on the key alone.
func FuzzDocument(f *testing.F) {
	f.Add("text", int64(1), 1.5, true, true)
	f.Add("\"\\\n", int64(math.MaxInt32), -1e-9, false, false)
	s := parse(f, everyKind, "s")
	f.Fuzz(func(t *testing.T, text string, integer int64, number float64, flag, some bool) {
		values := make([][]byte, len(s.Columns))
		put := func(column, cell string) bool {
			i := s.Index(column)
			out, null, fault := s.Columns[i].AppendCell(nil, []byte(cell), Nulls{tokens: [][]byte{}})
			if fault == "" && !null {
				values[i] = out
			}
			return fault == ""
		}
		if !json.Valid([]byte(strconv.Quote(text))) || !validText(text) || !put("s", text) {
			return
		}
		put("i", fmt.Sprint(integer))
		put("n", strconv.FormatFloat(number, 'g', -1, 64))
		put("b", fmt.Sprint(flag))
		if some {
			put(`longer, "odd" name`, text)
		}
		document := s.Document(values)
		var decoded map[string]any
		if err := json.Unmarshal(document, &decoded); err != nil {
			t.Fatalf("%s: %v", document, err)
		}
		if decoded["s"] != text {
			t.Fatalf("%q came back as %q", text, decoded["s"])
		}
		again := make([][]byte, len(s.Columns))
		if !s.Walk(document, func(column int, raw []byte) { again[column] = slices.Clone(raw) }) {
			t.Fatalf("%s is not canonical", document)
		}
		if diff := cmp.Diff(values, again); diff != "" {
			t.Fatal(diff)
		}
		values[s.Index("i")] = nil
		if s.KeyID(values) != s.KeyID(again) {
			t.Fatal("the id depends on more than the key")
		}
	})
}

func TestIDs(t *testing.T) {
	t.Parallel()
	seen := map[uuid.UUID]string{}
	for _, key := range [][]string{{`"a"`, `"b"`}, {`"ab"`, `""`}, {`"a"`}, {`"b"`, `"a"`}, {`1`, `1`}, {`11`, ``}, {strings.Repeat("x", 1000)}} {
		var values [][]byte
		for _, k := range key {
			values = append(values, []byte(k))
		}
		id := KeyID(values...)
		if other, ok := seen[id]; ok {
			t.Errorf("%v and %s have the same id", key, other)
		}
		seen[id] = fmt.Sprint(key)
		if id.Version() != 8 || id.Variant() != uuid.RFC4122 || id != KeyID(values...) {
			t.Errorf("%v: %s", key, id)
		}
	}
	imported := uuid.New()
	first, again := RowID(imported, 1), RowID(imported, 1)
	if first == RowID(imported, 2) || first != again {
		t.Error("a row's id is the row's")
	}
}

func TestColumnsKeepTheirOrder(t *testing.T) {
	t.Parallel()
	s := parse(t, `{"type":"object","properties":{"a":{"type":"string","x-order":3},"b":{"type":"string","x-order":1},"c":{"type":"string","x-order":2}}}`)
	var names []string
	for _, c := range s.Columns {
		names = append(names, c.Name)
	}
	if diff := cmp.Diff([]string{"b", "c", "a"}, names); diff != "" {
		t.Error(diff)
	}
}
