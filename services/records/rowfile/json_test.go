package rowfile

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf8"
)

var columnNames = []string{"a", "b", "ü \"x"}

// texts joins what a scanner finds: fields by |, null as ~, faults in brackets, with the line.
func texts(s Scanner) (all []string, err error) {
	for row := s.At(); s.Scan(); {
		if row.Fault != "" {
			all = append(all, fmt.Sprintf("%d [%s]", row.Line, row.Fault))
			continue
		}
		var fields []string
		for i, f := range row.Fields {
			text := string(f)
			if f == nil {
				text = "~"
			}
			if row.Types != nil {
				text += []string{"", "#", "?", "…"}[row.Types[i]]
			}
			fields = append(fields, text)
		}
		all = append(all, fmt.Sprintf("%d %s", row.Line, strings.Join(fields, "|")))
	}
	return all, s.Err()
}

func TestJSON(t *testing.T) {
	t.Parallel()
	const noObject = "[is no JSON object; each record must be one]"
	cases := [][2]string{
		{`{"a":"x","b":1.5e3,"\u00fc \"x":true}`, "x|1.5e3#|true?"},
		{`{ "b" : null , "a":"\n\ud83d\ude00\/" }`, "\n😀/|~|~"},
		{`{}`, "~|~|~"},
		{`{"a":[1,{"b":2}],"b":{}}`, `[1,{"b":2}]…|{}…|~`},
		{`[1]`, noObject}, {`5`, noObject}, {`"x"`, noObject},
		{`{"a":1,"a":2}`, `[has the member "a" twice]`},
		{`{"c":1}`, `[has the member "c", which the dataset lacks; leave it out, or name it in the format's columns to rename or skip it]`},
		{`{"a":01}`, "[is not JSON: byte 7 of the record is '1', where a comma or } should be]"},
		{`{"a":1,}`, "[is not JSON: byte 8 of the record is '}', where a member's name in quotes should be]"},
		{`{"a" 1}`, "[is not JSON: byte 6 of the record is '1', where a colon should be]"},
		{`{"a":tru}`, "[is not JSON: byte 6 of the record is 't', where a value should be]"},
		{`{"a":"\x"}`, `[is not JSON: byte 7 of the record is '\\', where an escape such as \n or \u00e4 should be]`},
		{`{"skip":1,"a":false}`, "false?|~|~"},
	}
	var objects, want []string
	for i, c := range cases {
		objects, want = append(objects, c[0]), append(want, fmt.Sprintf("%d %s", i+2, c[1]))
	}
	for _, kind := range []Kind{NDJSONFile, JSONFile} {
		text := "\n" + strings.Join(objects, "\n")
		if kind == JSONFile {
			text = "[\n" + strings.Join(objects, ",\n") + "\n]\n"
		}
		f := Format{Kind: kind, Columns: columnNames, Ignored: []string{"skip"}}
		for how, r := range map[string]io.Reader{"whole": strings.NewReader(text), "bytewise": iotest.OneByteReader(strings.NewReader(text))} {
			if got, err := texts(f.Whole(r)); err != nil || !slices.Equal(got, want) {
				t.Errorf("%d, %s: %v\n got %q\nwant %q", kind, how, err, got, want)
			}
		}
	}
}

// Where an array's own brackets and commas are wrong, the file is, and the message says where.
func TestBadArrays(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"": "is empty", " \n": "is empty", "{}": "line 1: a JSON file must be an array", "[{}": "within the array", "[{},": "within the array", "[\n{}\n{}]": "line 3: a comma is missing",
		"[{},]": "where an object should be", "[,{}]": "where an object should be", "[{}]\n{}": "line 2: something follows", "[{}] ]": "something follows", "[\n{\"a\":\"x}]": "line 2: the record that begins here has no end",
		"[\n[1,2}": "within the array", "[5": "has no end", "[{}}]": "comma is missing",
	} {
		f := Format{Kind: JSONFile, Columns: columnNames}
		_, err := texts(f.Whole(strings.NewReader(text)))
		var fault *Bad
		if !errors.As(err, &fault) || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
	f := Format{Kind: JSONFile, Columns: columnNames}
	_, err := texts(f.Whole(strings.NewReader("[{\"a\":\"" + strings.Repeat("x", 2*MaxRecord))))
	if _, ok := errors.AsType[*TooLong](err); !ok {
		t.Errorf("an endless record: %v", err)
	}
	if got, err := texts((&Format{Kind: JSONFile}).Whole(strings.NewReader("[ ]"))); err != nil || len(got) != 0 {
		t.Errorf("an empty array: %v, %v", got, err)
	}
}

