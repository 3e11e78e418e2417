package records_test

import (
	"fmt"
	"strings"
	"testing"

	"connectrpc.com/connect"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/microservicehub/mshub/internal/auth"
	recordsv1 "github.com/microservicehub/mshub/services/records/v1"
)

const short = "country,name,people\n"

// Readers see the old records until the end, then the new ones; nothing else may write to them meanwhile.
func TestReplace(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, r *room) {
		r.dataset("cities", citiesSchema)
		if _, err := r.importFile(run(r.ctx), r.cities(short+"X,a,1\nX,b,1\nX,c,1\n")); err != nil {
			t.Fatal(err)
		}
		ctx, in := run(r.ctx), r.cities(short+"X,b,2\nX,d,2\nX,bad,many\n")
		in.Mode, in.ChunkRows = recordsv1.ImportMode_REPLACE, 1
		plan, err := r.PlanImport(ctx, in)
		if err != nil {
			t.Fatal(err)
		}
		for chunk := range plan.GetChunks() {
			if _, err := r.ImportChunk(ctx, &recordsv1.ImportChunkRequest{Chunk: chunk + 1}); err != nil {
				t.Fatal(err)
			}
			if got := r.people(); got != "a=1 b=1 c=1" {
				t.Errorf("before the end readers see %s", got)
			}
		}
		for _, mode := range []recordsv1.ImportMode{recordsv1.ImportMode_UPSERT, recordsv1.ImportMode_REPLACE} {
			other := r.cities(short + "X,e,1\n")
			other.Mode = mode
			_, err := r.PlanImport(run(r.ctx), other)
			refused(t, "another import meanwhile", err, connect.CodeFailedPrecondition, "REPLACE wants the dataset for itself")
		}
		record, err := r.CreateRecord(r.ctx, &recordsv1.CreateRecordRequest{Parent: "datasets/cities", Record: r.record(`{"country":"X","name":"z","people":1}`)})
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			out, err := r.FinishImport(ctx, &recordsv1.FinishImportRequest{RejectsUrl: r.files.URL + "/rejects"})
			if err != nil || out.GetInserted() != 2 || out.GetRejected() != 1 || out.GetDeleted() != 4 {
				t.Errorf("finish: %v, %v", out, err)
			}
		}
		if got := r.people(); got != "b=2 d=2" {
			t.Errorf("after the end readers see %s", got)
		}
		_, err = r.UpdateRecord(r.ctx, &recordsv1.UpdateRecordRequest{Record: record})
		refused(t, "a record of before", err, connect.CodeNotFound, "not found")
		// The old records go, a while later; the new ones stay, and can be imported into again.
		r.clock = r.clock.AddDate(0, 0, 1)
		if err := r.CleanUp(t.Context()); err != nil {
			t.Fatal(err)
		}
		if n := r.documentsLeft(t); n != 2 && n != -1 {
			t.Errorf("%d documents are left in the store, want 2", n)
		}
		if out, err := r.importFile(run(r.ctx), r.cities(short+"X,b,3\nX,e,3\n")); err != nil || out.GetUpdated() != 1 || out.GetInserted() != 1 {
			t.Errorf("an import afterwards: %v, %v", out, err)
		}
		if got := r.people(); got != "b=3 d=2 e=3" {
			t.Errorf("at last readers see %s", got)
		}
		busy := run(r.ctx)
		if _, err := r.PlanImport(busy, r.cities(short+"X,f,1\n")); err != nil {
			t.Fatal(err)
		}
		_, err = r.PlanImport(run(r.ctx), in)
		refused(t, "replacing under an import", err, connect.CodeFailedPrecondition, "REPLACE wants the dataset for itself")
	})
}

func (r *room) record(text string) *recordsv1.Record {
	r.t.Helper()
	out := &recordsv1.Record{}
	if err := protojson.Unmarshal([]byte(`{"data":`+text+`}`), out); err != nil {
		r.t.Fatal(err)
	}
	return out
}

