package onboarding_test

import (
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"

	identityact "github.com/microservicehub/mshub/activities/identity"
	notifyact "github.com/microservicehub/mshub/activities/notify"
	identityv1 "github.com/microservicehub/mshub/services/identity/v1"
	notifyv1 "github.com/microservicehub/mshub/services/notify/v1"
	runsv1 "github.com/microservicehub/mshub/services/runs/v1"
	"github.com/microservicehub/mshub/workflows/onboarding"
	onboardingv1 "github.com/microservicehub/mshub/workflows/onboarding/v1"
	"github.com/microservicehub/mshub/workflows/process"
	"github.com/microservicehub/mshub/workflows/process/processtest"
)

var (
	people *identityact.Activities
	mail   *notifyact.Activities
)

const (
	accepted = "identity.invitation.accepted"
	hour     = time.Hour
)

// town stands in for identity and notify, and keeps what is there: accounts and mails.
type town struct {
	mu          sync.Mutex
	invitations int // that are there
	invited     int // how many there were
	memberships int
	mails       []string
	reasons     []string
	updates     []string
	values      map[string]string // of the last mail
	fails       map[string]error
	lost        map[string]error // done, but the answer is lost
}

func (w *town) fake(env *processtest.Env) {
	processtest.On(env, people.ListUsers, func(in *identityv1.ListUsersRequest) (*identityv1.ListUsersResponse, error) {
		if in.GetFilter() != `email="boss@example.org" AND state="ACTIVE"` {
			return &identityv1.ListUsersResponse{}, nil
		}
		return &identityv1.ListUsersResponse{Users: []*identityv1.User{{Name: "users/boss"}}}, w.fails["ListUsers"]
	})
	processtest.On(env, people.GetUser, func(in *identityv1.GetUserRequest) (*identityv1.User, error) {
		user := &identityv1.User{Name: in.GetName(), Email: "boss@example.org", DisplayName: "Boss", State: identityv1.User_ACTIVE, Roles: []string{"approver"}}
		switch in.GetName() {
		case "users/boss":
			return user, nil
		case "users/decider":
			user.Email, user.DisplayName = "decider@example.org", "Dee"
			return user, nil
		case "users/gone":
			user.State = identityv1.User_DISABLED
			return user, nil
		case "users/guest":
			user.Roles = nil
			return user, nil
		}
		return nil, processtest.Refuse("not_found", "NOT_FOUND", "there is no user "+in.GetName())
	})
	processtest.On(env, people.ListRoles, func(*identityv1.ListRolesRequest) (*identityv1.ListRolesResponse, error) {
		return &identityv1.ListRolesResponse{Roles: []*identityv1.Role{{Name: "roles/admin"}, {Name: "roles/approver"}}}, nil
	})
	processtest.On(env, people.GetOrganisation, func(in *identityv1.GetOrganisationRequest) (*identityv1.Organisation, error) {
		return &identityv1.Organisation{Name: in.GetName(), DisplayName: "Acme"}, w.fails["GetOrganisation"]
	})
	processtest.On(env, people.InviteUser, func(in *identityv1.InviteUserRequest) (*identityv1.InviteUserResponse, error) {
		if err := w.fails["InviteUser"]; err != nil {
			return nil, err
		}
		w.invitations++
		w.invited++
		return &identityv1.InviteUserResponse{
			Invitation: &identityv1.Invitation{Name: fmt.Sprint("invitations/", w.invited), User: "users/ada", Email: in.GetEmail()}, Link: "http://here/verify?link=1",
		}, nil
	})
	processtest.On(env, people.WithdrawInvitation, func(*identityv1.WithdrawInvitationRequest) (*identityv1.WithdrawInvitationResponse, error) {
		w.invitations--
		return &identityv1.WithdrawInvitationResponse{}, nil
	})
	processtest.On(env, people.CreateMembership, func(in *identityv1.CreateMembershipRequest) (*identityv1.Membership, error) {
		if err := w.fails["CreateMembership"]; err != nil {
			return nil, err
		}
		w.memberships = 1 // however often it is asked for
		if err := w.lost["CreateMembership"]; err != nil {
			return nil, err
		}
		return &identityv1.Membership{Name: "memberships/1", User: in.GetMembership().GetUser(), Roles: in.GetMembership().GetRoles()}, nil
	})
	processtest.On(env, people.UpdateMembership, func(in *identityv1.UpdateMembershipRequest) (*identityv1.Membership, error) {
		if err := w.fails["UpdateMembership"]; err != nil {
			return nil, err
		}
		w.updates = append(w.updates, in.GetMembership().GetName()+" "+in.GetMembership().GetRoles()[0])
		return in.GetMembership(), nil
	})
	processtest.On(env, people.DeleteMembership, func(in *identityv1.DeleteMembershipRequest) (*identityv1.DeleteMembershipResponse, error) {
		if in.GetName() != "memberships/1" && (in.GetName() != "memberships/-" || in.GetUser() != "users/ada") {
			return nil, processtest.Refuse("not_found", "NOT_FOUND", in.String())
		}
		w.memberships = max(w.memberships-1, 0) // may come twice
		return &identityv1.DeleteMembershipResponse{}, nil
	})
	processtest.On(env, mail.SendMail, func(in *notifyv1.SendMailRequest) (*notifyv1.SendMailResponse, error) {
		w.mu.Lock()
		defer w.mu.Unlock()
		if err := w.fails[in.GetTemplate()]; err != nil {
			return nil, err
		}
		w.mails = append(w.mails, in.GetTemplate()+" "+in.GetRecipient())
		w.values = in.GetValues()
		if reason, ok := in.GetValues()["reason"]; ok {
			w.reasons = append(w.reasons, reason)
		}
		return &notifyv1.SendMailResponse{}, nil
	})
}

