package userbulk_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"

	filesact "github.com/microservicehub/mshub/activities/files"
	identityact "github.com/microservicehub/mshub/activities/identity"
	notifyact "github.com/microservicehub/mshub/activities/notify"
	filesv1 "github.com/microservicehub/mshub/services/files/v1"
	identityv1 "github.com/microservicehub/mshub/services/identity/v1"
	notifyv1 "github.com/microservicehub/mshub/services/notify/v1"
	runsv1 "github.com/microservicehub/mshub/services/runs/v1"
	"github.com/microservicehub/mshub/workflows/process"
	"github.com/microservicehub/mshub/workflows/process/processtest"
	"github.com/microservicehub/mshub/workflows/userbulk"
	userbulkv1 "github.com/microservicehub/mshub/workflows/userbulk/v1"
)

var (
	people *identityact.Activities
	mail   *notifyact.Activities
	store  *filesact.Activities
)

// town stands in for identity, notify and files: a plan of some batches, one of whose people can't be mailed.
type town struct {
	mu      sync.Mutex
	batches int32
	people  int64
	failed  int64
	mails   int // of each batch
	fails   map[string]error
	plan    *identityv1.PlanUserBulkRequest
	applied map[int32]int
	noted   []string
	undone  bool
}

func (w *town) fake(env *processtest.Env) {
	w.applied = map[int32]int{}
	processtest.On(env, store.CreateDownload, func(*filesv1.CreateDownloadRequest) (*filesv1.CreateDownloadResponse, error) {
		return &filesv1.CreateDownloadResponse{Url: "http://files/people"}, w.fails["CreateDownload"]
	})
	processtest.On(env, people.PlanUserBulk, func(in *identityv1.PlanUserBulkRequest) (*identityv1.PlanUserBulkResponse, error) {
		w.plan = in
		return &identityv1.PlanUserBulkResponse{Batches: w.batches, People: w.people, Failed: w.failed}, w.fails["PlanUserBulk"]
	})
	processtest.On(env, people.ApplyUserBulk, func(in *identityv1.ApplyUserBulkRequest) (*identityv1.ApplyUserBulkResponse, error) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.applied[in.GetBatch()]++
		res := &identityv1.ApplyUserBulkResponse{Done: 2}
		for i := range w.mails {
			res.Mails = append(res.Mails, &identityv1.ApplyUserBulkResponse_Mail{Email: fmt.Sprintf("%d.%d@example.org", in.GetBatch(), i), Line: int64(in.GetBatch())*100 + int64(i)})
		}
		return res, w.fails[fmt.Sprintf("ApplyUserBulk %d", in.GetBatch())]
	})
	processtest.On(env, people.GetOrganisation, func(*identityv1.GetOrganisationRequest) (*identityv1.Organisation, error) {
		return &identityv1.Organisation{DisplayName: "Acme"}, nil
	})
	processtest.On(env, mail.SendMails, func(in *notifyv1.SendMailsRequest) (*notifyv1.SendMailsResponse, error) {
		return &notifyv1.SendMailsResponse{Sent: int64(len(in.GetMails())) - 1, Refused: []*notifyv1.SendMailsResponse_Refused{{Index: 1, Reason: "MAIL_REFUSED", Message: "no such mailbox"}}}, w.fails["SendMails"]
	})
	processtest.On(env, people.NoteUserBulkMails, func(in *identityv1.NoteUserBulkMailsRequest) (*identityv1.NoteUserBulkMailsResponse, error) {
		w.mu.Lock()
		defer w.mu.Unlock()
		for _, r := range in.GetRefused() {
			w.noted = append(w.noted, fmt.Sprint(r.GetLine(), " ", r.GetReason()))
		}
		return &identityv1.NoteUserBulkMailsResponse{}, nil
	})
	processtest.On(env, people.UndoUserBulk, func(*identityv1.UndoUserBulkRequest) (*identityv1.UndoUserBulkResponse, error) {
		w.undone = true
		return &identityv1.UndoUserBulkResponse{}, nil
	})
	processtest.On(env, people.FinishUserBulk, func(*identityv1.FinishUserBulkRequest) (*identityv1.FinishUserBulkResponse, error) {
		res := &identityv1.FinishUserBulkResponse{People: w.people, Done: w.people - w.failed, Failed: w.failed}
		if w.failed > 0 {
			res.ListSize, res.ListSha256 = 7, "abc"
		}
		return res, w.fails["FinishUserBulk"]
	})
	processtest.On(env, store.CreateUpload, func(in *filesv1.CreateUploadRequest) (*filesv1.CreateUploadResponse, error) {
		return &filesv1.CreateUploadResponse{File: &filesv1.File{Name: "files/list", FileName: in.GetFileName()}, Url: "http://files/list"}, w.fails["CreateUpload"]
	})
	processtest.On(env, store.CompleteUpload, func(in *filesv1.CompleteUploadRequest) (*filesv1.File, error) {
		return &filesv1.File{Name: in.GetName()}, w.fails["CompleteUpload"]
	})
	processtest.On(env, store.DeleteFile, func(*filesv1.DeleteFileRequest) (*filesv1.DeleteFileResponse, error) {
		return &filesv1.DeleteFileResponse{}, nil
	})
}

