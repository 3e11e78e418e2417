package records_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"connectrpc.com/connect"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/testing/protocmp"

	recordsv1 "github.com/microservicehub/mshub/services/records/v1"
)

func TestProposeSchema(t *testing.T) {
	t.Parallel()
	r := setup(t, stores["postgres"])
	text := "\ufeffid;zip;price;n;flag;day;at;name;gone\n" +
		"1;01234;1.5;1;true;2013-01-01;2013-01-01T10:00:00Z;NA;\n" +
		"2;99999;2;NA;false;N/A;2013-01-01T10:00:00+02:00;Zoë;\n" +
		"3;99999;3;0;true;2013-01-03;2013-01-02T10:00:00Z;;\n" +
		"4;cut;off"
	out, err := r.ProposeSchema(r.ctx, &recordsv1.ProposeSchemaRequest{Sample: []byte(text)})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, c := range out.GetColumns() {
		got = append(got, fmt.Sprintf("%s %s nullable=%v unique=%v %s", c.GetName(), c.GetType(), c.GetNullable(), c.GetUnique(), strings.Join(c.GetExamples(), ",")))
	}
	want := []string{
		"id integer nullable=false unique=true 1,2,3",
		"zip string nullable=false unique=false 01234,99999", // a number would lose its zero
		"price number nullable=false unique=true 1.5,2,3",
		"n integer nullable=true unique=false 1,0",
		"flag boolean nullable=false unique=false true,false",
		"day date nullable=true unique=false 2013-01-01,2013-01-03",
		"at date-time nullable=false unique=true 2013-01-01T10:00:00Z,2013-01-01T10:00:00+02:00,2013-01-02T10:00:00Z",
		"name string nullable=true unique=false Zoë",
		"gone string nullable=true unique=false ",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if out.GetRows() != 3 || out.GetFormat().GetDelimiter() != ";" {
		t.Errorf("%d rows, delimiter %q", out.GetRows(), out.GetFormat().GetDelimiter())
	}
	for name, c := range map[string]struct{ sample, want string }{
		"empty": {"\ufeff", "the file is empty"}, "excel": {"PK\x03\x04", "Excel"}, "bad": {"ä,b\n\xff,1\n", "line 2 is not UTF-8"},
		"twice": {"a,b,a\n1,2,3\n", `the header names the column "a" twice (1 and 3)`}, "no member": {"[{}]", "has no records"}, "cut array": {"[{", "has no end"},
	} {
		_, err := r.ProposeSchema(r.ctx, &recordsv1.ProposeSchemaRequest{Sample: []byte(c.sample)})
		refused(t, name, err, connect.CodeInvalidArgument, c.want)
		refused(t, name, err, connect.CodeInvalidArgument, "sample: ")
	}
}

// Whatever a file is, its format is found out with its columns, and an import with what was proposed takes it.
func TestProposeFormats(t *testing.T) {
	t.Parallel()
	r := setup(t, stores["postgres"])
	for name, c := range map[string]struct {
		sample, columns, format string
		given                   *recordsv1.Format
	}{
		"ndjson":    {"{\"a\":1,\"b\":\"2013-01-01\"}\n{\"b\":null,\"a\":2.5,\"c\":[1]}\n{\"a\":3,\"d\":tr", "a number unique, b date nullable", `{"kind":"NDJSON","columns":[{"source":"c","skip":true}]}`, nil},
		"json":      {" [\n{\"a\":\"01\",\"b\":true},\n{\"a\":\"02\",\"b\":false}]", "a string unique, b boolean unique", `{"kind":"JSON"}`, nil},
		"cut json":  {`[{"a":1},{"a":2},{"a":`, "a integer unique", `{"kind":"JSON"}`, nil},
		"windows":   {"name;n\nM\xfcnchen;1\n", "name string unique, n integer unique", `{"kind":"CSV","encoding":"windows-1252","delimiter":";","quote":"\""}`, nil},
		"utf-16":    {"\xff\xfea\x00\t\x00b\x00\n\x001\x00\t\x002\x00\n\x00", "a integer unique, b integer unique", `{"kind":"CSV","encoding":"utf-16le","delimiter":"\t","quote":"\""}`, nil},
		"quotes":    {"'a|b'|'c'\n'x|y'|'z'\n", "a|b string unique, c string unique", `{"kind":"CSV","delimiter":"|","quote":"'"}`, nil},
		"no header": {"1,x\n2,y\n", "column_1 integer unique, column_2 string unique", `{"kind":"CSV","delimiter":",","quote":"\"","noHeader":true,"columns":[{"source":"column_1"},{"source":"column_2"}]}`, &recordsv1.Format{NoHeader: true}},
	} {
		out, err := r.ProposeSchema(r.ctx, &recordsv1.ProposeSchemaRequest{Sample: []byte(c.sample), Format: c.given})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		var columns []string
		for _, column := range out.GetColumns() {
			text := column.GetName() + " " + column.GetType()
			if column.GetNullable() {
				text += " nullable"
			}
			if column.GetUnique() {
				text += " unique"
			}
			columns = append(columns, text)
		}
		want := &recordsv1.Format{}
		if err := protojson.Unmarshal([]byte(c.format), want); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, out.GetFormat(), protocmp.Transform()); strings.Join(columns, ", ") != c.columns || diff != "" {
			t.Errorf("%s: %s\n%s", name, strings.Join(columns, ", "), diff)
		}
	}
}

// What is proposed for the example files takes the whole files, though only their beginning was looked at.
func TestExamples(t *testing.T) {
	t.Parallel()
	for file, c := range map[string]struct {
		key  []string
		rows int64
	}{
		"airlines.csv": {[]string{"carrier"}, 16}, "airports.csv": {[]string{"faa"}, 1458}, "planes.csv": {[]string{"tailnum"}, 3322},
		"flights.csv.gz": {[]string{"time_hour", "carrier", "flight"}, 336_776},
	} {
		t.Run(file, func(t *testing.T) {
			t.Parallel()
			if testing.Short() && c.rows > 10_000 {
				t.Skip("a large file; run without -short")
			}
			r := setup(t, stores["postgres"])
			content, err := os.ReadFile(filepath.Join("../../examples", file))
			if err != nil {
				t.Fatal(err)
			}
			proposal, err := r.ProposeSchema(r.ctx, &recordsv1.ProposeSchemaRequest{Sample: content[:min(len(content), 20_000)], FileName: file})
			if err != nil {
				t.Fatal(err)
			}
			_, err = r.CreateDataset(r.ctx, &recordsv1.CreateDatasetRequest{DatasetId: "example", Dataset: &recordsv1.Dataset{Schema: proposal.GetSchema(), Key: c.key}})
			if err != nil {
				t.Fatal(err)
			}
			out, err := r.importFile(run(r.ctx), &recordsv1.PlanImportRequest{Dataset: "datasets/example", SourceUrl: r.source(content, file), Format: proposal.GetFormat()})
			if err != nil || out.GetInserted() != c.rows || out.GetRead() != c.rows {
				t.Errorf("%s, %v; want %d inserted; rejects %.5v", out.counts(), err, c.rows, out.rejects)
			}
			if n := r.count("datasets/example", ""); n != c.rows {
				t.Errorf("%d records, want %d", n, c.rows)
			}
		})
	}
}
