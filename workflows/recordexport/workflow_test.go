package recordexport_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"

	filesact "github.com/microservicehub/mshub/activities/files"
	recordsact "github.com/microservicehub/mshub/activities/records"
	filesv1 "github.com/microservicehub/mshub/services/files/v1"
	recordsv1 "github.com/microservicehub/mshub/services/records/v1"
	runsv1 "github.com/microservicehub/mshub/services/runs/v1"
	"github.com/microservicehub/mshub/workflows/process"
	"github.com/microservicehub/mshub/workflows/process/processtest"
	"github.com/microservicehub/mshub/workflows/recordexport"
	recordexportv1 "github.com/microservicehub/mshub/workflows/recordexport/v1"
)

var (
	files   *filesact.Activities
	exports *recordsact.Exports

	input = &recordexportv1.Input{Dataset: "datasets/flights", Filter: `carrier="UA"`, Columns: []string{"carrier"}}
)

// room stands in for records and files.
type room struct {
	mu    sync.Mutex
	parts int32
	fails map[string]error
	plan  *recordsv1.PlanExportRequest
	done  map[int32]int
}

func (r *room) fake(env *processtest.Env) {
	processtest.On(env, exports.PlanExport, func(in *recordsv1.PlanExportRequest) (*recordsv1.PlanExportResponse, error) {
		r.plan = in
		return &recordsv1.PlanExportResponse{Parts: r.parts, Rows: int64(r.parts) * 10, FileName: "flights.csv", ContentType: "text/csv"}, r.fails["PlanExport"]
	})
	processtest.On(env, exports.ExportPart, func(in *recordsv1.ExportPartRequest) (*recordsv1.ExportPartResponse, error) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.done[in.GetPart()]++
		return &recordsv1.ExportPartResponse{Rows: 10}, r.fails[fmt.Sprintf("ExportPart %d", in.GetPart())]
	})
	processtest.On(env, files.CreateUpload, func(in *filesv1.CreateUploadRequest) (*filesv1.CreateUploadResponse, error) {
		return &filesv1.CreateUploadResponse{File: &filesv1.File{Name: "files/new", FileName: in.GetFileName()}, Url: "http://files/" + in.GetFileName()}, r.fails["CreateUpload"]
	})
	processtest.On(env, exports.FinishExport, func(in *recordsv1.FinishExportRequest) (*recordsv1.FinishExportResponse, error) {
		if in.GetUploadUrl() != "http://files/flights.csv" {
			return nil, fmt.Errorf("sent to %s", in.GetUploadUrl())
		}
		return &recordsv1.FinishExportResponse{Rows: int64(len(r.done)) * 10, Bytes: 7, Sha256: "abc", AmbiguousCells: 1}, r.fails["FinishExport"]
	})
	processtest.On(env, files.CompleteUpload, func(in *filesv1.CompleteUploadRequest) (*filesv1.File, error) {
		if in.GetSize() != 7 || in.GetSha256() != "abc" {
			return nil, fmt.Errorf("completed as %s", in)
		}
		return &filesv1.File{Name: in.GetName()}, r.fails["CompleteUpload"]
	})
	processtest.On(env, exports.AbortExport, func(*recordsv1.AbortExportRequest) (*recordsv1.AbortExportResponse, error) {
		return &recordsv1.AbortExportResponse{}, nil
	})
	processtest.On(env, files.DeleteFile, func(*filesv1.DeleteFileRequest) (*filesv1.DeleteFileResponse, error) {
		return &filesv1.DeleteFileResponse{}, nil
	})
}

func TestExport(t *testing.T) {
	t.Parallel()
	r := &room{parts: 7, done: map[int32]int{}}
	env := processtest.New(t, recordexport.Process)
	r.fake(env)
	got := env.Run(input)
	want := &recordexportv1.Result{File: "files/new", Rows: 70, Bytes: 7, Sha256: "abc", AmbiguousCells: 1}
	if diff := cmp.Diff(want, got.Result, protocmp.Transform()); diff != "" || got.Title != "flights" {
		t.Errorf("%v, %q\n%s", got.Err, got.Title, diff)
	}
	if r.plan.GetFormat() != recordsv1.Export_CSV || r.plan.GetFilter() != `carrier="UA"` || len(r.plan.GetColumns()) != 1 {
		t.Errorf("plan: %s", r.plan)
	}
	for part := int32(1); part <= 7; part++ {
		if r.done[part] != 1 {
			t.Errorf("part %d was written %d times", part, r.done[part])
		}
	}
	if slices.Contains(got.Calls, "DeleteFile") || slices.Contains(got.Calls, "AbortExport") {
		t.Errorf("calls: %v", got.Calls)
	}
}

