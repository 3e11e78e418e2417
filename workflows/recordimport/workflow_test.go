package recordimport_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"buf.build/go/protovalidate"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"

	filesact "github.com/microservicehub/mshub/activities/files"
	recordsact "github.com/microservicehub/mshub/activities/records"
	filesv1 "github.com/microservicehub/mshub/services/files/v1"
	recordsv1 "github.com/microservicehub/mshub/services/records/v1"
	runsv1 "github.com/microservicehub/mshub/services/runs/v1"
	"github.com/microservicehub/mshub/workflows/process"
	"github.com/microservicehub/mshub/workflows/process/processtest"
	"github.com/microservicehub/mshub/workflows/recordimport"
	recordimportv1 "github.com/microservicehub/mshub/workflows/recordimport/v1"
)

var (
	files   *filesact.Activities
	records *recordsact.Activities

	input = &recordimportv1.Input{File: "files/6f1c62b4-0f5e-7000-8000-000000000001", Dataset: "datasets/flights"}
)

// room stands in for files and records: a plan of some chunks, one of which may reject rows.
type room struct {
	mu       sync.Mutex
	chunks   int32
	rejected int64
	fails    map[string]error
	plan     *recordsv1.PlanImportRequest
	finish   *recordsv1.FinishImportRequest
	done     map[int32]int
	abort    *recordsv1.AbortImportRequest
}

func (r *room) fake(env *processtest.Env) {
	processtest.On(env, files.GetFile, func(in *filesv1.GetFileRequest) (*filesv1.File, error) {
		return &filesv1.File{Name: in.GetName(), FileName: "flights.csv.gz"}, r.fails["GetFile"]
	})
	processtest.On(env, files.CreateDownload, func(*filesv1.CreateDownloadRequest) (*filesv1.CreateDownloadResponse, error) {
		return &filesv1.CreateDownloadResponse{Url: "http://files/source"}, r.fails["CreateDownload"]
	})
	processtest.On(env, records.PlanImport, func(in *recordsv1.PlanImportRequest) (*recordsv1.PlanImportResponse, error) {
		r.plan = in
		return &recordsv1.PlanImportResponse{Chunks: r.chunks, Rows: int64(r.chunks) * 10}, r.fails["PlanImport"]
	})
	processtest.On(env, records.ImportChunk, func(in *recordsv1.ImportChunkRequest) (*recordsv1.ImportChunkResponse, error) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.done[in.GetChunk()]++
		return &recordsv1.ImportChunkResponse{Read: 10}, r.fails[fmt.Sprintf("ImportChunk %d", in.GetChunk())]
	})
	processtest.On(env, records.FinishImport, func(in *recordsv1.FinishImportRequest) (*recordsv1.FinishImportResponse, error) {
		r.finish = in
		read := int64(len(r.done)) * 10
		sum := &recordsv1.FinishImportResponse{Read: read, Inserted: read - r.rejected, Rejected: r.rejected}
		if in.GetRejectsUrl() == "" {
			return sum, r.fails["FinishImport"]
		}
		sum.RejectsSize, sum.RejectsSha256 = 7, "abc"
		return sum, r.fails["send"]
	})
	processtest.On(env, records.AbortImport, func(in *recordsv1.AbortImportRequest) (*recordsv1.AbortImportResponse, error) {
		r.abort = in
		return &recordsv1.AbortImportResponse{}, nil
	})
	processtest.On(env, files.CreateUpload, func(in *filesv1.CreateUploadRequest) (*filesv1.CreateUploadResponse, error) {
		return &filesv1.CreateUploadResponse{File: &filesv1.File{Name: "files/rejects", FileName: in.GetFileName()}, Url: "http://files/rejects"}, r.fails["CreateUpload"]
	})
	processtest.On(env, files.CompleteUpload, func(in *filesv1.CompleteUploadRequest) (*filesv1.File, error) {
		return &filesv1.File{Name: in.GetName()}, r.fails["CompleteUpload"]
	})
	processtest.On(env, files.DeleteFile, func(*filesv1.DeleteFileRequest) (*filesv1.DeleteFileResponse, error) {
		return &filesv1.DeleteFileResponse{}, nil
	})
}

func TestImport(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name     string
		rejected int64
		want     *recordimportv1.Result
		last     string
	}{
		{"without rejects", 0, &recordimportv1.Result{Read: 170, Inserted: 170}, "FinishImport"},
		{"with rejects", 3, &recordimportv1.Result{Read: 170, Inserted: 167, Rejected: 3, Rejects: "files/rejects"}, "CompleteUpload"},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			r := &room{chunks: 17, rejected: tc.rejected, done: map[int32]int{}}
			env := processtest.New(t, recordimport.Process)
			r.fake(env)
			got := env.Run(input)
			if diff := cmp.Diff(tc.want, got.Result, protocmp.Transform()); diff != "" {
				t.Errorf("%v\n%s", got.Err, diff)
			}
			for chunk := int32(1); chunk <= 17; chunk++ {
				if r.done[chunk] != 1 {
					t.Errorf("chunk %d was imported %d times", chunk, r.done[chunk])
				}
			}
			if r.plan.GetMode() != recordsv1.ImportMode_UPSERT || r.plan.GetSourceUrl() != "http://files/source" || (r.finish.GetRejectsUrl() != "") != (tc.rejected > 0) {
				t.Errorf("plan %s, finish %s", r.plan, r.finish)
			}
			if got.Title != "flights.csv.gz" || got.Calls[len(got.Calls)-1] != tc.last {
				t.Errorf("title %q, calls %v", got.Title, got.Calls)
			}
		})
	}
}

