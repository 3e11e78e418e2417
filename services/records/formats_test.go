package records_test

import (
	"strings"
	"testing"

	"connectrpc.com/connect"
	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"
	"google.golang.org/protobuf/encoding/protojson"

	recordsv1 "github.com/microservicehub/mshub/services/records/v1"
)

func format(t testing.TB, text string) *recordsv1.Format {
	t.Helper()
	f := &recordsv1.Format{}
	if err := protojson.Unmarshal([]byte(text), f); err != nil {
		t.Fatal(err)
	}
	return f
}

// latin writes text as Windows-1252, for letters below 256.
func latin(text string) string {
	var b strings.Builder
	for _, r := range text {
		b.WriteByte(byte(r))
	}
	return b.String()
}

// The same two cities, in every form a file may have.
func TestImportFormats(t *testing.T) {
	t.Parallel()
	encoder, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	const csv = "country,name,people,area,capital,founded,seen\nDE,München,1500000,310.7,false,1158-06-14,2020-01-01T12:00:00+02:00\nFR,Paris,2100000,,true,,\n"
	const ndjson = `{"country":"DE","name":"M\u00fcnchen","people":1500000,"area":310.7,"capital":false,"founded":"1158-06-14","seen":"2020-01-01T10:00:00Z"}` + "\n\n" +
		`{"name":"Paris","country":"FR","people":2.1e6,"area":null,"capital":true}` + "\n"
	array := "[\n" + strings.Replace(strings.TrimSpace(ndjson), "\n\n", ",\n", 1) + "\n]\n"
	utf16 := "\xff\xfe"
	for _, r := range csv {
		utf16 += string([]byte{byte(r), byte(r >> 8)})
	}
	const inOrder = `[{"source":"country"},{"source":"name"},{"source":"people"},{"source":"area"},{"source":"capital"},{"source":"founded"},{"source":"seen"}]`
	cases := map[string]struct{ content, format, found string }{
		"csv":        {csv, `{}`, `{"kind":"CSV","delimiter":",","quote":"\"","encoding":"utf-8"}`},
		"zstd":       {string(encoder.EncodeAll([]byte(csv), nil)), `{}`, `{"kind":"CSV","delimiter":",","quote":"\"","encoding":"utf-8"}`},
		"tab":        {strings.ReplaceAll(csv, ",", "\t"), `{}`, `{"kind":"CSV","delimiter":"\t","quote":"\"","encoding":"utf-8"}`},
		"windows":    {latin(csv), `{}`, `{"kind":"CSV","delimiter":",","quote":"\"","encoding":"windows-1252"}`},
		"utf-16":     {utf16, `{}`, `{"kind":"CSV","delimiter":",","quote":"\"","encoding":"utf-16le"}`},
		"no header":  {csv[strings.Index(csv, "\n")+1:], `{"noHeader":true,"columns":` + inOrder + `}`, `{"kind":"CSV","delimiter":",","quote":"\"","encoding":"utf-8","noHeader":true,"columns":` + inOrder + `}`},
		"quotes":     {strings.ReplaceAll(csv, "Paris", "'Pa''ris'"), `{"quote":"'"}`, ""},
		"unquoted":   {strings.ReplaceAll(csv, "Paris", `"Paris`), `{"quote":"none"}`, ""},
		"ndjson":     {ndjson, `{}`, `{"kind":"NDJSON","encoding":"utf-8"}`},
		"json":       {array, `{}`, `{"kind":"JSON","encoding":"utf-8"}`},
		"json, gzip": {string(zip(t, array)), `{}`, `{"kind":"JSON","encoding":"utf-8"}`},
		"one line":   {strings.ReplaceAll(array, "\n", " "), `{}`, `{"kind":"JSON","encoding":"utf-8"}`},
	}
	onBoth(t, func(t *testing.T, r *room) {
		r.dataset("cities", citiesSchema)
		for name, c := range cases {
			for _, rows := range []int32{0, 1} {
				in := r.cities(c.content)
				in.Format, in.ChunkRows, in.Mode = format(t, c.format), rows, recordsv1.ImportMode_REPLACE
				in.SourceUrl = r.source([]byte(c.content), "")
				ctx := run(r.ctx)
				out, err := r.importFile(ctx, in)
				if err != nil || out.GetInserted() != 2 || out.GetRejected() != 0 {
					t.Errorf("%s: %s, %v, %v", name, out.counts(), out.rejects, err)
					continue
				}
				if c.found == "" {
					continue
				}
				if plan, err := r.PlanImport(ctx, in); err != nil || !cmp.Equal(protojson.Format(plan.GetFormat()), protojson.Format(format(t, c.found))) {
					t.Errorf("%s was taken for %v, %v", name, plan.GetFormat(), err)
				}
				if n := r.count("datasets/cities", `country="DE" AND name="München" AND people=1500000 AND area=310.7 AND capital=false AND founded=1158-06-14 AND seen=2020-01-01T10:00:00Z`); n != 1 {
					t.Errorf("%s: München is not as it was sent", name)
				}
				if n := r.count("datasets/cities", `name="Paris" AND people=2100000 AND area=null AND capital=true AND founded=null AND seen=null`); n != 1 {
					t.Errorf("%s: Paris is not as it was sent", name)
				}
			}
		}
		if left := r.left(); len(left) != 0 {
			t.Errorf("left in the scratch space: %v", left)
		}
	})
}

