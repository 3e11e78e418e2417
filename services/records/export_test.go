package records_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"connectrpc.com/connect"
	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/parquet-go/parquet-go"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/microservicehub/mshub/internal/postgres"
	"github.com/microservicehub/mshub/internal/rpc"
	recordsv1 "github.com/microservicehub/mshub/services/records/v1"
)

const people = `{"title": "People", "key": ["id"], "schema": {"type": "object", "required": ["id"], "properties": {
	"id": {"type": "integer"}, "name": {"type": "string"}, "born": {"type": "string", "format": "date"},
	"seen": {"type": "string", "format": "date-time"}, "score": {"type": "number"}, "member": {"type": "boolean"}}}}`

// persons are records whose texts are hard on a file format.
func persons(r *room, dataset string, n int) {
	r.t.Helper()
	names := []string{`"a"`, `""`, `null`, `"comma, and \"quotes\""`, `"two\nlines"`, `"ünïcode 🚀 \u0007"`, `" spaces around "`, `"NA"`, `"x\ry"`, `"=1+1"`}
	for i := range n {
		r.add(dataset, fmt.Sprintf(`{"id": %d, "name": %s, "born": "2013-01-%02d", "seen": "2013-01-31T10:00:0%d.5Z", "score": %d.25, "member": %t}`,
			i, names[i%len(names)], i%28+1, i%10, i, i%2 == 0))
	}
}

func (r *room) add(dataset, data string) {
	r.t.Helper()
	record := &recordsv1.Record{}
	if err := protojson.Unmarshal([]byte(`{"data":`+data+`}`), record); err != nil {
		r.t.Fatal(err)
	}
	if _, err := r.CreateRecord(r.ctx, &recordsv1.CreateRecordRequest{Parent: dataset, Record: record}); err != nil {
		r.t.Fatal(err)
	}
}

// inbox takes one file by PUT, as a signed link does.
type inbox struct {
	*httptest.Server
	mu     sync.Mutex
	status int // 0 = take it
	answer string
	puts   int
	file   []byte
	kind   string
}

func newInbox(t *testing.T) *inbox {
	t.Helper()
	b := &inbox{}
	b.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		b.mu.Lock()
		defer b.mu.Unlock()
		b.puts++
		switch {
		case b.status != 0:
			w.WriteHeader(b.status)
			_, _ = io.WriteString(w, b.answer)
		case err != nil || r.Method != http.MethodPut || r.ContentLength != int64(len(body)):
			w.WriteHeader(http.StatusBadRequest)
		default:
			b.file, b.kind = body, r.Header.Get("Content-Type")
		}
	}))
	t.Cleanup(b.Close)
	return b
}

// export runs a whole export as a workflow would, each part twice.
func (r *room) export(ctx context.Context, in *recordsv1.PlanExportRequest, to *inbox) (*recordsv1.FinishExportResponse, error) {
	r.t.Helper()
	plan, err := r.PlanExport(ctx, in)
	if err != nil {
		return nil, err
	}
	if again, err := r.PlanExport(ctx, in); err != nil || again.GetParts() != plan.GetParts() || again.GetFileName() != plan.GetFileName() {
		r.t.Errorf("planned again: %v, %v", again, err)
	}
	var rows int64
	for part := range plan.GetParts() {
		first, err := r.ExportPart(ctx, &recordsv1.ExportPartRequest{Part: part + 1})
		if err != nil {
			return nil, err
		}
		again, err := r.ExportPart(ctx, &recordsv1.ExportPartRequest{Part: part + 1})
		if err != nil || again.GetRows() != first.GetRows() {
			r.t.Errorf("part %d again: %v, %v", part+1, again, err)
		}
		rows += first.GetRows()
	}
	if rows != plan.GetRows() {
		r.t.Errorf("parts have %d rows, the plan %d", rows, plan.GetRows())
	}
	return r.FinishExport(ctx, &recordsv1.FinishExportRequest{UploadUrl: to.URL})
}

// scratchFiles are the blobs that exports have left.
func (r *room) scratchFiles() (found []string) {
	r.t.Helper()
	_ = filepath.WalkDir(r.scratch, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			found = append(found, path)
		}
		return nil
	})
	return found
}

func (r *room) audited() (actions []string) {
	r.t.Helper()
	db, err := postgres.Open(r.t.Context(), r.url, 1)
	if err != nil {
		r.t.Fatal(err)
	}
	defer db.Close()
	err = db.System(r.t.Context(), func(tx pgx.Tx) error {
		return tx.QueryRow(r.t.Context(), "SELECT array_agg(replace(action, 'services.records.v1.ExportService/', '') ORDER BY id) FROM audit.entry WHERE action LIKE '%Export%'").Scan(&actions)
	})
	if err != nil {
		r.t.Fatal(err)
	}
	return actions
}