func disable() *userbulkv1.Input {
	return &userbulkv1.Input{Action: identityv1.UserBulk_DISABLE, Filter: `roles:"viewer"`, Reason: "the project is over"}
}

func invite() *userbulkv1.Input {
	return &userbulkv1.Input{Action: identityv1.UserBulk_INVITE, File: "files/01920000-0000-7000-8000-000000000001", Role: "member", Reason: "the new team"}
}

func TestAFewPeople(t *testing.T) {
	t.Parallel()
	w := &town{batches: 1, people: 20}
	env := processtest.New(t, userbulk.Process)
	w.fake(env)
	got := env.Run(disable())
	if diff := cmp.Diff(&userbulkv1.Result{People: 20, Done: 20}, got.Result, protocmp.Transform()); diff != "" {
		t.Errorf("%v\n%s", got.Err, diff)
	}
	if got.Title != "Disable" || len(got.Requests) != 0 || w.plan.GetFilter() != `roles:"viewer"` || got.Calls[len(got.Calls)-1] != "DeleteFile" || w.undone {
		t.Errorf("%q, %v, %s, %v", got.Title, got.Requests, w.plan, got.Calls)
	}
}

func TestManyInvitations(t *testing.T) {
	t.Parallel()
	w := &town{batches: 3, people: 203, failed: 3, mails: 2}
	env := processtest.New(t, userbulk.Process)
	w.fake(env)
	env.Decide(time.Hour, runsv1.Task_APPROVE, "")
	got := env.Run(invite())
	if diff := cmp.Diff(&userbulkv1.Result{People: 203, Done: 200, Failed: 3, List: "files/list", ConfirmedBy: "users/decider"}, got.Result, protocmp.Transform()); diff != "" {
		t.Errorf("%v\n%s", got.Err, diff)
	}
	if task := env.Tasks()["confirm"]; task.GetTitle() != "Confirm: invite member, 203 people" || !task.GetFourEyes() || task.GetAssignee() != "roles/admin" || !slices.Equal(task.GetFiles(), []string{invite().GetFile()}) {
		t.Errorf("%s", task)
	}
	slices.Sort(w.noted)
	if diff := cmp.Diff([]string{"101 MAIL_REFUSED", "201 MAIL_REFUSED", "301 MAIL_REFUSED"}, w.noted); diff != "" {
		t.Error(diff)
	}
	if w.plan.GetSourceUrl() != "http://files/people" || w.plan.GetLifetimeSeconds() != 14*24*3600 {
		t.Errorf("%s", w.plan)
	}
}

func TestADryRunNeedsNoWord(t *testing.T) {
	t.Parallel()
	w := &town{batches: 3, people: 203, failed: 3}
	env := processtest.New(t, userbulk.Process)
	w.fake(env)
	in := invite()
	in.DryRun = true
	got := env.Run(in)
	if result, _ := got.Result.(*userbulkv1.Result); result.GetList() != "files/list" || len(got.Requests) != 0 || !w.plan.GetDryRun() || got.Title != "Invite member (dry run)" {
		t.Errorf("%v, %v, %q", got.Result, got.Err, got.Title)
	}
}

func TestFailsAtEachStep(t *testing.T) {
	t.Parallel()
	no := processtest.Refuse("failed_precondition", "NO", "no")
	for verb, tc := range map[string]struct {
		step   string
		undone bool
	}{
		"CreateDownload":  {"plan", false},
		"PlanUserBulk":    {"plan", false},
		"ApplyUserBulk 2": {"apply", true},
		"SendMails":       {"apply", true},
		"CreateUpload":    {"finish", true},
		"FinishUserBulk":  {"finish", true},
	} {
		t.Run(verb, func(t *testing.T) {
			t.Parallel()
			w := &town{batches: 3, people: 203, failed: 3, mails: 2, fails: map[string]error{verb: no}}
			env := processtest.New(t, userbulk.Process)
			w.fake(env)
			env.Decide(time.Hour, runsv1.Task_APPROVE, "")
			got := env.Run(invite())
			if e := got.Finish.GetError(); got.Finish.GetState() != runsv1.Run_FAILED || e.GetReason() != "NO" || e.GetStep() != tc.step || w.undone != tc.undone {
				t.Errorf("%s, undone %v", got.Finish, w.undone)
			}
		})
	}
}