// Records of JSON that can't be imported are rejects, each with all its faults; a broken array is told with its line.
func TestImportRejectsBadObjects(t *testing.T) {
	t.Parallel()
	r := setup(t, stores["postgres"])
	r.dataset("cities", citiesSchema)
	text := `{"country":"X","name":"a","people":1}
{"country":"X","name":"b","people":"many","capital":"perhaps"}
{"country":"X","name":"c","people":1.5,"area":true}
{"country":"X","name":5,"people":1}
{"country":"X","name":"e"}
{"country":"X","name":"f","people":1,"mayor":"M"}
{"country":"X","name":"g","people":1,"people":2}
{"country":"X","name":"h","people":}
[1]
{"country":"X","name":"i","people":1,"area":{"km2":1}}
{"country":"X","name":"a","people":2}
`
	want := [][]string{
		{"2", "capital", "perhaps", "is not true or false"}, {"2", "people", "many", "is not a whole number"},
		{"3", "area", "true", "is true or false, not a number"}, {"3", "people", "1.5", "is a number, not a whole number"},
		{"4", "name", "5", "is a number, not text"}, {"5", "people", "", "is empty, but the column is required"},
		{"6", "", "", `has the member "mayor", which the dataset lacks; leave it out, or name it in the format's columns to rename or skip it`},
		{"7", "", "", `has the member "people" twice`}, {"8", "", "", "is not JSON: byte 36 of the record is '}', where a value should be"},
		{"9", "", "", "is no JSON object; each record must be one"}, {"10", "area", `{"km2":1}`, "is a list or an object; columns are flat"},
		{"11", "country, name", "X, a", "the same key stands in line 1"},
	}
	out, err := r.importFile(run(r.ctx), r.cities(text))
	if diff := cmp.Diff(want, out.rejects); err != nil || diff != "" || out.GetInserted() != 1 || out.GetRejected() != 10 {
		t.Errorf("%s, %v\n%s", out.counts(), err, diff)
	}
	for text, want := range map[string]string{
		`[{"country":"X","name":"a","people":1}` + "\n" + `{"country":"X"}]`: "line 2: a comma is missing", `[{"country":"X","name":"a","people":1}`: "cut off", `[{"country":"X","name":"a`: "has no end",
		"[]": "has no records", `{"country":"X"}` + strings.Repeat(" ", 2<<20): "longer than",
	} {
		in := r.cities(text)
		in.Format = format(t, `{"kind":"JSON"}`)
		if strings.HasPrefix(text, "{") {
			in.Format = format(t, `{"kind":"NDJSON"}`)
		}
		_, err := r.PlanImport(run(r.ctx), in)
		refused(t, text[:min(len(text), 40)], err, connect.CodeInvalidArgument, want)
	}
}

