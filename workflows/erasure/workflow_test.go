package erasure_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"

	auditact "github.com/microservicehub/mshub/activities/audit"
	filesact "github.com/microservicehub/mshub/activities/files"
	identityact "github.com/microservicehub/mshub/activities/identity"
	notifyact "github.com/microservicehub/mshub/activities/notify"
	recordsact "github.com/microservicehub/mshub/activities/records"
	runsact "github.com/microservicehub/mshub/activities/runs"
	auditv1 "github.com/microservicehub/mshub/services/audit/v1"
	filesv1 "github.com/microservicehub/mshub/services/files/v1"
	identityv1 "github.com/microservicehub/mshub/services/identity/v1"
	notifyv1 "github.com/microservicehub/mshub/services/notify/v1"
	recordsv1 "github.com/microservicehub/mshub/services/records/v1"
	runsv1 "github.com/microservicehub/mshub/services/runs/v1"
	"github.com/microservicehub/mshub/workflows/erasure"
	erasurev1 "github.com/microservicehub/mshub/workflows/erasure/v1"
	"github.com/microservicehub/mshub/workflows/process"
	"github.com/microservicehub/mshub/workflows/process/processtest"
)

var (
	people    *identityact.Activities
	processes *runsact.Activities
	documents *recordsact.Activities
	store     *filesact.Activities
	mail      *notifyact.Activities
	trail     *auditact.Activities
)

const (
	ada   = "users/01920000-0000-7000-8000-000000000001"
	email = "ada@example.org"
)

// town stands in for all services: each holds so many things about one person, until it is told to forget them.
type town struct {
	account, records, files, messages, entries, runs int64
	openRounds                                       int // how often a run about the person is still open
	kept                                             bool
	order                                            []string
	certificate                                      string
	fails                                            map[string]error // by the verb's name, only when it erases
}

func everything() *town {
	return &town{account: 1, records: 2, files: 3, messages: 4, entries: 5, runs: 6}
}

// erase empties a count unless it is a dry run.
func (w *town) erase(verb string, dry bool, n *int64) (int64, error) {
	had := *n
	if dry {
		return had, nil
	}
	if err := w.fails[verb]; err != nil {
		return 0, err
	}
	w.order = append(w.order, verb)
	*n = 0
	return had, nil
}

func (w *town) fake(env *processtest.Env) {
	processtest.On(env, people.ErasePerson, func(in *identityv1.ErasePersonRequest) (*identityv1.ErasePersonResponse, error) {
		if err := w.fails["Find"]; err != nil && in.GetDryRun() {
			return nil, err
		}
		if in.GetPerson() == "users/01920000-0000-7000-8000-00000000dead" {
			return &identityv1.ErasePersonResponse{}, nil
		}
		n, err := w.erase("ErasePerson", in.GetDryRun(), &w.account)
		res := &identityv1.ErasePersonResponse{Email: email, EmailSha256: "5ha", Memberships: n, Account: n > 0}
		if n > 0 || in.GetPerson() == ada {
			res.User = ada
		}
		return res, err
	})
	processtest.On(env, processes.EraseSubject, func(in *runsv1.EraseSubjectRequest) (*runsv1.EraseSubjectResponse, error) {
		if !in.GetDryRun() && w.openRounds > 0 {
			w.openRounds--
			return &runsv1.EraseSubjectResponse{OpenRuns: []string{"runs/other"}}, nil
		}
		n, err := w.erase("EraseSubject", in.GetDryRun(), &w.runs)
		return &runsv1.EraseSubjectResponse{Runs: n, Tasks: n}, err
	})
	processtest.On(env, documents.EraseRecords, func(in *recordsv1.EraseRecordsRequest) (*recordsv1.EraseRecordsResponse, error) {
		n, err := w.erase("EraseRecords", in.GetDryRun(), &w.records)
		return &recordsv1.EraseRecordsResponse{Records: n}, err
	})
	processtest.On(env, store.EraseFiles, func(in *filesv1.EraseFilesRequest) (*filesv1.EraseFilesResponse, error) {
		w.kept = in.GetKeep()
		n, err := w.erase("EraseFiles", in.GetDryRun(), &w.files)
		return &filesv1.EraseFilesResponse{Files: n}, err
	})
	processtest.On(env, mail.EraseMessages, func(in *notifyv1.EraseMessagesRequest) (*notifyv1.EraseMessagesResponse, error) {
		n, err := w.erase("EraseMessages", in.GetDryRun(), &w.messages)
		return &notifyv1.EraseMessagesResponse{Messages: n}, err
	})
	processtest.On(env, trail.EraseDetails, func(in *auditv1.EraseDetailsRequest) (*auditv1.EraseDetailsResponse, error) {
		n, err := w.erase("EraseDetails", in.GetDryRun(), &w.entries)
		return &auditv1.EraseDetailsResponse{Entries: n}, err
	})
	processtest.On(env, store.WriteFile, func(in *filesv1.WriteFileRequest) (*filesv1.File, error) {
		w.certificate = string(in.GetContent())
		return &filesv1.File{Name: "files/certificate", Sha256: "abc", FileName: in.GetFileName()}, w.fails["WriteFile"]
	})
}

