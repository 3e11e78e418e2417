package records_test

import (
	"testing"

	"connectrpc.com/connect"

	"github.com/microservicehub/mshub/internal/auth"
	"github.com/microservicehub/mshub/internal/postgres"
	"github.com/microservicehub/mshub/services/records/store"
	recordsv1 "github.com/microservicehub/mshub/services/records/v1"
)

// A cancelled import leaves what it wrote or takes it back, as asked.
func TestAbort(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, r *room) {
		r.dataset("cities", citiesSchema)
		late := run(r.ctx)
		for range 2 {
			if _, err := r.AbortImport(late, &recordsv1.AbortImportRequest{}); err != nil {
				t.Errorf("aborting what was never planned: %v", err)
			}
		}
		_, err := r.PlanImport(late, r.cities("country,name,people\nX,late,1\n"))
		refused(t, "a planning that comes late", err, connect.CodeFailedPrecondition, "start a new run")
		if _, err := r.importFile(run(r.ctx), r.cities("country,name,people\nX,old,1\nX,a,1\n")); err != nil {
			t.Fatal(err)
		}
		for _, c := range []struct {
			keep bool
			mode recordsv1.ImportMode
			want string
		}{
			{false, recordsv1.ImportMode_UPSERT, "a=1 old=1"}, {false, recordsv1.ImportMode_INSERT, "a=1 old=1"}, {false, recordsv1.ImportMode_REPLACE, "a=1 old=1"},
			{true, recordsv1.ImportMode_REPLACE, "a=1 old=1"}, {false, recordsv1.ImportMode_DELETE, "a=1 old=1"}, {true, recordsv1.ImportMode_UPSERT, "a=2 n=2 old=1"}, {true, recordsv1.ImportMode_DELETE, "old=1"},
		} {
			ctx, in := run(r.ctx), r.cities("country,name,people\nX,a,2\nX,n,2\nX,b,2\n")
			in.ChunkRows, in.Mode = 2, c.mode
			if _, err := r.PlanImport(ctx, in); err != nil {
				t.Fatal(err)
			}
			if _, err := r.ImportChunk(ctx, &recordsv1.ImportChunkRequest{Chunk: 1}); err != nil {
				t.Fatal(err)
			}
			for range 2 {
				if _, err := r.AbortImport(ctx, &recordsv1.AbortImportRequest{Keep: c.keep}); err != nil {
					t.Fatal(err)
				}
			}
			if got := r.people(); got != c.want {
				t.Errorf("%s, keep %v: %s, want %s", c.mode, c.keep, got, c.want)
			}
			if left := r.left(); len(left) != 0 {
				t.Errorf("left in the scratch space: %v", left)
			}
			_, err := r.ImportChunk(ctx, &recordsv1.ImportChunkRequest{Chunk: 2})
			refused(t, "a chunk after the end", err, connect.CodeFailedPrecondition, "start a new run")
			_, err = r.PlanImport(ctx, in)
			refused(t, "a plan after the end", err, connect.CodeFailedPrecondition, "start a new run")
			_, err = r.FinishImport(ctx, &recordsv1.FinishImportRequest{})
			refused(t, "a sum after the end", err, connect.CodeFailedPrecondition, "start a new run")
		}
		if _, err := r.DeleteDataset(r.ctx, &recordsv1.DeleteDatasetRequest{Name: "datasets/cities"}); err != nil {
			t.Errorf("the dataset is not free: %v", err)
		}
	})
}

// On MongoDB a chunk whose undo came first is refused, even if it had begun before.
func TestAChunkAfterItsUndo(t *testing.T) {
	t.Parallel()
	var documents store.Documents
	r := setup(t, func(t testing.TB, db *postgres.DB) store.Documents {
		documents = stores["mongo"](t, db)
		return documents
	})
	r.dataset("cities", citiesSchema)
	ctx := run(r.ctx)
	if _, err := r.PlanImport(ctx, r.cities("country,name,people\nX,a,1\n")); err != nil {
		t.Fatal(err)
	}
	caller := auth.From(ctx)
	if written, err := documents.BarChunk(ctx, caller.Organisation, caller.Run, 1); err != nil || written {
		t.Fatalf("written %v, %v", written, err)
	}
	_, err := r.ImportChunk(ctx, &recordsv1.ImportChunkRequest{Chunk: 1})
	refused(t, "a chunk after its undo", err, connect.CodeFailedPrecondition, "start a new run")
	if got := r.people(); got != "" {
		t.Errorf("rows: %s", got)
	}
}
