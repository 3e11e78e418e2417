package records_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"connectrpc.com/connect"
	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/microservicehub/mshub/internal/auth"
	recordsv1 "github.com/microservicehub/mshub/services/records/v1"
)

const header = "country,name,people,area,capital,founded,seen\n"

func zip(t testing.TB, text string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func (r *room) cities(text string) *recordsv1.PlanImportRequest {
	return &recordsv1.PlanImportRequest{Dataset: "datasets/cities", SourceUrl: r.source([]byte(text), "cities.csv")}
}

// people lists the cities: name=people.
func (r *room) people() string {
	r.t.Helper()
	list, err := r.ListRecords(r.ctx, &recordsv1.ListRecordsRequest{Parent: "datasets/cities", OrderBy: "name"})
	if err != nil {
		r.t.Fatal(err)
	}
	var all []string
	for _, record := range list.GetRecords() {
		data := record.GetData().GetFields()
		all = append(all, fmt.Sprintf("%s=%v", data["name"].GetStringValue(), data["people"].GetNumberValue()))
	}
	return strings.Join(all, " ")
}

// documentsLeft counts what is in PostgreSQL's table; -1 if documents are elsewhere.
func (r *room) documentsLeft(t *testing.T) int {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), r.url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(t.Context()) }()
	var n int
	if err := conn.QueryRow(t.Context(), "SELECT count(*) FROM records.document").Scan(&n); err != nil {
		t.Fatal(err)
	}
	if n == 0 {
		return -1
	}
	return n
}

// left lists blobs in the scratch space.
func (r *room) left() (blobs []string) {
	_ = filepath.WalkDir(r.scratch, func(path string, entry os.DirEntry, _ error) error {
		if !entry.IsDir() {
			blobs = append(blobs, path)
		}
		return nil
	})
	return blobs
}

// What people upload: each of these is the same two cities.
func TestImportReadsWhatPeopleSend(t *testing.T) {
	t.Parallel()
	plain := header + "NA,Windhoek,431000,5133.0,true,1840-01-01,2020-01-01T12:00:00+02:00\nFR,Paris,2100000,N/A,1,NULL,\n"
	onBoth(t, func(t *testing.T, r *room) {
		r.dataset("cities", citiesSchema)
		for name, content := range map[string][]byte{
			"plain": []byte(plain), "bom": []byte("\ufeff" + plain), "crlf": []byte(strings.ReplaceAll(plain, "\n", "\r\n")),
			"gzip": zip(t, plain), "no last line end": []byte(strings.TrimSuffix(plain, "\n")), "blank lines": []byte(strings.ReplaceAll(plain, "\n", "\n\n\r\n")),
			"quoted": []byte(strings.ReplaceAll(plain, "Paris", `"Paris"`)),
		} {
			in := &recordsv1.PlanImportRequest{Dataset: "datasets/cities", SourceUrl: r.source(content, "")}
			out, err := r.importFile(run(r.ctx), in)
			if err != nil || out.GetRead() != 2 || out.GetRejected() != 0 || out.GetInserted()+out.GetUnchanged() != 2 {
				t.Errorf("%s: %v, %v, %v", name, out, out.rejects, err)
			}
		}
		if n := r.count("datasets/cities", `country="NA" AND people=431000 AND area=5133 AND capital=true AND founded=1840-01-01 AND seen=2020-01-01T10:00:00Z`); n != 1 {
			t.Error("Windhoek is not as it was sent")
		}
		if n := r.count("datasets/cities", `name="Paris" AND area=null AND founded=null AND seen=null AND capital=true`); n != 1 {
			t.Error("Paris is not as it was sent")
		}
		if left := r.left(); len(left) != 0 {
			t.Errorf("left in the scratch space: %v", left)
		}
	})
}