func input() *erasurev1.Input {
	return &erasurev1.Input{User: ada, Reason: "request 7 of ada@example.org, who is Ada@Example.org elsewhere"}
}

var found = &erasurev1.Counts{Runs: 6, Tasks: 6, Records: 2, Files: 3, Messages: 4, AuditEntries: 5, Memberships: 1, Account: true}

func TestErasure(t *testing.T) {
	t.Parallel()
	w := everything()
	w.openRounds = 2
	env := processtest.New(t, erasure.Process)
	w.fake(env)
	env.Decide(time.Hour, runsv1.Task_APPROVE, "")
	got := env.Run(input())
	want := &erasurev1.Result{User: ada, Counts: found, Left: &erasurev1.Counts{}, Certificate: "files/certificate", CertificateSha256: "abc", DecidedBy: "users/decider"}
	if diff := cmp.Diff(want, got.Result, protocmp.Transform()); diff != "" {
		t.Errorf("%v\n%s", got.Err, diff)
	}
	if diff := cmp.Diff([]string{"EraseSubject", "EraseRecords", "EraseFiles", "EraseMessages", "ErasePerson", "EraseDetails"}, w.order); diff != "" {
		t.Error(diff)
	}
	task := env.Tasks()["approval"]
	if !task.GetFourEyes() || task.GetApproveLabel() != "Erase" || !slices.Equal(got.Requests[0].GetExcluded(), []string{ada}) || task.GetContext().GetFields()["files"].GetStringValue() != "3" {
		t.Errorf("%s", task)
	}
	// What stays must not name the person.
	for _, text := range []string{got.Title, task.String(), w.certificate} {
		if strings.Contains(strings.ToLower(text), email) {
			t.Errorf("the address stays in %s", text)
		}
	}
	var certificate struct {
		User, EmailSha256, ApprovedBy string
		Found, Left                   struct{ Records, Runs int64 }
	}
	if err := json.Unmarshal([]byte(w.certificate), &certificate); err != nil || certificate.User != ada || certificate.Found.Records != 2 || certificate.Left.Records != 0 || certificate.EmailSha256 != "5ha" {
		t.Errorf("%v, %s", err, w.certificate)
	}
}

func TestADryRunErasesNothing(t *testing.T) {
	t.Parallel()
	w := everything()
	env := processtest.New(t, erasure.Process)
	w.fake(env)
	in := input()
	in.DryRun = true
	got := env.Run(in)
	if diff := cmp.Diff(&erasurev1.Result{User: ada, Counts: found}, got.Result, protocmp.Transform()); diff != "" || len(w.order) != 0 || len(got.Requests) != 0 {
		t.Errorf("%v\n%s\n%v", got.Err, diff, w.order)
	}
}

func TestAnAddressWithoutAccount(t *testing.T) {
	t.Parallel()
	w := everything()
	w.account = 0
	env := processtest.New(t, erasure.Process)
	w.fake(env)
	env.Decide(time.Hour, runsv1.Task_APPROVE, "")
	env.Fill("approval", &erasurev1.Approval{KeepFiles: true})
	in := input()
	in.User = email
	got := env.Run(in)
	if result, _ := got.Result.(*erasurev1.Result); result.GetUser() != "" || result.GetCertificate() == "" || got.Title != "an address without account" || len(w.order) != 6 {
		t.Errorf("%v, %v, %q, %v", got.Result, got.Err, got.Title, w.order)
	}
}