// What is done to cells is declared: nothing is coded for a file of one's own.
func TestImportTransforms(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, r *room) {
		r.dataset("cities", citiesSchema)
		r.dataset("codes", `{"key":["code"],"schema":{"type":"object","properties":{"code":{"type":"string"},"land":{"type":"string"},"n":{"type":"integer"}}}}`)
		codes := &recordsv1.PlanImportRequest{Dataset: "datasets/codes", SourceUrl: r.source([]byte("code,land,n\nger,Germany,1\nfra,\"Fr \"\"a\"\"\",2\n"), "")}
		if _, err := r.importFile(run(r.ctx), codes); err != nil {
			t.Fatal(err)
		}
		in := &recordsv1.PlanImportRequest{
			Dataset: "datasets/cities", ChunkRows: 1,
			Format: format(t, `{"trim":true,"decimal":",","thousands":".","dateFormat":"DD.MM.YYYY","timeFormat":"DD.MM.YYYY HH:mm","timeZone":"Europe/Berlin","nullTokens":["-",""],"onlyColumns":true,"columns":[
				{"source":"Land","column":"country","case":"LOWER","lookup":{"dataset":"datasets/codes","match":"code","take":"land"}},
				{"source":"Stadt","column":"name","case":"UPPER"},{"source":"Einwohner","column":"people"},{"source":"Fläche","column":"area"},{"source":"capital","nullTokens":["?"]},
				{"source":"Gründung","column":"founded"},{"source":"seen"}]}`),
			SourceUrl: r.source([]byte("Land;Stadt;Einwohner;Fläche;capital;Gründung;seen;Notiz\n"+
				" GER ; Köln ;1.073.096;405,02;?;01.02.0050;07.07.2020 12:30;was auch immer\n"+
				"fra;Nizza;-;1;true;-;-;\n"+
				"ita;Rom;2.8;1.285;true;21.4.753;-;\n"), ""),
		}
		out, err := r.importFile(run(r.ctx), in)
		if err != nil {
			t.Fatal(err)
		}
		want := [][]string{
			{"3", "people", "-", "is empty, but the column is required"},
			{"4", "country", "ita", "is not found by the lookup"}, {"4", "people", "2.8", `is not a whole number with "." between groups of three digits`},
			{"4", "founded", "21.4.753", "is not a date as DD.MM.YYYY"},
		}
		if diff := cmp.Diff(want, out.rejects); diff != "" || out.GetInserted() != 1 {
			t.Errorf("%s: %s", out.counts(), diff)
		}
		if n := r.count("datasets/cities", `country="Germany" AND name="KÖLN" AND people=1073096 AND area=405.02 AND capital=null AND founded=0050-02-01 AND seen=2020-07-07T10:30:00Z`); n != 1 {
			list, err := r.ListRecords(r.ctx, &recordsv1.ListRecordsRequest{Parent: "datasets/cities"})
			t.Errorf("Köln is not as it was sent: %v, %v", list, err)
		}
		if left := r.left(); len(left) != 0 {
			t.Errorf("left in the scratch space: %v", left)
		}
	})
}

// A format that can't be kept is refused at once, each fault at its field.
func TestImportRefusesBadFormats(t *testing.T) {
	t.Parallel()
	r := setup(t, stores["postgres"])
	r.dataset("cities", citiesSchema)
	for text, want := range map[string]string{
		`{"dateFormat":"DD.MM"}`: "format.dateFormat: needs a year", `{"timeFormat":"YYYY-MM-DD hh:mm"}`: "format.timeFormat: needs hh and A", `{"timeZone":"Mars/Base"}`: "format.timeZone: \"Mars/Base\" is no time zone",
		`{"decimal":",","thousands":","}`: "format.thousands: \",\" can't part", `{"thousands":"."}`: "format.thousands", `{"thousands":"5"}`: "format.thousands", `{"quote":","}`: "format.quote: is the delimiter too",
		`{"quote":"ab"}`: "format.quote: is one character", `{"quote":";","delimiter":";"}`: "format.quote", `{"kind":"JSON","delimiter":";"}`: "format.delimiter: is for CSV alone", `{"kind":"NDJSON","noHeader":true}`: "format.noHeader",
		`{"columns":[{"source":"people"},{"source":"people"}]}`: "format.columns[1].source: \"people\" is named twice", `{"columns":[{"source":"mayor","column":"name"}]}`: "format.columns[0].source: the file has no column \"mayor\"",
		`{"columns":[{"source":"name","column":"mayor"}]}`: "format.columns[0].column: the dataset has no column \"mayor\"", `{"columns":[{"source":"people","column":"name"}]}`: "would both fill \"name\"",
		`{"columns":[{"source":"name","skip":true}]}`: "the column \"name\" is missing in the header; it is part of the key", `{"onlyColumns":true,"columns":[{"source":"name"}]}`: "the column \"country\" is missing",
		`{"columns":[{"source":"name","dateFormat":"x"}]}`: "format.columns[0].dateFormat: has \"x\"", `{"columns":[{"source":"name","lookup":{"dataset":"datasets/none","match":"a","take":"b"}}]}`: "format.columns[0].lookup.dataset: there is no dataset",
		`{"columns":[{"source":"name","lookup":{"dataset":"datasets/cities","match":"a","take":"people"}}]}`:    "format.columns[0].lookup.match: datasets/cities has no column \"a\"",
		`{"columns":[{"source":"name","lookup":{"dataset":"datasets/cities","match":"name","take":"people"}}]}`: "format.columns[0].lookup.take: is a whole number in datasets/cities, but name is text",
		`{"noHeader":true}`: "the first row has 3 columns, but 7 are known",
	} {
		in := r.cities("country,name,people\nX,a,1\n")
		in.Format = format(t, text)
		_, err := r.PlanImport(run(r.ctx), in)
		refused(t, text, err, connect.CodeInvalidArgument, want)
	}
	if left := r.left(); len(left) != 0 {
		t.Errorf("left in the scratch space: %v", left)
	}
}