func TestImportQuotedNewlinesAndOtherDelimiters(t *testing.T) {
	t.Parallel()
	r := setup(t, stores["postgres"])
	r.dataset("cities", citiesSchema)
	in := &recordsv1.PlanImportRequest{
		Dataset: "datasets/cities", Format: &recordsv1.Format{Delimiter: ";", NullTokens: []string{"-"}}, ChunkRows: 1,
		SourceUrl: r.source([]byte("country;name;people;area\r\nX;\"two\r\nlines; \"\"quoted\"\"\";1;-\r\nNA;-;2;1\r\n\"Y\";b;3;\r\n"), ""),
	}
	out, err := r.importFile(run(r.ctx), in)
	if err != nil || out.chunks != 3 {
		t.Fatal(err, out.chunks)
	}
	want := [][]string{
		{"4", "name", "-", "is empty, but the column is required"},
		{"5", "area", "", "is not a number"}, // the token list replaces the rule by which an empty cell is null
	}
	if diff := cmp.Diff(want, out.rejects); diff != "" {
		t.Error(diff)
	}
	list, err := r.ListRecords(r.ctx, &recordsv1.ListRecordsRequest{Parent: "datasets/cities"})
	if err != nil || len(list.GetRecords()) != 1 || list.GetRecords()[0].GetKey()[1] != "two\nlines; \"quoted\"" {
		t.Errorf("got %v, %v", list, err)
	}
}

// Files that can't be imported at all: a clear sentence on the field `file`, and nothing is left behind.
func TestImportRefusesBadFiles(t *testing.T) {
	t.Parallel()
	r := setup(t, stores["postgres"])
	r.dataset("cities", citiesSchema)
	row := "X,a,1,,,,\n"
	for name, c := range map[string]struct {
		content []byte
		file    string
		want    string
	}{
		"empty":               {nil, "", "the file is empty"},
		"blank":               {[]byte("\n\r\n\n"), "", "the file is empty"},
		"only a header":       {[]byte(header), "", "has a header but no rows"},
		"truncated gzip":      {zip(t, header+strings.Repeat(row, 1000))[:60], "x.csv.gz", "is cut off"},
		"not gzip":            {[]byte(header + row), "x.csv.gz", `is called "x.csv.gz", but is not compressed`},
		"excel":               {[]byte("PK\x03\x04 and so on"), "x.xlsx", "Excel workbook"},
		"bad utf-8":           {[]byte(header + "X,ä,1,,,,\nX,\xe4,1,,,,\n"), "", "line 3 is not UTF-8"},
		"utf-16":              {[]byte("\xff\xfec\x00\n"), "", "ends within a character of utf-16le"},
		"zero byte":           {[]byte(header + "X,\x00,1,,,,\n"), "", "zero byte"},
		"duplicate header":    {[]byte("country,name,people,name\nX,a,1,b\n"), "", `names the column "name" twice (2 and 4)`},
		"unknown column":      {[]byte("country,name,people,mayor\nX,a,1,b\n"), "", `no column "mayor"`},
		"nameless column":     {[]byte("country,name,people,\nX,a,1,b\n"), "", "column 4 has no name"},
		"no key column":       {[]byte("country,people\nX,1\n"), "", `the column "name" is missing in the header; it is part of the key`},
		"no required column":  {[]byte("country,name\nX,a\n"), "", `the column "people" is missing in the header; it is required`},
		"a broken header":     {[]byte("country,na\"me\nX,a\n"), "", "the header has a quote"},
		"a quote never ended": {[]byte(header + "X,\"a,1,,,,\n" + strings.Repeat(row, 200_000)), "", "is a quote never closed?"},
	} {
		ctx := run(r.ctx)
		_, err := r.PlanImport(ctx, &recordsv1.PlanImportRequest{Dataset: "datasets/cities", SourceUrl: r.source(c.content, c.file)})
		refused(t, name, err, connect.CodeInvalidArgument, c.want)
		refused(t, name, err, connect.CodeInvalidArgument, "file: ")
		_, err = r.ImportChunk(ctx, &recordsv1.ImportChunkRequest{Chunk: 1})
		refused(t, name+", chunk", err, connect.CodeNotFound, "not found")
	}
	if left := r.left(); len(left) != 0 {
		t.Errorf("left in the scratch space: %v", left)
	}
	if n := r.count("datasets/cities", ""); n != 0 {
		t.Errorf("%d records", n)
	}
	for _, delimiter := range []string{"\n", "\r", "\""} {
		_, err := r.PlanImport(run(r.ctx), &recordsv1.PlanImportRequest{
			Dataset: "datasets/cities", SourceUrl: r.source([]byte(header+row), ""), Format: &recordsv1.Format{Delimiter: delimiter},
		})
		refused(t, "delimiter "+delimiter, err, connect.CodeInvalidArgument, "format.delimiter: can't be")
	}
	for link, want := range map[string]string{"ftp://x/y": "must be an http", "file:///etc/passwd": "must be an http", "": "must be an http"} {
		_, err := r.PlanImport(run(r.ctx), &recordsv1.PlanImportRequest{Dataset: "datasets/cities", SourceUrl: link})
		refused(t, link, err, connect.CodeInvalidArgument, want)
	}
	_, err := r.PlanImport(run(r.ctx), &recordsv1.PlanImportRequest{Dataset: "datasets/cities", SourceUrl: r.files.URL + "/gone"})
	refused(t, "an expired link", err, connect.CodeFailedPrecondition, "make a new one")
	_, err = r.PlanImport(run(r.ctx), &recordsv1.PlanImportRequest{Dataset: "datasets/towns", SourceUrl: r.files.URL})
	refused(t, "no such dataset", err, connect.CodeNotFound, "datasets/towns")
}