// Every key of the file is deleted; what is not there does no harm; the other columns need not be right, nor there.
func TestDeleteByKey(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, r *room) {
		r.dataset("cities", citiesSchema)
		r.dataset("keyless", `{"schema":{"type":"object","properties":{"a":{"type":"integer"}}}}`)
		if _, err := r.importFile(run(r.ctx), r.cities(short+"X,a,1\nX,b,1\nX,c,1\n")); err != nil {
			t.Fatal(err)
		}
		for name, text := range map[string]string{"a": "country,name\nX,a\nX,a\n,\nX,none\n", "b": short + "X,b,not a number\n"} {
			in := r.cities(text)
			in.Mode = recordsv1.ImportMode_DELETE
			out, err := r.importFile(run(r.ctx), in)
			if err != nil || out.GetDeleted() != 1 || out.GetRead() != out.GetDeleted()+out.GetUnchanged()+out.GetRejected() {
				t.Errorf("%s: %v, %v, %v", name, out, out.rejects, err)
			}
		}
		if got := r.people(); got != "c=1" {
			t.Errorf("left are %s", got)
		}
		in := &recordsv1.PlanImportRequest{Dataset: "datasets/keyless", Mode: recordsv1.ImportMode_DELETE, SourceUrl: r.source([]byte("a\n1\n"), "")}
		_, err := r.PlanImport(run(r.ctx), in)
		refused(t, "without a key", err, connect.CodeInvalidArgument, "mode: datasets/keyless has no key")
	})
}

// Rejected rows are records: listed, corrected, and read again until none is left, in their place in the file.
func TestRejectsAreCorrectedAndReplayed(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, r *room) {
		r.dataset("cities", citiesSchema)
		in := r.cities("country;name;people;area\nX;a;1;1,5\nX;b;many;x\nX;c;;\nX;d\nX;a;2;\n")
		in.ChunkRows, in.Format = 2, format(t, `{"decimal":",","columns":[{"source":"country","case":"LOWER"}]}`)
		first := run(r.ctx)
		out, err := r.importFile(first, in)
		if err != nil || out.GetInserted() != 1 || out.GetRejected() != 4 {
			t.Fatal(out.counts(), err)
		}
		parent := "imports/" + auth.From(first).Run.String()
		list := func() []*recordsv1.Reject {
			var all []*recordsv1.Reject
			for token := ""; ; {
				page, err := r.ListRejects(r.ctx, &recordsv1.ListRejectsRequest{Parent: parent, PageSize: 3, PageToken: token})
				if err != nil {
					t.Fatal(err)
				}
				all = append(all, page.GetRejects()...)
				if token = page.GetNextPageToken(); token == "" {
					return all
				}
			}
		}
		want := []*recordsv1.Reject{
			{
				Name: parent + "/rejects/2", Line: 3, State: recordsv1.Reject_REJECTED, Cells: map[string]string{"country": "X", "name": "b", "people": "many", "area": "x"},
				Faults: []*recordsv1.Reject_Fault{{Column: "people", Value: "many", Reason: "is not a whole number"}, {Column: "area", Value: "x", Reason: `is not a number with "," before the fraction`}},
			},
			{
				Name: parent + "/rejects/3", Line: 4, State: recordsv1.Reject_REJECTED, Cells: map[string]string{"country": "X", "name": "c", "people": "", "area": ""},
				Faults: []*recordsv1.Reject_Fault{{Column: "people", Reason: "is empty, but the column is required"}},
			},
			{
				Name: parent + "/rejects/4", Line: 5, State: recordsv1.Reject_REJECTED, Cells: map[string]string{"country": "X", "name": "d"},
				Faults: []*recordsv1.Reject_Fault{{Reason: "has 2 columns, the header has 4"}},
			},
			{
				Name: parent + "/rejects/5", Line: 6, State: recordsv1.Reject_REJECTED, Cells: map[string]string{"country": "X", "name": "a", "people": "2", "area": ""},
				Faults: []*recordsv1.Reject_Fault{{Column: "country, name", Value: "X, a", Reason: "the same key stands in line 2"}},
			},
		}
		if diff := cmp.Diff(want, list(), protocmp.Transform()); diff != "" {
			t.Error(diff)
		}
		correct := func(row int, cells map[string]string) error {
			_, err := r.UpdateReject(r.ctx, &recordsv1.UpdateRejectRequest{Reject: &recordsv1.Reject{Name: fmt.Sprintf("%s/rejects/%d", parent, row), Cells: cells}})
			return err
		}
		for row, cells := range map[int]map[string]string{2: {"people": "7", "area": "2,5"}, 3: {"people": "still none"}, 4: {"people": "9"}} {
			if err := correct(row, cells); err != nil {
				t.Fatal(err)
			}
		}
		refused(t, "an unknown column", correct(2, map[string]string{"mayor": "x"}), connect.CodeInvalidArgument, "reject.cells.mayor: the file has no such column")
		refused(t, "a row that is no reject", correct(1, map[string]string{"people": "1"}), connect.CodeNotFound, "not found")
		refused(t, "no cells", correct(2, nil), connect.CodeInvalidArgument, "reject.cells: name the cells")
		_, err = r.ListRejects(person(t.Context(), auth.From(run(r.ctx)).Run), &recordsv1.ListRejectsRequest{Parent: parent})
		refused(t, "another organisation", err, connect.CodeNotFound, "not found")
		for _, name := range []string{"imports/x", "runs/x", parent + "/rejects/2"} {
			_, err = r.ListRejects(r.ctx, &recordsv1.ListRejectsRequest{Parent: name})
			refused(t, name, err, connect.CodeNotFound, "not found")
		}

		replay := &recordsv1.PlanImportRequest{RejectsOf: "runs/" + auth.From(first).Run.String(), ChunkRows: 3}
		second := run(r.ctx)
		if _, err := r.PlanImport(second, replay); err != nil {
			t.Fatal(err)
		}
		_, err = r.PlanImport(run(r.ctx), replay)
		refused(t, "two replays at once", err, connect.CodeFailedPrecondition, "are being read by another run")
		out, err = r.importFile(second, replay)
		// Line 6 is the only one with its key now, so it is an update.
		if err != nil || out.GetRead() != 4 || out.GetInserted() != 2 || out.GetUpdated() != 1 || out.GetRejected() != 1 {
			t.Errorf("the replay: %s, %v, %v", out.counts(), out.rejects, err)
		}
		if diff := cmp.Diff([][]string{{"4", "people", "still none", "is not a whole number"}}, out.rejects); diff != "" {
			t.Error(diff)
		}
		if got := r.people(); got != "a=2 b=7 d=9" {
			t.Errorf("the cities are %s", got)
		}
		if n := r.count("datasets/cities", `country="x" AND name="b" AND area=2.5`); n != 1 {
			t.Error("the first import's format was not kept")
		}
		var states []string
		for _, reject := range list() {
			states = append(states, reject.GetState().String())
		}
		if got := strings.Join(states, " "); got != "REPLAYED CORRECTED REPLAYED REPLAYED" {
			t.Errorf("states: %s", got)
		}
		refused(t, "correcting what was imported", correct(2, map[string]string{"people": "8"}), connect.CodeFailedPrecondition, "the row was imported meanwhile")
		if err := correct(3, map[string]string{"people": "3"}); err != nil {
			t.Fatal(err)
		}
		// A replay that is undone leaves the row to be replayed.
		third := run(r.ctx)
		if _, err := r.PlanImport(third, replay); err != nil {
			t.Fatal(err)
		}
		if _, err := r.ImportChunk(third, &recordsv1.ImportChunkRequest{Chunk: 1}); err != nil {
			t.Fatal(err)
		}
		if _, err := r.AbortImport(third, &recordsv1.AbortImportRequest{}); err != nil {
			t.Fatal(err)
		}
		if out, err = r.importFile(run(r.ctx), replay); err != nil || out.GetRead() != 1 || out.GetInserted() != 1 {
			t.Errorf("the last replay: %s, %v", out.counts(), err)
		}
		_, err = r.importFile(run(r.ctx), replay)
		refused(t, "nothing left", err, connect.CodeFailedPrecondition, "has no rejected rows that were not imported since")
		for name, want := range map[string]string{
			"runs/x": "names no run", "runs/" + auth.From(run(r.ctx)).Run.String(): "was no import", "runs/" + auth.From(third).Run.String(): "was undone",
		} {
			_, err := r.PlanImport(run(r.ctx), &recordsv1.PlanImportRequest{RejectsOf: name})
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v, want %q", name, err, want)
			}
		}
		if left := r.left(); len(left) != 0 {
			t.Errorf("left in the scratch space: %v", left)
		}
	})
}