func TestImportFailsAtEachStep(t *testing.T) {
	t.Parallel()
	cases := []struct {
		verb    string
		step    string
		aborted bool
	}{
		{"GetFile", "file", false},
		{"CreateDownload", "plan", false},
		{"PlanImport", "plan", false},
		{"ImportChunk 9", "chunks", true},
		{"FinishImport", "finish", true},
	}
	for _, tc := range cases {
		t.Run(tc.verb, func(t *testing.T) {
			t.Parallel()
			r := &room{chunks: 17, rejected: 1, done: map[int32]int{}, fails: map[string]error{tc.verb: processtest.Refuse("failed_precondition", "BROKEN", "broken")}}
			env := processtest.New(t, recordimport.Process)
			r.fake(env)
			got := env.Run(input)
			if got.Finish.GetState() != runsv1.Run_FAILED || got.Finish.GetError().GetReason() != "BROKEN" || got.Finish.GetError().GetStep() != tc.step {
				t.Errorf("finish: %s", got.Finish)
			}
			if slices.Contains(got.Calls, "AbortImport") != tc.aborted {
				t.Errorf("calls: %v", got.Calls)
			}
		})
	}
}

// Once the import has ended its rows are in: for want of a file of the rejected ones it does not fail, and says so.
func TestRejectsThatCannotBeKept(t *testing.T) {
	t.Parallel()
	for _, verb := range []string{"CreateUpload", "send", "CompleteUpload"} {
		t.Run(verb, func(t *testing.T) {
			t.Parallel()
			r := &room{chunks: 17, rejected: 3, done: map[int32]int{}, fails: map[string]error{verb: processtest.Refuse("failed_precondition", "BROKEN", "broken")}}
			env := processtest.New(t, recordimport.Process)
			r.fake(env)
			got := env.Run(input)
			result, _ := got.Result.(*recordimportv1.Result)
			if got.Finish.GetState() != runsv1.Run_COMPLETED || result.GetInserted() != 167 || result.GetRejected() != 3 || result.GetRejects() != "" {
				t.Errorf("%s, %s, %v", got.Finish, result, got.Err)
			}
			if !strings.Contains(result.GetWarning(), "imports/") || !slices.Contains(got.Lines, "step.failed rejects") || slices.Contains(got.Calls, "AbortImport") {
				t.Errorf("%q, lines %v, calls %v", result.GetWarning(), got.Lines, got.Calls)
			}
		})
	}
}

// A link is made when it is needed: a run that is paused before it reads the file has a fresh one when it goes on.
func TestPausedBeforeTheFileIsRead(t *testing.T) {
	t.Parallel()
	r := &room{chunks: 1, done: map[int32]int{}}
	env := processtest.New(t, recordimport.Process)
	r.fake(env)
	env.WhenCalled("GetFile", func() { env.Command(process.UpdatePause, "not now") })
	env.After(48*time.Hour, func() {
		if slices.Contains(env.Calls, "CreateDownload") {
			t.Error("the link was made before the pause")
		}
		env.Command(process.UpdateResume, "now")
	})
	if got := env.Run(input); got.Finish.GetState() != runsv1.Run_COMPLETED || !slices.Contains(got.Calls, "CreateDownload") {
		t.Errorf("%s, %v", got.Finish, got.Calls)
	}
}

// Who cancels keeps what was written or not; the scratch space is freed either way.
func TestImportCancelledAmongChunks(t *testing.T) {
	t.Parallel()
	for _, keep := range []bool{false, true} {
		for _, keepOnFailure := range []bool{false, true} {
			t.Run(fmt.Sprintf("keep %v %v", keep, keepOnFailure), func(t *testing.T) {
				t.Parallel()
				r := &room{chunks: 400, done: map[int32]int{}}
				env := processtest.New(t, recordimport.Process)
				r.fake(env)
				var once sync.Once
				env.WhenCalled("ImportChunk", func() {
					once.Do(func() { env.Send(process.UpdateCancel, process.Command{Keep: keep, Reason: "wrong file"}) })
				})
				got := env.Run(&recordimportv1.Input{File: input.GetFile(), Dataset: input.GetDataset(), KeepOnFailure: keepOnFailure})
				if got.Finish.GetState() != runsv1.Run_CANCELLED || got.Finish.GetError().GetMessage() != "wrong file" || len(r.done) > 4 {
					t.Errorf("finish: %s after %d chunks", got.Finish, len(r.done))
				}
				if n := len(got.Calls); got.Calls[n-1] != "AbortImport" || r.abort.GetKeep() != keep {
					t.Errorf("calls: %v, %v", got.Calls, r.abort)
				}
			})
		}
	}
}