// Rows that can't be imported are rejects with line, column, value and reason; no row is lost.
func TestImportRejectsBadRows(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("ä", 300)
	text := header +
		"X,a,1,,,,\n" + // 2
		"X,b,many,,,,\n" + // 3
		"X,c,1.5,,,,\n" + // 4
		"X,d,,,,,\n" + // 5
		",e,1,,,,\n" + // 6
		"X,f,1,,\n" + // 7
		"X,g,1,,,,,,\n" + // 8
		"X,h\"h,1,,,,\n" + // 9
		"\"X\"x,i,1,,,,\n" + // 10
		"X,\"j\nj\",1,,,,\n" + // 11, 12
		"X,k,1," + long + ",,,\n" + // 13
		"X,l,1,,perhaps,,\n" + // 14
		"X,m,1,,,2013-02-30,\n" + // 15
		"X,n,1,,,,noon\n" + // 16
		"X,a,2,,,,\n" + // 17
		"NA,NA, 7 ,1e3,false,,\n" + // 18
		"X,\"never closed,1,,,,\n" // 19
	onBoth(t, func(t *testing.T, r *room) {
		r.dataset("cities", citiesSchema)
		for _, chunkRows := range []int32{0, 1, 3} {
			in := r.cities(text)
			in.ChunkRows = chunkRows
			out, err := r.importFile(run(r.ctx), in)
			if err != nil {
				t.Fatal(err)
			}
			want := [][]string{
				{"3", "people", "many", "is not a whole number"},
				{"4", "people", "1.5", "is not a whole number"},
				{"5", "people", "", "is empty, but the column is required"},
				{"6", "country", "", "is empty, but the column is required"},
				{"7", "", "", "has 5 columns, the header has 7"},
				{"8", "", "", "has 9 columns, the header has 7"},
				{"9", "", "", "has a quote inside a cell that does not begin with one"},
				{"10", "", "", "has text after a closing quote, or a quote that is not doubled"},
				{"13", "area", strings.Repeat("ä", 200), "is not a number"},
				{"14", "capital", "perhaps", "is not true or false"},
				{"15", "founded", "2013-02-30", "is not a date (2013-01-31)"},
				{"16", "seen", "noon", "is not a time (2013-01-31T10:00:00Z)"},
				{"17", "country, name", "X, a", "the same key stands in line 2"},
				{"19", "", "", "has a quote that is never closed"},
			}
			if diff := cmp.Diff(want, out.rejects); diff != "" {
				t.Errorf("chunks of %d: %s", chunkRows, diff)
			}
			if out.GetRead() != 17 || out.GetRejected() != 14 || out.GetInserted()+out.GetUnchanged() != 3 {
				t.Errorf("chunks of %d: %s", chunkRows, out.counts())
			}
			if out.GetRejectsSize() != int64(len(r.rejects)) || len(out.GetRejectsSha256()) != 64 {
				t.Errorf("chunks of %d: the rejects file is %d bytes, said were %d", chunkRows, len(r.rejects), out.GetRejectsSize())
			}
		}
		if n := r.count("datasets/cities", `country="NA" AND name="NA" AND people=7 AND area=1000`); n != 1 {
			t.Error("NA is text in a text column")
		}
	})
}

