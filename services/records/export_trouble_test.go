package records_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"

	"connectrpc.com/connect"
	"github.com/google/uuid"

	"github.com/microservicehub/mshub/internal/rpc"
	recordsv1 "github.com/microservicehub/mshub/services/records/v1"
)

func TestExportOutOfOrder(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, r *room) {
		r.dataset("people", people)
		persons(r, "datasets/people", 5)
		ctx, to := run(r.ctx), newInbox(t)
		_, err := r.ExportPart(ctx, &recordsv1.ExportPartRequest{Part: 1})
		refused(t, "a part of nothing", err, connect.CodeNotFound, "export")
		_, err = r.FinishExport(ctx, &recordsv1.FinishExportRequest{UploadUrl: to.URL})
		refused(t, "the end of nothing", err, connect.CodeNotFound, "export")
		if _, err := r.AbortExport(ctx, &recordsv1.AbortExportRequest{}); err != nil {
			t.Errorf("abort of nothing: %v", err)
		}
		plan, err := r.PlanExport(ctx, &recordsv1.PlanExportRequest{Dataset: "datasets/people", Format: recordsv1.Export_CSV, PartRows: 2})
		if err != nil || plan.GetParts() != 3 || plan.GetRows() != 5 || plan.GetFileName() != "people.csv" {
			t.Fatal(plan, err)
		}
		_, err = r.ExportPart(ctx, &recordsv1.ExportPartRequest{Part: 4})
		refused(t, "a part too many", err, connect.CodeNotFound, "part")
		if _, err := r.ExportPart(ctx, &recordsv1.ExportPartRequest{Part: 2}); err != nil {
			t.Fatal(err)
		}
		_, err = r.FinishExport(ctx, &recordsv1.FinishExportRequest{UploadUrl: to.URL})
		refused(t, "finished too early", err, connect.CodeFailedPrecondition, "not all parts")
		_, err = r.ExportPart(run(person(t.Context(), uuid.New())), &recordsv1.ExportPartRequest{Part: 1})
		refused(t, "another organisation", err, connect.CodeNotFound, "export")

		// Aborted: nothing is left, and nothing goes on.
		for range 2 {
			if _, err := r.AbortExport(ctx, &recordsv1.AbortExportRequest{}); err != nil {
				t.Fatal(err)
			}
		}
		if left := r.scratchFiles(); len(left) > 0 {
			t.Errorf("left in scratch space: %v", left)
		}
		for what, call := range map[string]func() error{
			"plan": func() error {
				_, err := r.PlanExport(ctx, &recordsv1.PlanExportRequest{Dataset: "datasets/people", Format: recordsv1.Export_CSV})
				return err
			},
			"part": func() error { _, err := r.ExportPart(ctx, &recordsv1.ExportPartRequest{Part: 1}); return err },
			"finish": func() error {
				_, err := r.FinishExport(ctx, &recordsv1.FinishExportRequest{UploadUrl: to.URL})
				return err
			},
		} {
			if err := call(); rpc.ReasonOf(err) != "EXPORT_OVER" {
				t.Errorf("%s after the abort: %v", what, err)
			}
		}
		if to.puts != 0 {
			t.Error("something was sent")
		}
	})
}