// From the summing up on nothing can be undone: a cancel is refused, so that a cancelled import never leaves rows behind.
func TestImportCancelledTooLate(t *testing.T) {
	t.Parallel()
	r := &room{chunks: 4, rejected: 1, done: map[int32]int{}}
	env := processtest.New(t, recordimport.Process)
	r.fake(env)
	var reasons []string
	why := func(reason string) { reasons = append(reasons, reason) }
	env.WhenCalled("FinishImport", func() { env.Refused(process.UpdateCancel, process.Command{Reason: "wrong file"}, why) })
	env.WhenCalled("CompleteUpload", func() { env.Refused(process.UpdateReset, process.Command{Step: "finish"}, why) })
	got := env.Run(input)
	if !slices.Equal(reasons, []string{"ENDING", "ENDING", "ENDING"}) || got.Finish.GetState() != runsv1.Run_COMPLETED || slices.Contains(got.Calls, "AbortImport") {
		t.Errorf("refused with %v, finish %s, calls %v", reasons, got.Finish, got.Calls)
	}
}

func TestImportThatFailsKeepsWhatItWroteIfToldSo(t *testing.T) {
	t.Parallel()
	for _, keep := range []bool{false, true} {
		r := &room{chunks: 4, done: map[int32]int{}, fails: map[string]error{"ImportChunk 3": processtest.Refuse("failed_precondition", "TOO_MANY_REJECTS", "11 rows")}}
		env := processtest.New(t, recordimport.Process)
		r.fake(env)
		got := env.Run(&recordimportv1.Input{File: input.GetFile(), Dataset: input.GetDataset(), KeepOnFailure: keep, MaxRejects: 10})
		if got.Finish.GetError().GetReason() != "TOO_MANY_REJECTS" || r.abort.GetKeep() != keep || r.plan.GetMaxRejects() != 10 {
			t.Errorf("keep %v: finish %s, abort %v, plan %v", keep, got.Finish, r.abort, r.plan)
		}
	}
}

// A URL and an earlier run's rejects are read without a file.
func TestImportFromElsewhere(t *testing.T) {
	t.Parallel()
	const first = "runs/6f1c62b4-0f5e-7000-8000-000000000009"
	for name, c := range map[string]struct {
		in    *recordimportv1.Input
		plan  *recordsv1.PlanImportRequest
		title string
	}{
		"url": {
			&recordimportv1.Input{Dataset: "datasets/flights", SourceUrl: "s3://bucket/2013/flights.csv.gz", Mode: recordsv1.ImportMode_REPLACE},
			&recordsv1.PlanImportRequest{Dataset: "datasets/flights", ExternalUrl: "s3://bucket/2013/flights.csv.gz", Mode: recordsv1.ImportMode_REPLACE}, "flights.csv.gz",
		},
		"rejects": {
			&recordimportv1.Input{File: input.GetFile(), Dataset: "datasets/flights", Mode: recordsv1.ImportMode_REPLACE, RejectsOf: first},
			&recordsv1.PlanImportRequest{RejectsOf: first}, "Rejected rows of " + first,
		},
	} {
		r := &room{chunks: 2, done: map[int32]int{}}
		env := processtest.New(t, recordimport.Process)
		r.fake(env)
		got := env.Run(c.in)
		if diff := cmp.Diff(c.plan, r.plan, protocmp.Transform()); diff != "" || got.Title != c.title || got.Finish.GetState() != runsv1.Run_COMPLETED {
			t.Errorf("%s: %q, %s\n%s", name, got.Title, got.Finish, diff)
		}
		if slices.Contains(got.Calls, "GetFile") || slices.Contains(got.Calls, "CreateDownload") {
			t.Errorf("%s: calls %v", name, got.Calls)
		}
	}
}

func TestInputNamesASourceAndADataset(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		in *recordimportv1.Input
		ok bool
	}{
		"file": {input, true}, "url": {&recordimportv1.Input{Dataset: "datasets/a", SourceUrl: "https://a.b/c"}, true},
		"rejects": {&recordimportv1.Input{RejectsOf: "runs/6f1c62b4-0f5e-7000-8000-000000000009"}, true}, "nothing": {&recordimportv1.Input{}, false},
		"no source": {&recordimportv1.Input{Dataset: "datasets/a"}, false}, "no dataset": {&recordimportv1.Input{File: input.GetFile()}, false},
		"scheme": {&recordimportv1.Input{Dataset: "datasets/a", SourceUrl: "file:///etc/passwd"}, false}, "bad name": {&recordimportv1.Input{Dataset: "datasets/A b", File: input.GetFile()}, false},
	} {
		if err := protovalidate.Validate(c.in); (err == nil) != c.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
}