// Rejects of JSON keep the members that could be read, and are corrected as text.
func TestRejectsOfJSONAreReplayed(t *testing.T) {
	t.Parallel()
	r := setup(t, stores["postgres"])
	r.dataset("cities", citiesSchema)
	first := run(r.ctx)
	if _, err := r.importFile(first, r.cities(`[{"country":"X","name":"a","people":"many","area":1.5},{"country":"X","name":"b","people":null}]`)); err != nil {
		t.Fatal(err)
	}
	of := auth.From(first).Run.String()
	list, err := r.ListRejects(r.ctx, &recordsv1.ListRejectsRequest{Parent: "imports/" + of})
	if err != nil || len(list.GetRejects()) != 2 || list.GetRejects()[1].GetLine() != 1 {
		t.Fatalf("%v, %v", list, err)
	}
	for i, reject := range list.GetRejects() {
		if _, err := r.UpdateReject(r.ctx, &recordsv1.UpdateRejectRequest{Reject: &recordsv1.Reject{Name: reject.GetName(), Cells: map[string]string{"people": fmt.Sprint(i + 1)}}}); err != nil {
			t.Fatal(err)
		}
	}
	if out, err := r.importFile(run(r.ctx), &recordsv1.PlanImportRequest{RejectsOf: "runs/" + of}); err != nil || out.GetInserted() != 2 || r.people() != "a=1 b=2" {
		t.Errorf("%s, %v: %s", out.counts(), err, r.people())
	}
}

