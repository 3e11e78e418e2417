package digest_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/timestamppb"

	identityact "github.com/microservicehub/mshub/activities/identity"
	notifyact "github.com/microservicehub/mshub/activities/notify"
	runsact "github.com/microservicehub/mshub/activities/runs"
	identityv1 "github.com/microservicehub/mshub/services/identity/v1"
	notifyv1 "github.com/microservicehub/mshub/services/notify/v1"
	runsv1 "github.com/microservicehub/mshub/services/runs/v1"
	"github.com/microservicehub/mshub/workflows/digest"
	digestv1 "github.com/microservicehub/mshub/workflows/digest/v1"
	"github.com/microservicehub/mshub/workflows/process/processtest"
)

var (
	processes *runsact.Activities
	people    *identityact.Activities
	mail      *notifyact.Activities
)

// town has work that concerns some people, and a mail server that takes all mails but one.
type town struct {
	work    *runsv1.SummariseWorkResponse
	members []*identityv1.ListAddresseesResponse_Addressee
	refuse  string
	fails   map[string]error

	mu    sync.Mutex
	mails map[string]map[string]string
}

func (w *town) fake(env *processtest.Env) {
	w.mails = map[string]map[string]string{}
	processtest.On(env, processes.SummariseWork, func(*runsv1.SummariseWorkRequest) (*runsv1.SummariseWorkResponse, error) {
		return w.work, w.fails["SummariseWork"]
	})
	processtest.On(env, people.ListAddressees, func(in *identityv1.ListAddresseesRequest) (*identityv1.ListAddresseesResponse, error) {
		res := &identityv1.ListAddresseesResponse{}
		if !in.GetDigest() {
			return nil, processtest.Refuse("invalid_argument", "NO_DIGEST", "asked for people whatever mail they want")
		}
		for _, m := range w.members {
			if slices.ContainsFunc(m.GetConcerns(), func(c string) bool { return slices.Contains(in.GetConcerns(), c) }) {
				res.Addressees = append(res.Addressees, m)
			}
		}
		return res, w.fails["ListAddressees"]
	})
	processtest.On(env, people.GetOrganisation, func(*identityv1.GetOrganisationRequest) (*identityv1.Organisation, error) {
		return &identityv1.Organisation{DisplayName: "Acme"}, w.fails["GetOrganisation"]
	})
	processtest.On(env, mail.SendMails, func(in *notifyv1.SendMailsRequest) (*notifyv1.SendMailsResponse, error) {
		w.mu.Lock()
		defer w.mu.Unlock()
		res := &notifyv1.SendMailsResponse{}
		for i, m := range in.GetMails() {
			if m.GetRecipient() == w.refuse {
				res.Refused = append(res.Refused, &notifyv1.SendMailsResponse_Refused{Index: int32(i)})
				continue
			}
			w.mails[m.GetRecipient()] = maps.Clone(m.GetValues())
			w.mails[m.GetRecipient()]["end"] = m.GetUnsubscribe()
			res.Sent++
		}
		return res, w.fails["SendMails"]
	})
}

func member(email string, concerns ...string) *identityv1.ListAddresseesResponse_Addressee {
	return &identityv1.ListAddresseesResponse_Addressee{Email: email, DisplayName: strings.ToUpper(email[:1]), Concerns: concerns, Unsubscribe: "https://hub.example/" + email}
}

func busy() *town {
	return &town{
		work: &runsv1.SummariseWorkResponse{
			Tasks: []*runsv1.SummariseWorkResponse_Line{
				{Title: "Approve Bob", Concerns: "roles/approver", Time: &timestamppb.Timestamp{Seconds: 1_800_000_000}},
				{Title: "Upload", Concerns: "users/eve"},
			},
			FailedRuns: []*runsv1.SummariseWorkResponse_Line{{Process: "recordimport", Title: "flights.csv", Message: "no\nsuch column", Concerns: "users/ada"}},
			TaskCount:  2, FailedCount: 1,
		},
		members: []*identityv1.ListAddresseesResponse_Addressee{
			member("ada@example.org", "roles/approver", "users/ada"), member("bob@example.org", "roles/approver"), member("cy@example.org"), member("eve@example.org", "users/eve"),
		},
	}
}

func TestDigest(t *testing.T) {
	t.Parallel()
	w := busy()
	w.refuse = "bob@example.org"
	env := processtest.New(t, digest.Process)
	w.fake(env)
	got := env.Run(&digestv1.Input{})
	if diff := cmp.Diff(&digestv1.Result{Tasks: 2, FailedRuns: 1, Mails: 2, Refused: 1}, got.Result, protocmp.Transform()); diff != "" {
		t.Errorf("%v\n%s", got.Err, diff)
	}
	want := map[string]map[string]string{
		"ada@example.org": {"displayName": "A", "organisation": "Acme", "tasks": "- Approve Bob (until 15 January, 08:00 UTC)", "runs": "- recordimport flights.csv: no such column", "end": "https://hub.example/ada@example.org"},
		"eve@example.org": {"displayName": "E", "organisation": "Acme", "tasks": "- Upload", "runs": "", "end": "https://hub.example/eve@example.org"},
	}
	if diff := cmp.Diff(want, w.mails); diff != "" {
		t.Error(diff)
	}
}

func TestNothingToSay(t *testing.T) {
	t.Parallel()
	for name, w := range map[string]*town{
		"no work":                {work: &runsv1.SummariseWorkResponse{}},
		"of nobody who can read": {work: busy().work},
	} {
		env := processtest.New(t, digest.Process)
		w.fake(env)
		if got := env.Run(&digestv1.Input{}); got.Err != nil || len(w.mails) != 0 || slices.Contains(got.Calls, "SendMails") {
			t.Errorf("%s: %v, %v", name, got.Err, got.Calls)
		}
	}
}

func TestManyPeopleAndLines(t *testing.T) {
	t.Parallel()
	w := busy()
	for i := range 30 {
		w.work.Tasks = append(w.work.Tasks, &runsv1.SummariseWorkResponse_Line{Title: strings.Repeat("x", 300), Concerns: "roles/approver"})
		w.members = append(w.members, member(fmt.Sprintf("a%d@example.org", i), "roles/approver"))
	}
	for i := range 200 {
		w.members = append(w.members, member(fmt.Sprintf("b%d@example.org", i), "roles/approver"))
	}
	env := processtest.New(t, digest.Process)
	w.fake(env)
	got := env.Run(&digestv1.Input{})
	result, _ := got.Result.(*digestv1.Result)
	tasks := w.mails["bob@example.org"]["tasks"]
	if result.GetMails() != 233 || !strings.HasSuffix(tasks, "\nand 11 more") || len(tasks) > 4000 || strings.Count(tasks, "\n") != 20 {
		t.Errorf("%v, %v\n%s", result, got.Err, tasks)
	}
}

func TestFailsAtEachStep(t *testing.T) {
	t.Parallel()
	for verb, step := range map[string]string{"SummariseWork": "collect", "ListAddressees": "people", "GetOrganisation": "mails", "SendMails": "mails"} {
		w := busy()
		w.fails = map[string]error{verb: processtest.Refuse("failed_precondition", "NO", "no")}
		env := processtest.New(t, digest.Process)
		w.fake(env)
		if got := env.Run(&digestv1.Input{}); got.Finish.GetState() != runsv1.Run_FAILED || got.Finish.GetError().GetStep() != step {
			t.Errorf("%s: %s", verb, got.Finish)
		}
	}
}