func TestNothingIsErasedWithoutApproval(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		prepare func(*processtest.Env, *town)
		user    string
		state   runsv1.Run_State
		reason  string
	}{
		"rejected": {func(e *processtest.Env, _ *town) { e.Decide(time.Hour, runsv1.Task_REJECT, "a lawsuit is open") }, ada, runsv1.Run_FAILED, "REJECTED"},
		"silence":  {func(*processtest.Env, *town) {}, ada, runsv1.Run_FAILED, process.ReasonExpired},
		"unknown":  {func(*processtest.Env, *town) {}, "users/01920000-0000-7000-8000-00000000dead", runsv1.Run_FAILED, "NOT_FOUND"},
		"cancelled": {func(e *processtest.Env, _ *town) {
			e.After(time.Hour, func() { e.Command(process.UpdateCancel, "no") })
		}, ada, runsv1.Run_CANCELLED, process.ReasonCancelled},
		"the last administrator": {func(e *processtest.Env, w *town) {
			w.fails = map[string]error{"Find": processtest.Refuse("failed_precondition", "LAST_ADMINISTRATOR", "no")}
			e.After(time.Hour, func() { e.Command(process.UpdateCancel, "somebody else first") })
		}, ada, runsv1.Run_CANCELLED, process.ReasonCancelled},
	} {
		w := everything()
		env := processtest.New(t, erasure.Process)
		w.fake(env)
		tc.prepare(env, w)
		in := input()
		in.User = tc.user
		if got := env.Run(in); got.Finish.GetState() != tc.state || got.Finish.GetError().GetReason() != tc.reason || len(w.order) != 0 {
			t.Errorf("%s: %s, %v", name, got.Finish, w.order)
		}
	}
}

func TestAStepThatFailsParksAndIsTriedAgain(t *testing.T) {
	t.Parallel()
	no := processtest.Refuse("failed_precondition", "NO", "no")
	for verb, step := range map[string]string{
		"EraseRecords": "records", "EraseFiles": "files", "EraseMessages": "messages", "ErasePerson": "account", "EraseDetails": "audit", "WriteFile": "certificate",
	} {
		t.Run(verb, func(t *testing.T) {
			t.Parallel()
			w := everything()
			w.fails = map[string]error{verb: no}
			env := processtest.New(t, erasure.Process)
			w.fake(env)
			env.Decide(time.Hour, runsv1.Task_APPROVE, "")
			env.After(5*time.Hour, func() {
				delete(w.fails, verb)
				env.Send(process.UpdateRetryStep, process.Command{Actor: "users/operator", Reason: "mended"})
			})
			got := env.Run(input())
			if got.Finish.GetState() != runsv1.Run_COMPLETED || !slices.Contains(got.Lines, "run.parked "+step) || w.files+w.records+w.messages+w.entries+w.runs+w.account != 0 {
				t.Errorf("%s, %v", got.Finish, got.Lines)
			}
		})
	}
}

func TestASkippedStepIsCertified(t *testing.T) {
	t.Parallel()
	w := everything()
	w.fails = map[string]error{"EraseFiles": processtest.Refuse("failed_precondition", "NO", "no")}
	env := processtest.New(t, erasure.Process)
	w.fake(env)
	env.Decide(time.Hour, runsv1.Task_APPROVE, "")
	env.After(5*time.Hour, func() {
		env.Send(process.UpdateSkipStep, process.Command{Actor: "users/operator", Reason: "the store is gone"})
	})
	got := env.Run(input())
	if result, _ := got.Result.(*erasurev1.Result); result.GetLeft().GetFiles() != 3 || result.GetLeft().GetRecords() != 0 {
		t.Errorf("%v, %v", got.Result, got.Err)
	}
}

func TestRunsThatNeverEnd(t *testing.T) {
	t.Parallel()
	w := everything()
	w.openRounds = 1 << 20
	env := processtest.New(t, erasure.Process)
	w.fake(env)
	env.Set("open-runs", 10*time.Hour)
	env.Decide(time.Hour, runsv1.Task_APPROVE, "")
	if got := env.Run(input()); got.Finish.GetError().GetReason() != process.ReasonExpired || got.Finish.GetError().GetStep() != "runs" || len(w.order) != 0 {
		t.Errorf("%s, %v", got.Finish, w.order)
	}
}