func TestExport(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, r *room) {
		r.dataset("people", people)
		persons(r, "datasets/people", 10)
		to := newInbox(t)
		out, err := r.export(run(r.ctx), &recordsv1.PlanExportRequest{
			Dataset: "datasets/people", Format: recordsv1.Export_CSV, Columns: []string{"score", "id"}, Filter: `member=true AND score>=2`, PartRows: 3,
		}, to)
		if err != nil {
			t.Fatal(err)
		}
		sum := sha256.Sum256(to.file)
		if out.GetRows() != 4 || out.GetBytes() != int64(len(to.file)) || out.GetSha256() != hex.EncodeToString(sum[:]) || to.kind != "text/csv" {
			t.Errorf("%v, %s, %d bytes", out, to.kind, len(to.file))
		}
		lines := strings.Split(strings.TrimSpace(string(to.file)), "\n")
		slices.Sort(lines[1:])
		if diff := cmp.Diff([]string{"score,id", "2.25,2", "4.25,4", "6.25,6", "8.25,8"}, lines); diff != "" {
			t.Error(diff)
		}
		if left := r.scratchFiles(); len(left) > 0 {
			t.Errorf("left in scratch space: %v", left)
		}
		if diff := cmp.Diff([]string{"PlanExport", "FinishExport"}, r.audited()); diff != "" {
			t.Error(diff)
		}
	})
}

// What is exported and imported again is the same.
func TestExportImportsAgain(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, r *room) {
		r.dataset("people", people)
		persons(r, "datasets/people", 25)
		for name, in := range map[string]*recordsv1.PlanExportRequest{
			"plain":  {Format: recordsv1.Export_CSV, NullToken: `\N`},
			"packed": {Format: recordsv1.Export_CSV, NullToken: `\N`, Compression: recordsv1.Export_GZIP},
			"zstd":   {Format: recordsv1.Export_CSV, NullToken: `\N`, Compression: recordsv1.Export_ZSTD},
		} {
			in.Dataset, in.PartRows = "datasets/people", 4
			to := newInbox(t)
			out, err := r.export(run(r.ctx), in, to)
			if err != nil || out.GetAmbiguousCells() != 0 {
				t.Fatalf("%s: %v, %v", name, out, err)
			}
			again := r.dataset("again-"+name, people)
			got, err := r.importFile(run(r.ctx), &recordsv1.PlanImportRequest{
				Dataset: again.GetName(), SourceUrl: r.source(to.file, "people.csv"), Format: &recordsv1.Format{NullTokens: []string{`\N`}},
			})
			if err != nil || got.GetInserted() != 25 || got.GetRejected() != 0 {
				t.Fatalf("%s: %s, %v, %v", name, got.counts(), got.rejects, err)
			}
			if diff := cmp.Diff(r.contents("datasets/people"), r.contents(again.GetName())); diff != "" {
				t.Errorf("%s: %s", name, diff)
			}
		}
	})
}

// contents are all records of a dataset as JSON, by id.
func (r *room) contents(dataset string) map[string]string {
	r.t.Helper()
	list, err := r.ListRecords(r.ctx, &recordsv1.ListRecordsRequest{Parent: dataset, PageSize: 1000})
	if err != nil {
		r.t.Fatal(err)
	}
	all := map[string]string{}
	for _, record := range list.GetRecords() {
		_, id, _ := strings.Cut(record.GetName(), "/records/")
		raw, err := record.GetData().MarshalJSON()
		if err != nil {
			r.t.Fatal(err)
		}
		all[id] = string(raw)
	}
	return all
}

func TestExportTellsWhatDoesNotReadBack(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, r *room) {
		r.dataset("people", people)
		r.add("datasets/people", `{"id": 1, "name": ""}`)
		r.add("datasets/people", `{"id": 2, "name": "two\r\nlines"}`)
		r.add("datasets/people", `{"id": 3, "name": "fine"}`)
		out, err := r.export(run(r.ctx), &recordsv1.PlanExportRequest{Dataset: "datasets/people", Format: recordsv1.Export_CSV}, newInbox(t))
		if err != nil || out.GetAmbiguousCells() != 2 {
			t.Errorf("%v, %v", out, err)
		}
	})
}