// The file store may refuse, be away, or have the file from a try that nobody heard of.
func TestExportAndItsFileStore(t *testing.T) {
	t.Parallel()
	r := setup(t, stores["postgres"])
	r.dataset("people", people)
	persons(r, "datasets/people", 5)
	for _, format := range []recordsv1.Export_Format{recordsv1.Export_CSV, recordsv1.Export_PARQUET} {
		ctx, to := run(r.ctx), newInbox(t)
		in := &recordsv1.PlanExportRequest{Dataset: "datasets/people", Format: format, PartRows: 2}
		to.status, to.answer = 429, `{"code":"resource_exhausted","message":"the file store is full"}`
		_, err := r.export(ctx, in, to)
		refused(t, "full", err, connect.CodeUnavailable, "429: the file store is full")
		to.status = http.StatusForbidden
		_, err = r.export(ctx, in, to)
		refused(t, "refused", err, connect.CodeFailedPrecondition, "403")
		_, err = r.FinishExport(ctx, &recordsv1.FinishExportRequest{UploadUrl: "http://127.0.0.1:1/?s3cret"})
		refused(t, "away", err, connect.CodeUnavailable, "can't be reached")
		if strings.Contains(err.Error(), "s3cret") {
			t.Errorf("the link shows: %v", err)
		}
		to.status = 0
		sent, err := r.export(ctx, in, to)
		if err != nil {
			t.Fatal(err)
		}
		// A call whose answer was lost is answered from the ledger, and sends nothing.
		again, err := r.FinishExport(ctx, &recordsv1.FinishExportRequest{UploadUrl: to.URL})
		if err != nil || again.GetSha256() != sent.GetSha256() || to.puts != 3 {
			t.Errorf("%v, %v after %d puts", again, err, to.puts)
		}
	}
	ctx, to := run(r.ctx), newInbox(t)
	to.status = http.StatusPreconditionFailed
	if out, err := r.export(ctx, &recordsv1.PlanExportRequest{Dataset: "datasets/people", Format: recordsv1.Export_CSV}, to); err != nil || out.GetSha256() == "" {
		t.Errorf("sent by an earlier try: %v, %v", out, err)
	}
}

// A joining that is broken off, by a pause or a cancel, keeps the parts; the next one sends the whole file.
func TestJoiningThatIsBrokenOff(t *testing.T) {
	t.Parallel()
	r := setup(t, stores["postgres"])
	r.dataset("people", people)
	persons(r, "datasets/people", 5)
	for _, format := range []recordsv1.Export_Format{recordsv1.Export_CSV, recordsv1.Export_PARQUET} {
		ctx, to := run(r.ctx), newInbox(t)
		plan, err := r.PlanExport(ctx, &recordsv1.PlanExportRequest{Dataset: "datasets/people", Format: format, PartRows: 2})
		if err != nil {
			t.Fatal(err)
		}
		for part := range plan.GetParts() {
			if _, err := r.ExportPart(ctx, &recordsv1.ExportPartRequest{Part: part + 1}); err != nil {
				t.Fatal(err)
			}
		}
		joining, pause := context.WithCancel(ctx)
		half := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) {
			pause()
			_, _ = io.Copy(io.Discard, req.Body)
			<-req.Context().Done()
		}))
		t.Cleanup(half.Close)
		if _, err := r.FinishExport(joining, &recordsv1.FinishExportRequest{UploadUrl: half.URL}); err == nil || joining.Err() == nil {
			t.Fatalf("%s: it was sent all the same: %v", format, err)
		}
		if len(r.scratchFiles()) == 0 {
			t.Errorf("%s: the parts are gone", format)
		}
		out, err := r.FinishExport(ctx, &recordsv1.FinishExportRequest{UploadUrl: to.URL})
		sum := sha256.Sum256(to.file)
		if err != nil || out.GetRows() != 5 || out.GetSha256() != hex.EncodeToString(sum[:]) || out.GetBytes() != int64(len(to.file)) {
			t.Errorf("%s: %v, %v", format, out, err)
		}
		if left := r.scratchFiles(); len(left) != 0 {
			t.Errorf("%s: left in the scratch space: %v", format, left)
		}
	}
}

func TestExportLosesItsDataset(t *testing.T) {
	t.Parallel()
	r := setup(t, stores["postgres"])
	r.dataset("people", people)
	persons(r, "datasets/people", 2)
	ctx := run(r.ctx)
	if _, err := r.PlanExport(ctx, &recordsv1.PlanExportRequest{Dataset: "datasets/people", Format: recordsv1.Export_CSV}); err != nil {
		t.Fatal(err)
	}
	if _, err := r.DeleteDataset(r.ctx, &recordsv1.DeleteDatasetRequest{Name: "datasets/people"}); err != nil {
		t.Fatal(err)
	}
	if _, err := r.ExportPart(ctx, &recordsv1.ExportPartRequest{Part: 1}); rpc.ReasonOf(err) != "DATASET_GONE" {
		t.Error(err)
	}
	if _, err := r.AbortExport(ctx, &recordsv1.AbortExportRequest{}); err != nil {
		t.Error(err)
	}
}