// Links live for minutes, or an hour, a pause as long as somebody likes: they are made when they are needed.
func TestPausedBeforeALinkIsNeeded(t *testing.T) {
	t.Parallel()
	for link, before := range map[string]string{"CreateDownload": "", "CreateUpload": "ApplyUserBulk"} {
		t.Run(link, func(t *testing.T) {
			t.Parallel()
			w := &town{batches: 1, people: 3, failed: 1}
			env := processtest.New(t, userbulk.Process)
			w.fake(env)
			pause := func() { env.Command(process.UpdatePause, "not now") }
			if before == "" {
				env.After(0, pause)
			} else {
				env.WhenCalled(before, pause)
			}
			env.After(48*time.Hour, func() {
				if slices.Contains(env.Calls, link) {
					t.Error("the link was made before the pause")
				}
				env.Command(process.UpdateResume, "now")
			})
			got := env.Run(invite())
			if result, _ := got.Result.(*userbulkv1.Result); got.Finish.GetState() != runsv1.Run_COMPLETED || result.GetList() != "files/list" || !slices.Contains(got.Calls, link) {
				t.Errorf("%s, %v", got.Finish, got.Calls)
			}
		})
	}
}

// Who resets the run to go on from the list has it kept anew, from the place where it was sent.
func TestResetToTheList(t *testing.T) {
	t.Parallel()
	w := &town{batches: 1, people: 3, failed: 1}
	env := processtest.New(t, userbulk.Process)
	w.fake(env)
	var once sync.Once
	env.WhenCalled("CompleteUpload", func() {
		once.Do(func() {
			env.Send(process.UpdateReset, process.Command{Actor: "users/op", Reason: "the file store was away", Step: "list"})
		})
	})
	got := env.Run(disable())
	result, _ := got.Result.(*userbulkv1.Result)
	if got.Finish.GetState() != runsv1.Run_COMPLETED || result.GetList() != "files/list" || got.Executions != 2 || w.undone {
		t.Errorf("%s, %v", got.Finish, got.Calls)
	}
}

func TestAListThatIsLostUndoesNothing(t *testing.T) {
	t.Parallel()
	w := &town{batches: 1, people: 3, failed: 1, fails: map[string]error{"CompleteUpload": processtest.Refuse("failed_precondition", "HASH_DIFFERS", "no")}}
	env := processtest.New(t, userbulk.Process)
	w.fake(env)
	got := env.Run(disable())
	if got.Finish.GetState() != runsv1.Run_COMPLETED || w.undone || !slices.Contains(got.Lines, "step.failed list") {
		t.Errorf("%s, %v", got.Finish, got.Lines)
	}
}

func TestNobodyConfirms(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		prepare func(*processtest.Env)
		reason  string
	}{
		"rejected": {func(e *processtest.Env) { e.Decide(time.Hour, runsv1.Task_REJECT, "too many") }, "REJECTED"},
		"silence":  {func(*processtest.Env) {}, process.ReasonExpired},
	} {
		w := &town{batches: 1, people: 25}
		env := processtest.New(t, userbulk.Process)
		w.fake(env)
		tc.prepare(env)
		if got := env.Run(disable()); got.Finish.GetError().GetReason() != tc.reason || len(w.applied) != 0 {
			t.Errorf("%s: %s, %v", name, got.Finish, w.applied)
		}
	}
}

func TestCancelledAmongBatches(t *testing.T) {
	t.Parallel()
	for _, keep := range []bool{false, true} {
		w := &town{batches: 100, people: 20}
		env := processtest.New(t, userbulk.Process)
		w.fake(env)
		var once sync.Once
		env.WhenCalled("ApplyUserBulk", func() {
			once.Do(func() {
				env.Send(process.UpdateCancel, process.Command{Actor: "users/operator", Reason: "stop", Keep: keep})
			})
		})
		got := env.Run(disable())
		if got.Finish.GetState() != runsv1.Run_CANCELLED || len(w.applied) > 4 || w.undone == keep {
			t.Errorf("keep %v: %s after %d batches, undone %v", keep, got.Finish, len(w.applied), w.undone)
		}
	}
}