func TestExportFormats(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, r *room) {
		r.dataset("people", people)
		persons(r, "datasets/people", 7)
		to := newInbox(t)
		if _, err := r.export(run(r.ctx), &recordsv1.PlanExportRequest{Dataset: "datasets/people", Format: recordsv1.Export_NDJSON, Filter: "id=2", Columns: []string{"name", "id"}, PartRows: 2}, to); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff("{\"name\":null,\"id\":2}\n", string(to.file)); diff != "" || to.kind != "application/x-ndjson" {
			t.Error(to.kind, diff)
		}
		out, err := r.export(run(r.ctx), &recordsv1.PlanExportRequest{Dataset: "datasets/people", Format: recordsv1.Export_PARQUET, PartRows: 2}, to)
		if err != nil || out.GetRows() != 7 || out.GetBytes() != int64(len(to.file)) {
			t.Fatal(out, err)
		}
		file, err := parquet.OpenFile(bytes.NewReader(to.file), int64(len(to.file)))
		if err != nil || file.NumRows() != 7 || len(file.Schema().Fields()) != 6 {
			t.Errorf("%v", err)
		}
		if left := r.scratchFiles(); len(left) > 0 {
			t.Errorf("left in scratch space: %v", left)
		}
	})
}

func TestExportOfNothing(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, r *room) {
		r.dataset("people", people)
		persons(r, "datasets/people", 2)
		r.dataset("nobody", people)
		want := map[recordsv1.Export_Format]string{recordsv1.Export_CSV: "name,id\n", recordsv1.Export_NDJSON: ""}
		for format, text := range want {
			for _, in := range []*recordsv1.PlanExportRequest{{Dataset: "datasets/nobody"}, {Dataset: "datasets/people", Filter: "id=99"}} {
				in.Format, in.Columns = format, []string{"name", "id"}
				to := newInbox(t)
				out, err := r.export(run(r.ctx), in, to)
				if err != nil || out.GetRows() != 0 || string(to.file) != text || to.puts != 1 {
					t.Errorf("%s of %s: %v, %q, %v", format, in.GetDataset(), out, to.file, err)
				}
			}
		}
		to := newInbox(t)
		out, err := r.export(run(r.ctx), &recordsv1.PlanExportRequest{Dataset: "datasets/nobody", Format: recordsv1.Export_PARQUET}, to)
		if err != nil {
			t.Fatal(out, err)
		}
		if file, err := parquet.OpenFile(bytes.NewReader(to.file), int64(len(to.file))); err != nil || file.NumRows() != 0 {
			t.Error(err)
		}
	})
}

func TestExportBadInput(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, r *room) {
		r.dataset("people", people)
		cases := map[string]struct {
			change func(*recordsv1.PlanExportRequest)
			code   connect.Code
			field  string
		}{
			"no such dataset":   {func(in *recordsv1.PlanExportRequest) { in.Dataset = "datasets/nobody" }, connect.CodeNotFound, ""},
			"unknown column":    {func(in *recordsv1.PlanExportRequest) { in.Columns = []string{"id", "shoe"} }, connect.CodeInvalidArgument, "columns[1]"},
			"column twice":      {func(in *recordsv1.PlanExportRequest) { in.Columns = []string{"id", "name", "id"} }, connect.CodeInvalidArgument, "columns[2]"},
			"broken filter":     {func(in *recordsv1.PlanExportRequest) { in.Filter = `name="` }, connect.CodeInvalidArgument, "filter"},
			"filter's column":   {func(in *recordsv1.PlanExportRequest) { in.Filter = `shoe=1` }, connect.CodeInvalidArgument, "filter"},
			"filter's value":    {func(in *recordsv1.PlanExportRequest) { in.Filter = `score>high` }, connect.CodeInvalidArgument, "filter"},
			"null token":        {func(in *recordsv1.PlanExportRequest) { in.NullToken = "a\nb" }, connect.CodeInvalidArgument, "nullToken"},
			"several at a time": {func(in *recordsv1.PlanExportRequest) { in.NullToken, in.Columns = "\n", []string{"x"} }, connect.CodeInvalidArgument, "columns[0]"},
		}
		for name, tc := range cases {
			in := &recordsv1.PlanExportRequest{Dataset: "datasets/people", Format: recordsv1.Export_CSV}
			tc.change(in)
			_, err := r.PlanExport(run(r.ctx), in)
			if connect.CodeOf(err) != tc.code || tc.field != "" && !slices.Contains(rpc.FieldsOf(err), tc.field) {
				t.Errorf("%s: %v, fields %v", name, err, rpc.FieldsOf(err))
			}
		}
		if _, err := r.PlanExport(r.ctx, &recordsv1.PlanExportRequest{Dataset: "datasets/people", Format: recordsv1.Export_CSV}); rpc.ReasonOf(err) != "NOT_A_RUN" {
			t.Errorf("a person: %v", err)
		}
		if left := r.scratchFiles(); len(left) > 0 {
			t.Errorf("left in scratch space: %v", left)
		}
	})
}