// An import that replaces all records ends an export of the old ones; it never mixes both.
func TestExportOfWhatIsReplaced(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, r *room) {
		r.dataset("people", people)
		persons(r, "datasets/people", 4)
		ctx := run(r.ctx)
		if _, err := r.PlanExport(ctx, &recordsv1.PlanExportRequest{Dataset: "datasets/people", Format: recordsv1.Export_CSV, PartRows: 2}); err != nil {
			t.Fatal(err)
		}
		if _, err := r.ExportPart(ctx, &recordsv1.ExportPartRequest{Part: 1}); err != nil {
			t.Fatal(err)
		}
		if _, err := r.importFile(run(r.ctx), &recordsv1.PlanImportRequest{
			Dataset: "datasets/people", Mode: recordsv1.ImportMode_REPLACE, SourceUrl: r.source([]byte("id,name\n7,Eve\n"), "new.csv"),
		}); err != nil {
			t.Fatal(err)
		}
		if _, err := r.ExportPart(ctx, &recordsv1.ExportPartRequest{Part: 2}); rpc.ReasonOf(err) != "DATASET_REPLACED" {
			t.Error(err)
		}
	})
}

// A full disk fails the part clearly and at once; the abort that follows leaves nothing.
func TestExportOnAFullDisk(t *testing.T) {
	t.Parallel()
	r := setup(t, stores["postgres"])
	if err := syscall.Mount("tmpfs", r.scratch, "tmpfs", 0, "size=64k"); err != nil {
		t.Skipf("a small file system can't be mounted here: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(r.scratch, 0) })
	r.dataset("people", people)
	r.add("datasets/people", `{"id": 1, "name": "`+strings.Repeat("long ", 30_000)+`"}`)
	ctx := run(r.ctx)
	if _, err := r.PlanExport(ctx, &recordsv1.PlanExportRequest{Dataset: "datasets/people", Format: recordsv1.Export_CSV}); err != nil {
		t.Fatal(err)
	}
	_, err := r.ExportPart(ctx, &recordsv1.ExportPartRequest{Part: 1})
	if rpc.ReasonOf(err) != "SCRATCH_FULL" {
		t.Errorf("%v", err)
	}
	if _, err := r.AbortExport(ctx, &recordsv1.AbortExportRequest{}); err != nil {
		t.Error(err)
	}
	if left := r.scratchFiles(); len(left) > 0 {
		t.Errorf("left in scratch space: %v", left)
	}
}

// Exports that nobody ended are forgotten with their scratch space.
func TestOldExportsAreForgotten(t *testing.T) {
	t.Parallel()
	r := setup(t, stores["postgres"])
	r.dataset("people", people)
	persons(r, "datasets/people", 2)
	ctx := run(r.ctx)
	if _, err := r.PlanExport(ctx, &recordsv1.PlanExportRequest{Dataset: "datasets/people", Format: recordsv1.Export_CSV}); err != nil {
		t.Fatal(err)
	}
	if _, err := r.ExportPart(ctx, &recordsv1.ExportPartRequest{Part: 1}); err != nil {
		t.Fatal(err)
	}
	if err := r.CleanUp(t.Context()); err != nil || len(r.scratchFiles()) != 1 {
		t.Errorf("%v, %v", r.scratchFiles(), err)
	}
	r.clock = r.clock.Add(31 * 24 * 60 * 60 * 1e9)
	if err := r.CleanUp(t.Context()); err != nil || len(r.scratchFiles()) != 0 {
		t.Errorf("%v, %v", r.scratchFiles(), err)
	}
	_, err := r.ExportPart(ctx, &recordsv1.ExportPartRequest{Part: 1})
	refused(t, "forgotten", err, connect.CodeNotFound, "export")
}