func input(approver string) *onboardingv1.Input {
	return &onboardingv1.Input{Email: "ada@example.org", DisplayName: "Ada", Role: "member", Approver: approver}
}

// customer is one with documents and a limit that needs two people.
func customer() *onboardingv1.Input {
	in := input("boss@example.org")
	in.Variant, in.Documents, in.Limit = onboardingv1.Variant_CUSTOMER, []string{"Register entry", "Passport"}, 20_000
	return in
}

var handedIn = &onboardingv1.Documents{Files: []string{"files/01920000-0000-7000-8000-000000000001", "files/01920000-0000-7000-8000-000000000002"}}

// answer is the fact that an invitation was accepted.
func answer(number int) string {
	return fmt.Sprintf(`{"user":"users/ada","invitation":"invitations/%d"}`, number)
}

func accept(env *processtest.Env, after time.Duration) {
	env.After(after, func() { env.Fact(accepted, answer(1)) })
}

func TestOnboarding(t *testing.T) {
	t.Parallel()
	w := &town{}
	env := processtest.New(t, onboarding.Process)
	w.fake(env)
	accept(env, 100*hour) // after one reminder
	env.Decide(60*hour, runsv1.Task_APPROVE, "")
	got := env.Run(input("Boss@example.org"))

	want := &onboardingv1.Result{User: "users/ada", Membership: "memberships/1", DecidedBy: "users/decider"}
	if diff := cmp.Diff(want, got.Result, protocmp.Transform()); diff != "" {
		t.Errorf("%v\n%s", got.Err, diff)
	}
	mails := []string{
		"invitation ada@example.org", "reminder ada@example.org", "task boss@example.org", "task boss@example.org", "welcome ada@example.org",
		"arrival decider@example.org",
	}
	if diff := cmp.Diff(mails, w.mails); diff != "" {
		t.Error(diff)
	}
	task := env.Tasks()["approval"]
	if got.Title != "ada@example.org" || task.GetAssignee() != "users/boss" || task.GetTitle() != "Approve Ada as member" {
		t.Errorf("title %q, task %s", got.Title, task)
	}
	if keys := slices.Sorted(slices.Values(got.Keys)); len(slices.Compact(slices.Clone(keys))) != len(keys)-1 {
		t.Errorf("calls share an idempotency key: %v", keys) // one pair may: CreateTask and AcknowledgeTask are different verbs
	}
}

func TestApproverByName(t *testing.T) {
	t.Parallel()
	for _, approver := range []string{"users/boss", "roles/approver"} {
		t.Run(approver, func(t *testing.T) {
			t.Parallel()
			env := processtest.New(t, onboarding.Process)
			(&town{}).fake(env)
			accept(env, hour)
			env.Decide(hour, runsv1.Task_APPROVE, "")
			got := env.Run(input(approver))
			if got.Err != nil || env.Tasks()["approval"].GetAssignee() != approver {
				t.Errorf("%v, task %s", got.Err, env.Tasks()["approval"])
			}
		})
	}
}

