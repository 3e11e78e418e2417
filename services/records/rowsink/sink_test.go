package rowsink_test

import (
	"bytes"
	"compress/gzip"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"
	"github.com/parquet-go/parquet-go"
	"pgregory.net/rapid"

	"github.com/microservicehub/mshub/services/records/rowsink"
	"github.com/microservicehub/mshub/services/records/schema"
)

var columns = []schema.Column{
	{Name: "zulu", Kind: schema.String, Required: true}, {Name: "count", Kind: schema.Integer}, {Name: `say "hi", then`, Kind: schema.Number},
	{Name: "alpha", Kind: schema.Boolean}, {Name: "day", Kind: schema.Date}, {Name: "at", Kind: schema.DateTime}, {Name: "id", Kind: schema.UUID},
}

// documents as the two stores give them: with white space and without, in any order of members.
var documents = []string{
	`{"at": "2013-01-31T10:00:00.000001Z", "id": "0190a5c0-0000-7000-8000-000000000001", "day": "1969-12-31", "zulu": "a,b \"c\"\nd é 🚀", "alpha": true, "count": -9007199254740991, "say \"hi\", then": 1.5e-7}`,
	`{"zulu":"","count":0}`,
	`{"other":"not asked for","zulu":"}{,:\\","alpha":false}`,
}

// write makes a file of two parts.
func write(t testing.TB, f rowsink.Format) []byte {
	t.Helper()
	var parts [2]bytes.Buffer
	var ambiguous int64
	for i, chosen := range [][]string{documents[:1], documents[1:]} {
		sink, err := rowsink.NewSink(&parts[i], f)
		if err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			if err := sink.Header(); err != nil {
				t.Fatal(err)
			}
		}
		for _, d := range chosen {
			if err := sink.Add([]byte(d)); err != nil {
				t.Fatal(err)
			}
		}
		if err := sink.Close(); err != nil || sink.Rows != int64(len(chosen)) {
			t.Fatal(sink.Rows, err)
		}
		ambiguous += sink.Ambiguous
	}
	if want := map[bool]int64{true: 1}[f.Kind == rowsink.CSV && f.NullToken == ""]; ambiguous != want {
		t.Errorf("%d ambiguous cells, want %d", ambiguous, want)
	}
	if f.Kind != rowsink.Parquet {
		return slicesConcat(parts[0].Bytes(), parts[1].Bytes())
	}
	var file bytes.Buffer
	p := rowsink.NewParquetFile(&file, f)
	for i := range parts {
		if err := p.Part(&parts[i]); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	return file.Bytes()
}

func slicesConcat(a, b []byte) []byte { return append(bytes.Clone(a), b...) }