// Insert rejects what exists; upsert updates it and leaves alone what is equal.
func TestImportModes(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, r *room) {
		r.dataset("cities", citiesSchema)
		step := func(text string, mode recordsv1.ImportMode, want string) result {
			t.Helper()
			in := r.cities(text)
			in.Mode = mode
			out, err := r.importFile(run(r.ctx), in)
			if err != nil || out.counts() != want {
				t.Errorf("got %s, %v; want %s", out.counts(), err, want)
			}
			return out
		}
		const short = "country,name,people\n"
		step(short+"X,a,1\nX,b,2\n", recordsv1.ImportMode_INSERT, "read 2 inserted 2 updated 0 unchanged 0 rejected 0")
		out := step(short+"X,b,3\nX,c,3\nX,c,4\n", recordsv1.ImportMode_INSERT, "read 3 inserted 1 updated 0 unchanged 0 rejected 2")
		if diff := cmp.Diff([][]string{{"2", "", "", "a record with this key exists"}, {"4", "country, name", "X, c", "the same key stands in line 3"}}, out.rejects); diff != "" {
			t.Error(diff)
		}
		step(short+"X,a,1\nX,b,9\nX,d,4\n", recordsv1.ImportMode_UPSERT, "read 3 inserted 1 updated 1 unchanged 1 rejected 0")
		step(short+"X,a,1\nX,b,9\nX,d,4\n", recordsv1.ImportMode_IMPORT_MODE_UNSPECIFIED, "read 3 inserted 0 updated 0 unchanged 3 rejected 0")
		if n := r.count("datasets/cities", "people=9"); n != 1 {
			t.Error("b was not updated")
		}
	})
}

// Whatever order chunks come in, however often each is tried, also at once: the same counts, the same first line wins.
func TestImportInAnyOrder(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, r *room) {
		r.dataset("cities", citiesSchema)
		var text strings.Builder
		text.WriteString("country,name,people\n")
		for i := range 300 {
			fmt.Fprintf(&text, "X,%d,%d\n", i%200, i)
		}
		in := r.cities(text.String())
		in.ChunkRows = 7
		ctx := run(r.ctx)
		plan, err := r.PlanImport(ctx, in)
		if err != nil {
			t.Fatal(err)
		}
		in.SourceUrl = "http://the.link/has/expired"
		if again, err := r.PlanImport(ctx, in); err != nil || again.GetChunks() != plan.GetChunks() || again.GetRows() != 300 {
			t.Errorf("planning again: %v, %v", again, err)
		}
		_, err = r.FinishImport(ctx, &recordsv1.FinishImportRequest{})
		refused(t, "finishing too early", err, connect.CodeFailedPrecondition, "43 of 43 chunks")
		_, err = r.DeleteDataset(r.ctx, &recordsv1.DeleteDatasetRequest{Name: "datasets/cities"})
		refused(t, "deleting under an import", err, connect.CodeFailedPrecondition, "an import into datasets/cities is running")

		answers := make(chan error)
		for range 2 {
			order := rand.Perm(int(plan.GetChunks()))
			go func() {
				for _, chunk := range order {
					got, err := r.ImportChunk(ctx, &recordsv1.ImportChunkRequest{Chunk: int32(chunk) + 1})
					if err == nil && got.GetRead() != got.GetInserted()+got.GetUpdated()+got.GetUnchanged()+got.GetRejected() {
						err = fmt.Errorf("rows are lost: %v", got)
					}
					if err != nil {
						answers <- err
						return
					}
				}
				answers <- nil
			}()
		}
		for range 2 {
			if err := <-answers; err != nil {
				t.Fatal(err)
			}
		}
		for range 2 {
			out, err := r.FinishImport(ctx, &recordsv1.FinishImportRequest{RejectsUrl: r.files.URL + "/rejects"})
			if err != nil || out.GetRead() != 300 || out.GetInserted() != 200 || out.GetRejected() != 100 {
				t.Errorf("got %v, %v", out, err)
			}
		}
		if n := r.count("datasets/cities", "people<200"); n != 200 {
			t.Errorf("%d records are of first lines, want all 200", n)
		}
		_, err = r.ImportChunk(ctx, &recordsv1.ImportChunkRequest{Chunk: 99})
		refused(t, "no such chunk", err, connect.CodeNotFound, "chunk")
	})
}