func TestOnboardingUndoesWhateverWasDone(t *testing.T) {
	t.Parallel()
	no := processtest.Refuse("failed_precondition", "NO", "no")
	cases := []struct {
		name     string
		fails    map[string]error
		approver string
		prepare  func(*processtest.Env)
		state    runsv1.Run_State
		reason   string
		step     string
		mails    []string // beside the invitation
		told     []string
	}{
		{name: "the role does not exist", fails: map[string]error{"InviteUser": no}, reason: "NO", step: "invite"},
		{name: "the approver is unknown", approver: "nobody@example.org", reason: "UNKNOWN_APPROVER", step: "approver"},
		{name: "the approver is nonsense", approver: `x" OR email="boss@example.org`, reason: "UNKNOWN_APPROVER", step: "approver"},
		{name: "the approver is no user", approver: "users/zzz", reason: "UNKNOWN_APPROVER", step: "approver"},
		{name: "the approver is disabled", approver: "users/gone", reason: "UNKNOWN_APPROVER", step: "approver"},
		{name: "the approver is no member yet", approver: "users/guest", reason: "UNKNOWN_APPROVER", step: "approver"},
		{name: "the approver is no role", approver: "roles/nope", reason: "UNKNOWN_APPROVER", step: "approver"},
		{name: "no organisation", fails: map[string]error{"GetOrganisation": no}, reason: "NO", step: "mail"},
		{name: "the mail is refused", fails: map[string]error{"invitation": no}, reason: "NO", step: "mail"},
		{
			name: "the person does not answer", reason: process.ReasonExpired, step: "acceptance",
			mails: []string{"reminder", "reminder", "reminder", "reminder", "rejection"}, told: []string{"the invitation was not accepted in time"},
		},
		{
			name: "nobody decides", reason: process.ReasonExpired, step: "approval", prepare: func(e *processtest.Env) { accept(e, hour) },
			mails: []string{"rejection"}, told: []string{`nobody decided "Approve Ada as member" in time`},
		},
		{
			name: "rejected", reason: "REJECTED", mails: []string{"rejection"}, told: []string{"no seat left"},
			prepare: func(e *processtest.Env) { accept(e, hour); e.Decide(hour, runsv1.Task_REJECT, "no seat left") },
		},
		{
			name: "the role can't be given", fails: map[string]error{"CreateMembership": no}, reason: "NO", step: "membership",
			prepare: func(e *processtest.Env) { accept(e, hour); e.Decide(hour, runsv1.Task_APPROVE, "") },
			mails:   []string{"rejection"}, told: []string{"no"},
		},
		{
			name: "cancelled while the person thinks", state: runsv1.Run_CANCELLED, reason: process.ReasonCancelled,
			prepare: func(e *processtest.Env) {
				e.After(hour, func() { e.Command(process.UpdateCancel, "wrong address") })
			},
			mails: []string{"rejection"}, told: []string{"wrong address"},
		},
		{
			name: "cancelled while the approver thinks", state: runsv1.Run_CANCELLED, reason: process.ReasonCancelled,
			prepare: func(e *processtest.Env) {
				accept(e, hour)
				e.After(5*hour, func() { e.Command(process.UpdateCancel, "not needed") })
			},
			mails: []string{"rejection"}, told: []string{"not needed"},
		},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			w := &town{fails: tc.fails}
			env := processtest.New(t, onboarding.Process)
			w.fake(env)
			if tc.prepare != nil {
				tc.prepare(env)
			}
			got := env.Run(input(tc.approver))
			if tc.state == 0 {
				tc.state = runsv1.Run_FAILED
			}
			if f := got.Finish; f.GetState() != tc.state || f.GetError().GetReason() != tc.reason || f.GetError().GetStep() != tc.step {
				t.Errorf("finish: %s", f)
			}
			if w.invitations != 0 || w.memberships != 0 {
				t.Errorf("left behind: %d invitations, %d memberships", w.invitations, w.memberships)
			}
			var want []string
			for _, m := range tc.mails {
				want = append(want, m+" ada@example.org")
			}
			if len(tc.mails) > 0 {
				want = append([]string{"invitation ada@example.org"}, want...)
			}
			if diff := cmp.Diff(want, w.mails); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(tc.told, w.reasons); diff != "" {
				t.Error(diff)
			}
			if open := slices.ContainsFunc(slices.Collect(maps.Values(env.Tasks())), func(task *runsv1.Task) bool { return task.GetState() == runsv1.Task_OPEN }); open {
				t.Error("a task is still open")
			}
		})
	}
}

