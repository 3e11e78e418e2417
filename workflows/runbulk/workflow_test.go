package runbulk_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"

	filesact "github.com/microservicehub/mshub/activities/files"
	runsact "github.com/microservicehub/mshub/activities/runs"
	filesv1 "github.com/microservicehub/mshub/services/files/v1"
	runsv1 "github.com/microservicehub/mshub/services/runs/v1"
	"github.com/microservicehub/mshub/workflows/process"
	"github.com/microservicehub/mshub/workflows/process/processtest"
	"github.com/microservicehub/mshub/workflows/runbulk"
	runbulkv1 "github.com/microservicehub/mshub/workflows/runbulk/v1"
)

var (
	runs  *runsact.Activities
	files *filesact.Activities
)

// office stands in for runs and files: a plan of some batches, some of whose runs refuse.
type office struct {
	mu      sync.Mutex
	batches int32
	refused int64
	fails   map[string]error
	plan    *runsv1.PlanBulkRequest
	applied map[int32]int
}

func (o *office) fake(env *processtest.Env) {
	o.applied = map[int32]int{}
	processtest.On(env, runs.PlanBulk, func(in *runsv1.PlanBulkRequest) (*runsv1.PlanBulkResponse, error) {
		o.plan = in
		if in.GetDryRun() {
			return &runsv1.PlanBulkResponse{Runs: int64(o.batches) * 50}, nil
		}
		return &runsv1.PlanBulkResponse{Batches: o.batches, Runs: int64(o.batches) * 50}, o.fails["PlanBulk"]
	})
	processtest.On(env, runs.ApplyBulk, func(in *runsv1.ApplyBulkRequest) (*runsv1.ApplyBulkResponse, error) {
		o.mu.Lock()
		defer o.mu.Unlock()
		o.applied[in.GetBatch()]++
		return &runsv1.ApplyBulkResponse{Done: 50}, o.fails[fmt.Sprintf("ApplyBulk %d", in.GetBatch())]
	})
	processtest.On(env, runs.FinishBulk, func(*runsv1.FinishBulkRequest) (*runsv1.FinishBulkResponse, error) {
		res := &runsv1.FinishBulkResponse{Done: int64(o.batches)*50 - o.refused, Failed: o.refused}
		if o.refused > 0 {
			res.FailuresSize, res.FailuresSha256 = 7, "abc"
		}
		return res, o.fails["FinishBulk"]
	})
	processtest.On(env, files.CreateUpload, func(in *filesv1.CreateUploadRequest) (*filesv1.CreateUploadResponse, error) {
		return &filesv1.CreateUploadResponse{File: &filesv1.File{Name: "files/list", FileName: in.GetFileName()}, Url: "http://files/list"}, o.fails["CreateUpload"]
	})
	processtest.On(env, files.CompleteUpload, func(in *filesv1.CompleteUploadRequest) (*filesv1.File, error) {
		return &filesv1.File{Name: in.GetName()}, o.fails["CompleteUpload"]
	})
	processtest.On(env, files.DeleteFile, func(*filesv1.DeleteFileRequest) (*filesv1.DeleteFileResponse, error) {
		return &filesv1.DeleteFileResponse{}, nil
	})
}

func pause() *runbulkv1.Input {
	return &runbulkv1.Input{Command: runsv1.Run_PAUSE, Filter: `state="RUNNING"`, Reason: "maintenance"}
}

func TestBulk(t *testing.T) {
	t.Parallel()
	dry := pause()
	dry.DryRun = true
	for name, tc := range map[string]struct {
		in      *runbulkv1.Input
		refused int64
		want    *runbulkv1.Result
		last    string
		title   string
	}{
		"all obey":    {pause(), 0, &runbulkv1.Result{Runs: 1000, Done: 1000}, "DeleteFile", "Pause many"},
		"some refuse": {pause(), 3, &runbulkv1.Result{Runs: 1000, Done: 997, Failed: 3, Failures: "files/list"}, "CompleteUpload", "Pause many"},
		"dry run":     {dry, 0, &runbulkv1.Result{Runs: 1000}, "PlanBulk", "Pause many (dry run)"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := &office{batches: 20, refused: tc.refused}
			env := processtest.New(t, runbulk.Process)
			o.fake(env)
			got := env.Run(tc.in)
			if diff := cmp.Diff(tc.want, got.Result, protocmp.Transform()); diff != "" {
				t.Errorf("%v\n%s", got.Err, diff)
			}
			if got.Title != tc.title || got.Calls[len(got.Calls)-1] != tc.last || o.plan.GetFilter() != tc.in.GetFilter() || o.plan.GetReason() != "maintenance" {
				t.Errorf("%q, %v, %s", got.Title, got.Calls, o.plan)
			}
			for batch, n := range o.applied {
				if n != 1 || tc.in.GetDryRun() {
					t.Errorf("batch %d was applied %d times", batch, n)
				}
			}
		})
	}
}