// Whatever fails, the place for the file and the scratch space go, last first.
func TestExportFailsAtEachStep(t *testing.T) {
	t.Parallel()
	cases := []struct {
		verb, step string
		undone     []string
	}{
		{"PlanExport", "plan", nil},
		{"ExportPart 4", "parts", []string{"AbortExport"}},
		{"CreateUpload", "file", []string{"AbortExport"}},
		{"FinishExport", "join", []string{"DeleteFile", "AbortExport"}},
		{"CompleteUpload", "keep", []string{"DeleteFile", "AbortExport"}},
	}
	for _, tc := range cases {
		t.Run(tc.verb, func(t *testing.T) {
			t.Parallel()
			r := &room{parts: 7, done: map[int32]int{}, fails: map[string]error{tc.verb: processtest.Refuse("failed_precondition", "BROKEN", "broken")}}
			env := processtest.New(t, recordexport.Process)
			r.fake(env)
			got := env.Run(input)
			if got.Finish.GetState() != runsv1.Run_FAILED || got.Finish.GetError().GetReason() != "BROKEN" || got.Finish.GetError().GetStep() != tc.step {
				t.Errorf("finish: %s", got.Finish)
			}
			var undone []string
			for _, call := range got.Calls {
				if call == "DeleteFile" || call == "AbortExport" {
					undone = append(undone, call)
				}
			}
			if diff := cmp.Diff(tc.undone, undone); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// A link lives for an hour, a pause as long as somebody likes: the link is made when the joining begins.
func TestExportPausedBeforeItJoins(t *testing.T) {
	t.Parallel()
	r := &room{parts: 7, done: map[int32]int{}}
	env := processtest.New(t, recordexport.Process)
	r.fake(env)
	var once sync.Once
	env.WhenStep("file", func() { once.Do(func() { env.Command(process.UpdatePause, "not now") }) })
	env.After(2*time.Hour, func() {
		if uploads := count(env.Calls, "CreateUpload"); uploads != 1 {
			t.Errorf("%d links were made before the pause", uploads)
		}
		env.Command(process.UpdateResume, "now")
	})
	got := env.Run(input)
	if got.Finish.GetState() != runsv1.Run_COMPLETED || count(got.Calls, "CreateUpload") != 2 || got.Keys[slices.Index(got.Keys, "join")-1] != "file" {
		t.Errorf("%s, %v", got.Finish, got.Keys)
	}
}

func count(calls []string, verb string) (n int) {
	for _, call := range calls {
		if call == verb {
			n++
		}
	}
	return n
}

func TestExportCancelledAmongParts(t *testing.T) {
	t.Parallel()
	r := &room{parts: 400, done: map[int32]int{}}
	env := processtest.New(t, recordexport.Process)
	r.fake(env)
	var once sync.Once
	env.WhenCalled("ExportPart", func() { once.Do(func() { env.Command(process.UpdateCancel, "not needed") }) })
	got := env.Run(input)
	if got.Finish.GetState() != runsv1.Run_CANCELLED || len(r.done) > 4 || got.Calls[len(got.Calls)-1] != "AbortExport" {
		t.Errorf("finish: %s after %d parts, calls %v", got.Finish, len(r.done), got.Calls)
	}
}

// A dataset of many parts outlasts one history.
func TestExportOfManyParts(t *testing.T) {
	t.Parallel()
	r := &room{parts: 1100, done: map[int32]int{}}
	env := processtest.New(t, recordexport.Process)
	r.fake(env)
	got := env.Run(input)
	if len(r.done) != 1100 || got.Err != nil || got.Executions < 3 {
		t.Errorf("%d parts in %d executions, %v", len(r.done), got.Executions, got.Err)
	}
}