// A record that exists is a reject of an INSERT, with its cells.
func TestRejectsOfInsert(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, r *room) {
		r.dataset("cities", citiesSchema)
		if _, err := r.importFile(run(r.ctx), r.cities(short+"X,a,1\n")); err != nil {
			t.Fatal(err)
		}
		in := r.cities(short + "X,b,2\n\"X\",a,\"2\"\n")
		in.Mode = recordsv1.ImportMode_INSERT
		ctx := run(r.ctx)
		if _, err := r.importFile(ctx, in); err != nil {
			t.Fatal(err)
		}
		list, err := r.ListRejects(r.ctx, &recordsv1.ListRejectsRequest{Parent: "imports/" + auth.From(ctx).Run.String()})
		if diff := cmp.Diff(map[string]string{"country": "X", "name": "a", "people": "2"}, list.GetRejects()[0].GetCells()); err != nil || diff != "" {
			t.Errorf("%v, %s", err, diff)
		}
	})
}

func TestTooManyRejects(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, r *room) {
		r.dataset("cities", citiesSchema)
		in := r.cities(short + "X,a,1\nX,b,many\nX,c,2\nX,d,more\nX,e,3\n")
		in.ChunkRows = 2
		for most, want := range map[int64]bool{1: false, 2: true, 0: true} {
			in.MaxRejects = most
			ctx := run(r.ctx)
			_, err := r.importFile(ctx, in)
			if (err == nil) != want {
				t.Errorf("at most %d: %v", most, err)
			}
			if want {
				continue
			}
			refused(t, "too many", err, connect.CodeFailedPrecondition, `2 rows were rejected, and at most 1 may be; the first one is line 3, column people, "many": is not a whole number`)
			if _, err := r.ImportChunk(ctx, &recordsv1.ImportChunkRequest{Chunk: 2}); err == nil {
				t.Error("the same chunk, tried again, is accepted")
			}
			before := r.people()
			if _, err := r.AbortImport(ctx, &recordsv1.AbortImportRequest{}); err != nil {
				t.Fatal(err)
			}
			if list, err := r.ListRejects(r.ctx, &recordsv1.ListRejectsRequest{Parent: "imports/" + auth.From(ctx).Run.String()}); err != nil || len(list.GetRejects()) != 2 {
				t.Errorf("the rejects of an import that was stopped: %v, %v; before %s", list, err, before)
			}
		}
	})
}

// While an import reads by a schema, the schema stays as it is.
func TestSchemaStaysDuringAnImport(t *testing.T) {
	t.Parallel()
	r := setup(t, stores["postgres"])
	dataset := r.dataset("cities", citiesSchema)
	ctx := run(r.ctx)
	if _, err := r.PlanImport(ctx, r.cities(short+"X,a,1\n")); err != nil {
		t.Fatal(err)
	}
	dataset.GetSchema().GetFields()["properties"].GetStructValue().GetFields()["mayor"] = dataset.GetSchema().GetFields()["properties"].GetStructValue().GetFields()["name"]
	_, err := r.UpdateDataset(r.ctx, &recordsv1.UpdateDatasetRequest{Dataset: dataset})
	refused(t, "a new column", err, connect.CodeFailedPrecondition, "an import into datasets/cities is running")
	if _, err := r.AbortImport(ctx, &recordsv1.AbortImportRequest{}); err != nil {
		t.Fatal(err)
	}
	if _, err := r.UpdateDataset(r.ctx, &recordsv1.UpdateDatasetRequest{Dataset: dataset}); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

// A file that changes after it was planned is imported as it was: chunks are read from a working copy.
func TestSourceThatChangesOrVanishes(t *testing.T) {
	t.Parallel()
	r := setup(t, stores["postgres"])
	r.dataset("cities", citiesSchema)
	in := r.cities(short + "X,a,1\nX,b,1\n")
	in.ChunkRows = 1
	ctx := run(r.ctx)
	if _, err := r.PlanImport(ctx, in); err != nil {
		t.Fatal(err)
	}
	r.mu.Lock()
	clear(r.sources)
	r.mu.Unlock()
	for chunk := range int32(2) {
		if _, err := r.ImportChunk(ctx, &recordsv1.ImportChunkRequest{Chunk: chunk + 1}); err != nil {
			t.Fatal(err)
		}
	}
	if got := r.people(); got != "a=1 b=1" {
		t.Errorf("imported were %s", got)
	}
	_, err := r.PlanImport(run(r.ctx), in)
	refused(t, "a source that is gone", err, connect.CodeFailedPrecondition, "make a new one")
}
