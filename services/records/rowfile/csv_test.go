package rowfile

import (
	"bytes"
	"encoding/csv"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
)

type record struct {
	fields []string
	line   int64
}

// ours reads until the first faulty record, which it reports as encoding/csv does: by an error.
func ours(r io.Reader, comma byte) (records []record, faulty bool, err error) {
	s := NewCSV(r, comma, '"', 1)
	for s.Scan() {
		if s.Fault != "" {
			return records, true, nil
		}
		var fields []string
		for _, f := range s.Fields {
			fields = append(fields, string(f))
		}
		records = append(records, record{fields, s.Line})
	}
	return records, false, s.Err()
}

func theirs(text string, comma byte) (records []record, faulty bool) {
	r := csv.NewReader(strings.NewReader(text))
	r.Comma, r.FieldsPerRecord = rune(comma), -1
	for {
		fields, err := r.Read()
		if errors.Is(err, io.EOF) {
			return records, false
		}
		if err != nil {
			return records, true
		}
		line, _ := r.FieldPos(0)
		records = append(records, record{fields, int64(line)})
	}
}

func compare(t *testing.T, text string, comma byte) {
	t.Helper()
	want, wantFault := theirs(text, comma)
	for name, r := range map[string]io.Reader{"whole": strings.NewReader(text), "bytewise": iotest.OneByteReader(strings.NewReader(text))} {
		got, gotFault, err := ours(r, comma)
		if err != nil || gotFault != wantFault || !slices.EqualFunc(got, want, func(a, b record) bool { return a.line == b.line && slices.Equal(a.fields, b.fields) }) {
			t.Fatalf("%s %q:\n got %v, fault %v, %v\nwant %v, fault %v", name, text, got, gotFault, err, want, wantFault)
		}
	}
}

var samples = []string{
	"a,b\n1,2\n", "a,b\r\n1,2\r\n", "a\n\n\nb", "a,b\n\"x\ny\",2\n", "\"x\r\ny\"\r\n", "\"a\"\"b\",c", "a\"b,c\nd", "\"a\"b,c\nd",
	"\"open", "\"open\n", ",,\n,", "\r", "\r\n", "a\r", "\"a\"\r", "x,\"\"\n", "\"\"\"\"", "ä,ö\n\"ü\n\"", "\"a\n\n\nb\",c\nd", "a\rb,c\n",
}

func TestCSVReadsAsEncodingCSV(t *testing.T) {
	t.Parallel()
	for _, text := range samples {
		compare(t, text, ',')
		compare(t, text, ';')
	}
}

func FuzzCSV(f *testing.F) {
	for _, text := range samples {
		f.Add(text, byte(0))
	}
	f.Fuzz(func(t *testing.T, text string, comma byte) {
		compare(t, text, []byte{',', ';', '\t', '|'}[comma%4])
	})
}

// A part that begins at a record's offset and ends behind another gives the same records as the whole.
func TestPartsAddUp(t *testing.T) {
	t.Parallel()
	text := "a,b\n\"1\n\",2\r\n\n3,4\nbad\"quote,x\n5,\"6\"\n7,8"
	var all, parts []string
	type cut struct{ from, to, line int64 }
	var cuts []cut
	s := NewCSV(strings.NewReader(text), ',', '"', 1)
	for s.Scan() {
		all = append(all, s.Fault+string(bytes.Join(s.Fields, []byte("|"))))
		cuts = append(cuts, cut{s.Offset, s.After, s.Line})
	}
	for _, c := range cuts {
		part := NewCSV(strings.NewReader(text[c.from:c.to]), ',', '"', c.line)
		for part.Scan() {
			parts = append(parts, part.Fault+string(bytes.Join(part.Fields, []byte("|"))))
			if part.Line != c.line {
				t.Errorf("line %d, want %d", part.Line, c.line)
			}
		}
	}
	if !slices.Equal(all, parts) || len(all) != 6 {
		t.Errorf("whole %q\nparts %q", all, parts)
	}
}

func TestTooLong(t *testing.T) {
	t.Parallel()
	for _, text := range []string{strings.Repeat("x", MaxRecord*2), "a\n\"" + strings.Repeat("x\n", MaxRecord)} {
		_, _, err := ours(strings.NewReader(text), ',')
		if _, ok := errors.AsType[*TooLong](err); !ok {
			t.Errorf("got %v", err)
		}
	}
}

func TestOtherQuotes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		quote byte
		text  string
		want  string
	}{
		{'\'', "'a,''b''',\"c\"\n'two\nlines',d\n", "a,'b'|\"c\"/two\nlines|d/"},
		{0, "\"a,b\"\n'c',\"\n", "\"a|b\"/'c'|\"/"},
	} {
		var got strings.Builder
		s := NewCSV(strings.NewReader(c.text), ',', c.quote, 1)
		for s.Scan() {
			got.WriteString(s.Fault + string(bytes.Join(s.Fields, []byte("|"))) + "/")
		}
		if got.String() != c.want {
			t.Errorf("quote %q: %q, want %q", c.quote, got.String(), c.want)
		}
	}
}

func BenchmarkCSV(b *testing.B) {
	line := "2013,1,1,517,515,2,830,819,11,UA,1545,N14228,EWR,IAH,227,1400,5,15,2013-01-01T10:00:00Z\n"
	text := strings.Repeat(line, 20000)
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		s := NewCSV(strings.NewReader(text), ',', '"', 1)
		for s.Scan() {
		}
	}
}