// An object is read exactly if encoding/json reads it, and means the same.
func FuzzObject(f *testing.F) {
	for _, seed := range []string{
		`{}`, `{"a":1}`, `{"a":"x\u00e4\ud83d\ude00\ud83d"}`, `{"a":null,"b":[1,2,{"c":"]"}]}`, `{"a":-0.5e+10}`, `{"a":01}`, `{"a":1.}`, `{"a":"\u12"}`,
		`{"a":tru}`, "{\"a\":\"\t\"}", `{"a":"x"} `, `{"a":1}x`, `[]`, `"x"`, `{"a":{"b":{}}}`, `{"":0}`, `{"a":"\+123"}`, `{"a":"\u+123"}`, ` { "a" : [ ] , "b" : { } } `,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if !utf8.ValidString(text) || strings.Contains(text, "\n") {
			return
		}
		type member struct {
			value string
			kind  Type
			null  bool
		}
		var o objectReader
		got := map[string]member{}
		o.read([]byte(text), func(name, value []byte, kind Type, null bool) {
			got[string(name)] = member{string(value), kind, null}
		})
		var want map[string]json.RawMessage
		err := json.Unmarshal([]byte(text), &want)
		isObject := err == nil && want != nil
		if strings.Contains(o.fault, "nested too deeply") {
			return
		}
		if (o.fault == "") != isObject || isObject && len(got) != len(want) {
			t.Fatalf("%q: %v %q, but encoding/json has %v, %v", text, got, o.fault, want, err)
		}
		if !isObject {
			return
		}
		for name, raw := range want {
			raw = bytes.TrimSpace(raw)
			var value any
			if err := json.Unmarshal(raw, &value); err != nil {
				t.Fatal(err)
			}
			expected := member{value: string(raw), kind: Nested}
			switch value := value.(type) {
			case string:
				expected = member{value: value, kind: Text}
			case nil:
				expected = member{value: "null", kind: Number, null: true}
			case bool:
				expected = member{value: strconv.FormatBool(value), kind: Boolean}
			case float64:
				expected.kind = Number
			}
			if got[name] != expected {
				t.Fatalf("%q: %q is %+v, want %+v", text, name, got[name], expected)
			}
		}
	})
}

// An array that encoding/json reads is read to the same elements; one that it refuses is refused, or has a faulty record.
func FuzzArray(f *testing.F) {
	for _, seed := range []string{`[]`, `[{}]`, `[{"a":1},{"b":"]"}]`, "[\n1 ,\"x\",[2]]", `[{}`, `[{}{}]`, `[}]`, `[{]}]`, `[1,]`, `[[[]]]`, `[""]x`, `[{"a":"\"}"}]`, `["x"5]`, `[5"x"]`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if !utf8.ValidString(text) {
			return
		}
		format := Format{Kind: JSONFile, IgnoreUnknown: true}
		s := format.Whole(strings.NewReader(text))
		var elements []string
		faulty := false
		for row := s.At(); s.Scan(); {
			elements = append(elements, text[row.Offset:row.After])
			faulty = faulty || strings.Contains(row.Fault, "is not JSON") || strings.Contains(row.Fault, "too deeply")
		}
		var want []json.RawMessage
		err := json.Unmarshal([]byte(text), &want)
		if err != nil || want == nil {
			if s.Err() == nil && !faulty {
				t.Fatalf("%q was read, but encoding/json says %v", text, err)
			}
			return
		}
		if faulty && strings.Count(text, "[") > maxDepth {
			return
		}
		if s.Err() != nil || faulty || len(elements) != len(want) {
			t.Fatalf("%q: %q, %v, want %q", text, elements, s.Err(), want)
		}
		for i := range want {
			if elements[i] != string(bytes.TrimSpace(want[i])) {
				t.Fatalf("%q: element %d is %q, want %q", text, i, elements[i], want[i])
			}
		}
	})
}