func TestWelcomeThatCannotBeSentUndoesNothing(t *testing.T) {
	t.Parallel()
	w := &town{fails: map[string]error{"welcome": processtest.Refuse("invalid_argument", "NO", "no such mailbox")}}
	env := processtest.New(t, onboarding.Process)
	w.fake(env)
	accept(env, hour)
	env.Decide(hour, runsv1.Task_APPROVE, "")
	got := env.Run(input(""))
	if got.Finish.GetState() != runsv1.Run_COMPLETED || w.memberships != 1 || !slices.Contains(got.Lines, "step.failed welcome") {
		t.Errorf("%s, %d memberships, %v", got.Finish, w.memberships, got.Lines)
	}
	if got := env.Tasks()["approval"].GetAssignee(); got != "roles/admin" {
		t.Errorf("without an approver the task is for %s", got)
	}
}

func TestShorterTimesBySettings(t *testing.T) {
	t.Parallel()
	w := &town{}
	env := processtest.New(t, onboarding.Process)
	w.fake(env)
	env.Set("acceptance", hour)
	got := env.Run(input(""))
	if got.Finish.GetError().GetReason() != process.ReasonExpired || slices.Contains(w.mails, "reminder ada@example.org") {
		t.Errorf("%s, %v", got.Finish, w.mails)
	}
}

func TestCustomer(t *testing.T) {
	t.Parallel()
	w := &town{}
	env := processtest.New(t, onboarding.Process)
	w.fake(env)
	accept(env, hour)
	env.Decide(hour, runsv1.Task_APPROVE, "")
	env.Fill("documents", handedIn)
	env.Fill("approval", &onboardingv1.Approval{Limit: 15_000, Note: "Call me Al."})
	got := env.Run(customer())
	want := &onboardingv1.Result{
		User: "users/ada", Membership: "memberships/1", DecidedBy: "users/decider", SecondDecidedBy: "users/decider", Documents: handedIn.GetFiles(), Limit: 15_000,
	}
	if diff := cmp.Diff(want, got.Result, protocmp.Transform()); diff != "" {
		t.Errorf("%v\n%s", got.Err, diff)
	}
	if diff := cmp.Diff([]string{"invitation ada@example.org", "documents ada@example.org", "task boss@example.org", "welcome-customer ada@example.org"}, w.mails); diff != "" {
		t.Error(diff)
	}
	if w.values["note"] != "Call me Al." || w.values["limit"] != "15000" || w.memberships != 1 || len(w.updates) != 1 || w.updates[0] != "memberships/1 member" {
		t.Errorf("%v, %d memberships, %v", w.values, w.memberships, w.updates)
	}
	asked := map[string]*runsv1.CreateTaskRequest{}
	for _, req := range got.Requests {
		asked[req.GetStep()] = req
	}
	if a := asked["documents"]; a.GetAssignee() != "users/ada" || a.GetFormMessage() != "workflows.onboarding.v1.Documents" {
		t.Errorf("%s", a)
	}
	if a := asked["approval"]; !slices.Equal(a.GetFiles(), handedIn.GetFiles()) || a.GetFormMessage() != "workflows.onboarding.v1.Approval" ||
		a.GetContext().GetFields()["documents"].GetStringValue() != "2 asked for (Register entry, Passport), 2 handed in" {
		t.Errorf("%s", a)
	}
	if a := asked["second-approval"]; !slices.Equal(a.GetExcluded(), []string{"users/decider"}) || a.GetAssignee() != "roles/admin" || a.GetTitle() != "Approve a limit of 15000 for Ada" {
		t.Errorf("%s", a)
	}
}