func TestBulkFailsAtEachStep(t *testing.T) {
	t.Parallel()
	for verb, step := range map[string]string{
		"PlanBulk": "plan", "ApplyBulk 7": "apply", "CreateUpload": "finish", "FinishBulk": "finish", "CompleteUpload": "failures",
	} {
		t.Run(verb, func(t *testing.T) {
			t.Parallel()
			o := &office{batches: 20, refused: 1, fails: map[string]error{verb: processtest.Refuse("failed_precondition", "BROKEN", "broken")}}
			env := processtest.New(t, runbulk.Process)
			o.fake(env)
			got := env.Run(pause())
			if got.Finish.GetState() != runsv1.Run_FAILED || got.Finish.GetError().GetReason() != "BROKEN" || got.Finish.GetError().GetStep() != step {
				t.Errorf("finish: %s", got.Finish)
			}
		})
	}
}

// The link for the list lives for an hour, a pause as long as somebody likes: it is made when it is needed.
func TestBulkPausedBeforeItIsSummedUp(t *testing.T) {
	t.Parallel()
	o := &office{batches: 1, refused: 1}
	env := processtest.New(t, runbulk.Process)
	o.fake(env)
	env.WhenCalled("ApplyBulk", func() { env.Command(process.UpdatePause, "not now") })
	env.After(48*time.Hour, func() {
		if slices.Contains(env.Calls, "CreateUpload") {
			t.Error("the link was made before the pause")
		}
		env.Command(process.UpdateResume, "now")
	})
	got := env.Run(pause())
	if result, _ := got.Result.(*runbulkv1.Result); got.Finish.GetState() != runsv1.Run_COMPLETED || result.GetFailures() != "files/list" {
		t.Errorf("%s, %v", got.Finish, got.Calls)
	}
}

// Who resets the run to go on from the list has it kept anew, from the place where it was sent.
func TestBulkResetToTheList(t *testing.T) {
	t.Parallel()
	o := &office{batches: 1, refused: 1}
	env := processtest.New(t, runbulk.Process)
	o.fake(env)
	var once sync.Once
	env.WhenCalled("CompleteUpload", func() {
		once.Do(func() {
			env.Send(process.UpdateReset, process.Command{Actor: "users/op", Reason: "the file store was away", Step: "failures"})
		})
	})
	got := env.Run(pause())
	result, _ := got.Result.(*runbulkv1.Result)
	if got.Finish.GetState() != runsv1.Run_COMPLETED || result.GetFailures() != "files/list" || got.Executions != 2 {
		t.Errorf("%s, %v", got.Finish, got.Calls)
	}
	finished := func(call string) bool { return call == "FinishBulk" }
	if i := slices.IndexFunc(got.Calls, finished); i < 0 || slices.ContainsFunc(got.Calls[i+1:], finished) {
		t.Errorf("the sum was asked for again: %v", got.Calls)
	}
}

func TestBulkCancelledAmongBatches(t *testing.T) {
	t.Parallel()
	o := &office{batches: 400}
	env := processtest.New(t, runbulk.Process)
	o.fake(env)
	var once sync.Once
	env.WhenCalled("ApplyBulk", func() { once.Do(func() { env.Command(process.UpdateCancel, "enough") }) })
	got := env.Run(pause())
	if got.Finish.GetState() != runsv1.Run_CANCELLED || len(o.applied) > 4 || slices.Contains(got.Calls, "FinishBulk") {
		t.Errorf("finish: %s after %d batches, %v", got.Finish, len(o.applied), got.Calls)
	}
}