func TestImportWithoutKey(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, r *room) {
		r.dataset("cities", `{"schema":{"type":"object","properties":{"a":{"type":"integer"}}}}`)
		for n := range 2 {
			ctx, in := run(r.ctx), r.cities("a\n1\n1\n2\n")
			for range 2 {
				if _, err := r.PlanImport(ctx, in); err != nil {
					t.Fatal(err)
				}
				if out, err := r.ImportChunk(ctx, &recordsv1.ImportChunkRequest{Chunk: 1}); err != nil || out.GetInserted() != 3 {
					t.Errorf("got %v, %v", out, err)
				}
			}
			if got := r.count("datasets/cities", ""); got != int64(3*(n+1)) {
				t.Errorf("after %d imports there are %d records", n+1, got)
			}
		}
	})
}

// An import is the run's alone: another run, and another organisation, find nothing under its chunks.
func TestImportsAreTheRuns(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, r *room) {
		r.dataset("cities", citiesSchema)
		ctx := run(r.ctx)
		if _, err := r.PlanImport(ctx, r.cities("country,name,people\nX,a,1\n")); err != nil {
			t.Fatal(err)
		}
		thief := auth.From(ctx)
		thief.Organisation = uuid.New() // the same run id in another organisation
		for name, other := range map[string]auth.Caller{"another run": auth.From(run(r.ctx)), "another organisation": thief} {
			_, err := r.ImportChunk(auth.With(t.Context(), other), &recordsv1.ImportChunkRequest{Chunk: 1})
			refused(t, name, err, connect.CodeNotFound, "chunk")
		}
		_, err := r.ImportChunk(r.ctx, &recordsv1.ImportChunkRequest{Chunk: 1})
		refused(t, "a person", err, connect.CodePermissionDenied, "belongs to a run")
	})
}

func TestHousekeepingForgetsOldImports(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, r *room) {
		r.dataset("cities", citiesSchema)
		ctx := run(r.ctx)
		if _, err := r.PlanImport(ctx, r.cities("country,name,people\nX,a,1\n")); err != nil {
			t.Fatal(err)
		}
		if err := r.CleanUp(t.Context()); err != nil {
			t.Fatal(err)
		}
		if len(r.left()) != 1 {
			t.Fatal("too early")
		}
		r.clock = r.clock.AddDate(0, 0, 31)
		if err := r.CleanUp(t.Context()); err != nil {
			t.Fatal(err)
		}
		if left := r.left(); len(left) != 0 {
			t.Errorf("left in the scratch space: %v", left)
		}
		_, err := r.ImportChunk(ctx, &recordsv1.ImportChunkRequest{Chunk: 1})
		refused(t, "a forgotten import", err, connect.CodeNotFound, "chunk")
	})
}