func TestALimitThatOnePersonMayApprove(t *testing.T) {
	t.Parallel()
	for asked, given := range map[int64]int64{9_999: 0, 20_000: 9_999} {
		w := &town{}
		env := processtest.New(t, onboarding.Process)
		w.fake(env)
		accept(env, hour)
		env.Decide(hour, runsv1.Task_APPROVE, "")
		env.Fill("approval", &onboardingv1.Approval{Limit: given})
		in := input("")
		in.Variant, in.Limit = onboardingv1.Variant_CUSTOMER, asked
		got := env.Run(in)
		if result, _ := got.Result.(*onboardingv1.Result); result.GetLimit() != 9_999 || result.GetSecondDecidedBy() != "" {
			t.Errorf("%d: %v, %v", asked, got.Result, got.Err)
		}
	}
}

func TestNobodyDecidesSoOthersAreAsked(t *testing.T) {
	t.Parallel()
	env := processtest.New(t, onboarding.Process)
	(&town{}).fake(env)
	accept(env, hour)
	env.Decide(5*24*hour, runsv1.Task_APPROVE, "")
	if got := env.Run(input("users/boss")); got.Err != nil || !env.Tasks()["approval"].GetEscalated() || env.Tasks()["approval"].GetAssignee() != "roles/admin" {
		t.Errorf("%v, %s", got.Err, env.Tasks()["approval"])
	}
}

func TestCustomerUndoesWhateverWasDone(t *testing.T) {
	t.Parallel()
	no := processtest.Refuse("failed_precondition", "NO", "no")
	approveUpTo := func(e *processtest.Env, step string) {
		e.Decide(hour, runsv1.Task_APPROVE, "")
		e.WhenTask(step, runsv1.Task_REJECT, "not like this")
	}
	for name, tc := range map[string]struct {
		fails, lost map[string]error
		prepare     func(*processtest.Env)
		reason      string
		step        string
	}{
		"can't be admitted":              {fails: map[string]error{"CreateMembership": no}, reason: "NO", step: "admit"},
		"the admission's answer is lost": {lost: map[string]error{"CreateMembership": processtest.Away()}, reason: "UNAVAILABLE", step: "admit"},
		"no documents come":              {reason: process.ReasonExpired, step: "documents"},
		"the person declines":            {prepare: func(e *processtest.Env) { approveUpTo(e, "documents") }, reason: "DECLINED", step: "documents"},
		"rejected":                       {prepare: func(e *processtest.Env) { approveUpTo(e, "approval") }, reason: "REJECTED"},
		"the second one rejects":         {prepare: func(e *processtest.Env) { approveUpTo(e, "second-approval") }, reason: "REJECTED"},
		"the role can't be given": {
			prepare: func(e *processtest.Env) { e.Decide(hour, runsv1.Task_APPROVE, "") }, fails: map[string]error{"UpdateMembership": no}, reason: "NO", step: "membership",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := &town{fails: tc.fails, lost: tc.lost}
			env := processtest.New(t, onboarding.Process)
			w.fake(env)
			accept(env, hour)
			env.Fill("documents", handedIn)
			if tc.prepare != nil {
				tc.prepare(env)
			}
			got := env.Run(customer())
			if e := got.Finish.GetError(); got.Finish.GetState() != runsv1.Run_FAILED || e.GetReason() != tc.reason || e.GetStep() != tc.step {
				t.Errorf("finish: %s", got.Finish)
			}
			if w.invitations != 0 || w.memberships != 0 || !slices.Contains(w.mails, "rejection ada@example.org") {
				t.Errorf("left behind: %d invitations, %d memberships; %v", w.invitations, w.memberships, w.mails)
			}
		})
	}
}

func TestAMembershipWhoseAnswerIsLostIsUndone(t *testing.T) {
	t.Parallel()
	w := &town{lost: map[string]error{"CreateMembership": processtest.Away()}}
	env := processtest.New(t, onboarding.Process)
	w.fake(env)
	accept(env, hour)
	env.Decide(hour, runsv1.Task_APPROVE, "")
	if got := env.Run(input("")); got.Finish.GetState() != runsv1.Run_FAILED || !slices.Contains(got.Calls, "DeleteMembership") || w.invitations != 0 {
		t.Errorf("%s, %v", got.Finish, got.Calls)
	}
}