func unpack(t testing.TB, f rowsink.Format, file []byte) string {
	t.Helper()
	var r io.Reader = bytes.NewReader(file)
	var err error
	switch f.Packing {
	case rowsink.Gzip:
		r, err = gzip.NewReader(r)
	case rowsink.Zstd:
		r, err = zstd.NewReader(r)
	}
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestText(t *testing.T) {
	t.Parallel()
	want := map[rowsink.Kind]string{
		rowsink.CSV: `zulu,count,"say ""hi"", then",alpha,day,at,id` + "\n" +
			`"a,b ""c""` + "\n" + `d é 🚀",-9007199254740991,1.5e-7,true,1969-12-31,2013-01-31T10:00:00.000001Z,0190a5c0-0000-7000-8000-000000000001` + "\n" +
			",0,,,,,\n" + `"}{,:\",,,false,,,` + "\n",
		rowsink.NDJSON: `{"zulu":"a,b \"c\"\nd é 🚀","count":-9007199254740991,"say \"hi\", then":1.5e-7,"alpha":true,"day":"1969-12-31","at":"2013-01-31T10:00:00.000001Z","id":"0190a5c0-0000-7000-8000-000000000001"}` + "\n" +
			`{"zulu":"","count":0,"say \"hi\", then":null,"alpha":null,"day":null,"at":null,"id":null}` + "\n" +
			`{"zulu":"}{,:\\","count":null,"say \"hi\", then":null,"alpha":false,"day":null,"at":null,"id":null}` + "\n",
	}
	for kind, text := range want {
		for _, packing := range []rowsink.Packing{rowsink.Plain, rowsink.Gzip, rowsink.Zstd} {
			f := rowsink.Format{Kind: kind, Packing: packing, Columns: columns}
			if diff := cmp.Diff(text, unpack(t, f, write(t, f))); diff != "" {
				t.Errorf("%d %d: %s", kind, packing, diff)
			}
		}
	}
}

func TestParquetReadsBack(t *testing.T) {
	t.Parallel()
	for _, packing := range []rowsink.Packing{rowsink.Plain, rowsink.Gzip, rowsink.Zstd} {
		file := write(t, rowsink.Format{Kind: rowsink.Parquet, Packing: packing, Columns: columns})
		opened, err := parquet.OpenFile(bytes.NewReader(file), int64(len(file)))
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, field := range opened.Schema().Fields() {
			names = append(names, field.Name())
		}
		if diff := cmp.Diff([]string{"zulu", "count", `say "hi", then`, "alpha", "day", "at", "id"}, names); diff != "" {
			t.Error(diff)
		}
		if opened.NumRows() != 3 {
			t.Fatalf("%d rows", opened.NumRows())
		}
		rows := parquet.NewReader(opened)
		var got []string
		for range 3 {
			row := map[string]any{}
			if err := rows.Read(&row); err != nil {
				t.Fatal(err)
			}
			got = append(got, fmt.Sprint(row["zulu"], "|", row["count"], "|", row["alpha"], "|", row[`say "hi", then`]))
		}
		want := []string{"a,b \"c\"\nd é 🚀|-9007199254740991|true|1.5e-07", "|0|<nil>|<nil>", "}{,:\\|<nil>|false|<nil>"}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	}
}

// An empty file has a header, or a schema, and no rows.
func TestEmpty(t *testing.T) {
	t.Parallel()
	var file bytes.Buffer
	if err := rowsink.NewParquetFile(&file, rowsink.Format{Kind: rowsink.Parquet, Packing: rowsink.Zstd, Columns: columns}).Close(); err != nil {
		t.Fatal(err)
	}
	if opened, err := parquet.OpenFile(bytes.NewReader(file.Bytes()), int64(file.Len())); err != nil || opened.NumRows() != 0 || len(opened.Schema().Fields()) != len(columns) {
		t.Error(err)
	}
}

// The days and times that are easy to get wrong.
func TestDates(t *testing.T) {
	t.Parallel()
	f := rowsink.Format{Kind: rowsink.Parquet, Packing: rowsink.Plain, Columns: []schema.Column{{Name: "day", Kind: schema.Date}, {Name: "at", Kind: schema.DateTime}}}
	var part, file bytes.Buffer
	sink, err := rowsink.NewSink(&part, f)
	if err != nil {
		t.Fatal(err)
	}
	days := []string{"0001-01-01", "1969-12-31", "1970-01-01", "9999-12-31"}
	for _, day := range days {
		if err := sink.Add(fmt.Appendf(nil, `{"day":%q,"at":"%sT23:59:59.999999Z"}`, day, day)); err != nil {
			t.Fatal(err)
		}
	}
	if err := sink.Close(); err != nil {
		t.Fatal(err)
	}
	p := rowsink.NewParquetFile(&file, f)
	if err := p.Part(&part); err != nil {
		t.Fatal(err)
	}
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	type row struct {
		Day int32 `parquet:"day,optional,date"`
		At  int64 `parquet:"at,optional,timestamp(microsecond)"`
	}
	rows, err := parquet.Read[row](bytes.NewReader(file.Bytes()), int64(file.Len()))
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range rows {
		if got := time.Unix(int64(r.Day)*86400, 0).UTC().Format(time.DateOnly); got != days[i] {
			t.Errorf("%s became %s", days[i], got)
		}
		if got := time.UnixMicro(r.At).UTC().Format("2006-01-02T15:04:05.999999Z"); got != days[i]+"T23:59:59.999999Z" {
			t.Errorf("%s became %s", days[i], got)
		}
	}
}

// Any texts come back from a CSV reader as they were, but for line breaks of two characters.
func TestCSVReadsBack(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(r *rapid.T) {
		width := rapid.IntRange(1, 4).Draw(r, "columns")
		f := rowsink.Format{Kind: rowsink.CSV, Packing: rowsink.Plain, NullToken: `\N`}
		for i := range width {
			f.Columns = append(f.Columns, schema.Column{Name: fmt.Sprint("c", i), Kind: schema.String})
		}
		cell := rapid.StringMatching(`[a,"\r\n é🚀\\N\t]{0,6}`)
		var out bytes.Buffer
		sink, err := rowsink.NewSink(&out, f)
		if err != nil {
			r.Fatal(err)
		}
		var want [][]string
		for range rapid.IntRange(0, 5).Draw(r, "rows") {
			object, cells := map[string]string{}, make([]string, width)
			for i := range cells {
				cells[i] = cell.Draw(r, "cell")
				object[fmt.Sprint("c", i)] = cells[i]
				cells[i] = strings.ReplaceAll(cells[i], "\r\n", "\n")
			}
			document, err := json.Marshal(object)
			if err != nil {
				r.Fatal(err)
			}
			if err := sink.Add(document); err != nil {
				r.Fatal(err)
			}
			want = append(want, cells)
		}
		if err := sink.Close(); err != nil {
			r.Fatal(err)
		}
		got, err := csv.NewReader(&out).ReadAll()
		if err != nil {
			r.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			r.Error(diff)
		}
	})
}

func TestWhatIsNoDocument(t *testing.T) {
	t.Parallel()
	for _, bad := range []string{"", "[]", `{`, `{"zulu"}`, `{"zulu":}`, `{"zulu":"a`, `{"zulu":"a" "count":1}`, `{"zulu":{}}`, `{"zulu":[1]}`} {
		sink, err := rowsink.NewSink(io.Discard, rowsink.Format{Kind: rowsink.NDJSON, Packing: rowsink.Plain, Columns: columns})
		if err != nil {
			t.Fatal(err)
		}
		if err := sink.Add([]byte(bad)); err == nil {
			t.Errorf("%s is a document", bad)
		}
	}
}
