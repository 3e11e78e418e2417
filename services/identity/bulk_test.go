package identity_test

import (
	"encoding/csv"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"connectrpc.com/connect"
	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/microservicehub/mshub/internal/auth"
	"github.com/microservicehub/mshub/internal/rpc"
	identityv1 "github.com/microservicehub/mshub/services/identity/v1"
	"github.com/microservicehub/mshub/services/identity/v1/identityv1connect"
)

// shelf serves a file and takes a list, as signed links do.
type shelf struct {
	url string

	mu   sync.Mutex
	list string
}

func newShelf(t *testing.T, file string) *shelf {
	t.Helper()
	s := &shelf{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		if r.Method == http.MethodPut {
			body, _ := io.ReadAll(r.Body)
			s.list = string(body)
			return
		}
		_, _ = io.WriteString(w, file)
	}))
	t.Cleanup(server.Close)
	s.url = server.URL + "/blob"
	return s
}

// outcomes are line, outcome and reason of what was sent as the list.
func (s *shelf) outcomes(t *testing.T) []string {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	rows, err := csv.NewReader(strings.NewReader(s.list)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, row := range rows[1:] {
		got = append(got, strings.Join(row[:4], " "))
	}
	return got
}

// bulk plans, applies all batches and finishes, each call twice as a worker might.
func bulk(t *testing.T, run identityv1connect.IdentityServiceClient, req *identityv1.PlanUserBulkRequest, s *shelf) (*identityv1.PlanUserBulkResponse, *identityv1.FinishUserBulkResponse, []*identityv1.ApplyUserBulkResponse_Mail) {
	t.Helper()
	plan, err := run.PlanUserBulk(key(t.Context()), req)
	if err != nil {
		t.Fatal(err)
	}
	var mails []*identityv1.ApplyUserBulkResponse_Mail
	for batch := range plan.GetBatches() {
		ctx := key(t.Context())
		done, err := run.ApplyUserBulk(ctx, &identityv1.ApplyUserBulkRequest{Batch: batch + 1})
		if err != nil {
			t.Fatal(err)
		}
		again, err := run.ApplyUserBulk(ctx, &identityv1.ApplyUserBulkRequest{Batch: batch + 1})
		if err != nil || again.GetDone() != done.GetDone() || len(again.GetMails()) != len(done.GetMails()) {
			t.Errorf("a repeated batch: %v, %v; first %v", again, err, done)
		}
		mails = append(mails, done.GetMails()...)
	}
	ctx := key(t.Context())
	sum, err := run.FinishUserBulk(ctx, &identityv1.FinishUserBulkRequest{ListUrl: s.url})
	if err != nil {
		t.Fatal(err)
	}
	if again, err := run.FinishUserBulk(key(t.Context()), &identityv1.FinishUserBulkRequest{ListUrl: s.url}); err != nil || again.GetListSha256() != sum.GetListSha256() {
		t.Errorf("finished again: %v, %v", again, err)
	}
	return plan, sum, mails
}

func TestBulkInvite(t *testing.T) {
	t.Parallel()
	h := setup(t)
	admin := h.administrator("ada@example.com")
	h.member(admin, "old@example.com", "viewer")
	s := newShelf(t, "\xef\xbb\xbfE-Mail;Display name;Role\nnew@example.com;New;viewer\nold@example.com;Old;member\nNEW@example.com;Again;\nnonsense;N;\nchief@example.com;Chief;nosuch\nplain@example.com;;\n")
	run, id := h.run(admin)
	req := &identityv1.PlanUserBulkRequest{Action: identityv1.UserBulk_INVITE, SourceUrl: s.url, Role: "member", Reason: "the new team"}

	dry, _ := h.run(admin)
	req.DryRun = true
	_, sum, mails := bulk(t, dry, req, s)
	want := []string{"2 new@example.com DONE ", "3 old@example.com UNCHANGED ", "4 NEW@example.com FAILED TWICE", "5 nonsense FAILED INVALID_FIELD", "6 chief@example.com FAILED INVALID_FIELD", "7 plain@example.com DONE "}
	if diff := cmp.Diff(want, s.outcomes(t)); diff != "" || len(mails) != 0 || sum.GetDone() != 2 {
		t.Errorf("dry run: %v, %d mails\n%s", sum, len(mails), diff)
	}
	if list, err := admin.ListInvitations(t.Context(), &identityv1.ListInvitationsRequest{}); err != nil || len(list.GetInvitations()) != 1 {
		t.Errorf("a dry run invited: %v, %v", list, err)
	}

	req.DryRun = false
	plan, sum, mails := bulk(t, run, req, s)
	if plan.GetPeople() != 6 || plan.GetFailed() != 2 || plan.GetBatches() != 1 || sum.GetDone() != 2 || sum.GetUnchanged() != 1 || sum.GetFailed() != 3 || len(mails) != 2 {
		t.Fatalf("%v, %v, %v", plan, sum, mails)
	}
	if diff := cmp.Diff(want[2:5], s.outcomes(t)); diff != "" {
		t.Error(diff)
	}
	// Whoever accepts is a member at once.
	user := h.redeem(mails[0].GetLink(), &identityv1.RedeemLinkRequest{Password: password}).GetUser()
	if got := h.signedIn(user, ""); got.caller.Organisation != admin.caller.Organisation {
		t.Errorf("%v", got.caller)
	}
	got, err := admin.GetUser(t.Context(), &identityv1.GetUserRequest{Name: user.GetName()})
	if err != nil || got.GetRoles()[0] != "viewer" || got.GetDisplayName() != "New" {
		t.Errorf("%v, %v", got, err)
	}
	// Undone: who accepted stays, the other invitation dies.
	undone, err := run.UndoUserBulk(key(t.Context()), &identityv1.UndoUserBulkRequest{})
	if err != nil || undone.GetUndone() != 1 || undone.GetKept() != 1 {
		t.Errorf("%v, %v", undone, err)
	}
	if _, err := h.accounts.GetLink(t.Context(), &identityv1.GetLinkRequest{Token: token(t, mails[1].GetLink())}); rpc.ReasonOf(err) != "LINK_UNKNOWN" {
		t.Errorf("the link lives: %v", err)
	}
	if _, err := run.ApplyUserBulk(key(t.Context()), &identityv1.ApplyUserBulkRequest{Batch: 1}); rpc.ReasonOf(err) != "BULK_OVER" {
		t.Errorf("applied after the undoing of %s: %v", id, err)
	}
}

func TestBulkMailThatNobodyTakes(t *testing.T) {
	t.Parallel()
	h := setup(t)
	admin := h.administrator("ada@example.com")
	s := newShelf(t, "email\na@example.com\nb@example.com\n")
	run, _ := h.run(admin)
	ctx := t.Context()
	if _, err := run.PlanUserBulk(key(ctx), &identityv1.PlanUserBulkRequest{Action: identityv1.UserBulk_INVITE, SourceUrl: s.url, Role: "viewer"}); err != nil {
		t.Fatal(err)
	}
	done, err := run.ApplyUserBulk(key(ctx), &identityv1.ApplyUserBulkRequest{Batch: 1})
	if err != nil || len(done.GetMails()) != 2 {
		t.Fatalf("%v, %v", done, err)
	}
	note := &identityv1.NoteUserBulkMailsRequest{Refused: []*identityv1.NoteUserBulkMailsRequest_Refused{{Line: done.GetMails()[0].GetLine(), Reason: "MAIL_REFUSED", Message: "no such mailbox"}}}
	for range 2 {
		if _, err := run.NoteUserBulkMails(key(ctx), note); err != nil {
			t.Fatal(err)
		}
	}
	sum, err := run.FinishUserBulk(key(ctx), &identityv1.FinishUserBulkRequest{ListUrl: s.url})
	if err != nil || sum.GetDone() != 1 || sum.GetFailed() != 1 {
		t.Errorf("%v, %v", sum, err)
	}
	if diff := cmp.Diff([]string{"2 a@example.com FAILED MAIL_REFUSED"}, s.outcomes(t)); diff != "" {
		t.Error(diff)
	}
}

func TestBulkDisableKeepsAnAdministratorAndTheStarter(t *testing.T) {
	t.Parallel()
	h := setup(t)
	admin := h.administrator("ada@example.com")
	if _, err := admin.CreateRole(t.Context(), &identityv1.CreateRoleRequest{RoleId: "people", Role: &identityv1.Role{Title: "People", Permissions: []string{"identity.write", "runs.read"}}}); err != nil {
		t.Fatal(err)
	}
	hr := h.member(admin, "hr@example.com", "people")
	bob := h.member(admin, "bob@example.com", "viewer")
	h.member(admin, "eve@example.com", "viewer")
	s := newShelf(t, "")
	run, _ := h.run(hr)
	_, sum, _ := bulk(t, run, &identityv1.PlanUserBulkRequest{Action: identityv1.UserBulk_DISABLE, Filter: `email:"example.com"`, Reason: "closed"}, s)
	want := []string{"1 ada@example.com FAILED LAST_ADMINISTRATOR", "4 hr@example.com FAILED ONESELF"}
	if diff := cmp.Diff(want, s.outcomes(t)); diff != "" || sum.GetDone() != 2 {
		t.Errorf("%v\n%s", sum, diff)
	}
	if h.signsIn("bob@example.com", password) {
		t.Error("bob can still sign in")
	}
	if _, err := admin.EnableUser(t.Context(), &identityv1.EnableUserRequest{Name: bob.user.GetName()}); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if got, err := run.UndoUserBulk(key(t.Context()), &identityv1.UndoUserBulkRequest{}); err != nil || got.GetUndone() != 1 || got.GetKept() != 1 {
			t.Errorf("%v, %v", got, err)
		}
	}
	if !h.signsIn("eve@example.com", password) {
		t.Error("eve can't sign in again")
	}
}

func TestBulkRoles(t *testing.T) {
	t.Parallel()
	h := setup(t)
	admin := h.administrator("ada@example.com")
	for i := range 120 { // two batches
		h.member(admin, fmt.Sprintf("m%03d@example.com", i), "viewer")
	}
	s := newShelf(t, "")
	run, _ := h.run(admin)
	plan, sum, _ := bulk(t, run, &identityv1.PlanUserBulkRequest{Action: identityv1.UserBulk_ADD_ROLE, Filter: `roles:"viewer"`, Role: "roles/approver", Reason: "more hands"}, s)
	if plan.GetBatches() != 2 || sum.GetDone() != 120 || sum.GetListSize() != 0 {
		t.Errorf("%v, %v", plan, sum)
	}
	count := func(filter string) int {
		res, err := admin.ListUsers(t.Context(), &identityv1.ListUsersRequest{Filter: filter, PageSize: 1000})
		if err != nil {
			t.Fatal(err)
		}
		return len(res.GetUsers())
	}
	if n := count(`roles:"approver"`); n != 120 {
		t.Errorf("%d approvers", n)
	}
	take, _ := h.run(admin)
	if _, sum, _ := bulk(t, take, &identityv1.PlanUserBulkRequest{Action: identityv1.UserBulk_REMOVE_ROLE, Filter: `roles:"viewer"`, Role: "viewer", Reason: "less"}, s); sum.GetDone() != 120 {
		t.Errorf("%v", sum)
	}
	last, _ := h.run(admin)
	if _, sum, _ := bulk(t, last, &identityv1.PlanUserBulkRequest{Action: identityv1.UserBulk_REMOVE_ROLE, Filter: `email="m001@example.com"`, Role: "approver", Reason: "less"}, s); sum.GetFailed() != 1 {
		t.Errorf("took the last role: %v", sum)
	}
	if got, err := take.UndoUserBulk(key(t.Context()), &identityv1.UndoUserBulkRequest{}); err != nil || got.GetUndone() != 120 {
		t.Errorf("%v, %v", got, err)
	}
	if n := count(`roles:"viewer" AND roles:"approver"`); n != 120 {
		t.Errorf("%d have both roles again", n)
	}
}

func TestBulkRefusals(t *testing.T) {
	t.Parallel()
	h := setup(t)
	admin := h.administrator("ada@example.com")
	bob := h.member(admin, "bob@example.com", "viewer")
	other := h.otherOrganisation(admin, "olga@example.com")
	for name, c := range map[string]struct {
		as     person
		file   string
		req    *identityv1.PlanUserBulkRequest
		reason string
	}{
		"no right":            {bob, "", &identityv1.PlanUserBulkRequest{Action: identityv1.UserBulk_DISABLE, Filter: `roles:"viewer"`}, "MORE_THAN_YOURS"},
		"no such role":        {admin, "", &identityv1.PlanUserBulkRequest{Action: identityv1.UserBulk_ADD_ROLE, Filter: `roles:"viewer"`, Role: "nope"}, "INVALID_FIELD"},
		"a bad filter":        {admin, "", &identityv1.PlanUserBulkRequest{Action: identityv1.UserBulk_DISABLE, Filter: `shoe=42`}, "INVALID_FIELD"},
		"nobody":              {admin, "", &identityv1.PlanUserBulkRequest{Action: identityv1.UserBulk_DISABLE, Filter: `email="nobody"`}, "NOBODY"},
		"a filter to invite":  {admin, "", &identityv1.PlanUserBulkRequest{Action: identityv1.UserBulk_INVITE, Filter: `roles:"viewer"`, Role: "viewer"}, "INVALID_FIELD"},
		"no column":           {admin, "name\nBob\n", &identityv1.PlanUserBulkRequest{Action: identityv1.UserBulk_DISABLE}, "INVALID_FIELD"},
		"an empty file":       {admin, "", &identityv1.PlanUserBulkRequest{Action: identityv1.UserBulk_DISABLE, SourceUrl: "x"}, "INVALID_FIELD"},
		"no text":             {admin, "email\n\xff\xfe\n", &identityv1.PlanUserBulkRequest{Action: identityv1.UserBulk_DISABLE}, "INVALID_FIELD"},
		"an open quote":       {admin, "email\n\"a\n", &identityv1.PlanUserBulkRequest{Action: identityv1.UserBulk_DISABLE}, "INVALID_FIELD"},
		"others' people only": {other, "", &identityv1.PlanUserBulkRequest{Action: identityv1.UserBulk_DISABLE, Filter: `email="bob@example.com"`}, "NOBODY"},
	} {
		run, _ := h.run(c.as)
		if c.file != "" || c.req.GetSourceUrl() != "" {
			c.req.SourceUrl = newShelf(t, c.file).url
		}
		if _, err := run.PlanUserBulk(key(t.Context()), c.req); rpc.ReasonOf(err) != c.reason {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := run.ApplyUserBulk(key(t.Context()), &identityv1.ApplyUserBulkRequest{Batch: 1}); rpc.ReasonOf(err) != "NOT_FOUND" {
			t.Errorf("%s: applied without a plan: %v", name, err)
		}
		if got, err := run.UndoUserBulk(key(t.Context()), &identityv1.UndoUserBulkRequest{}); err != nil || got.GetUndone() != 0 {
			t.Errorf("%s: undone without a plan: %v, %v", name, got, err)
		}
	}
	// Another organisation's run does not see the plan.
	run, id := h.run(admin)
	if _, err := run.PlanUserBulk(key(t.Context()), &identityv1.PlanUserBulkRequest{Action: identityv1.UserBulk_DISABLE, Filter: `roles:"viewer"`}); err != nil {
		t.Fatal(err)
	}
	thief := h.as(auth.Caller{Kind: auth.Run, Organisation: other.caller.Organisation, Run: id, Actor: other.caller.Actor})
	if _, err := thief.ApplyUserBulk(key(t.Context()), &identityv1.ApplyUserBulkRequest{Batch: 1}); rpc.ReasonOf(err) != "NOT_FOUND" {
		t.Errorf("%v", err)
	}
	if _, err := run.FinishUserBulk(key(t.Context()), &identityv1.FinishUserBulkRequest{}); rpc.ReasonOf(err) != "BATCHES_MISSING" {
		t.Errorf("%v", err)
	}
}

func TestAddressees(t *testing.T) {
	t.Parallel()
	h := setup(t)
	admin := h.administrator("ada@example.com")
	bob := h.member(admin, "bob@example.com", "approver")
	eve := h.member(admin, "eve@example.com", "approver")
	if _, err := admin.DisableUser(t.Context(), &identityv1.DisableUserRequest{Name: eve.user.GetName()}); err != nil {
		t.Fatal(err)
	}
	run, _ := h.run(admin)
	res, err := run.ListAddressees(t.Context(), &identityv1.ListAddresseesRequest{Concerns: []string{"roles/approver", bob.user.GetName(), eve.user.GetName(), "clients/x", "users/" + uuid.NewString(), "roles/admin"}})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, a := range res.GetAddressees() {
		got = append(got, a.GetEmail()+" "+strings.Join(a.GetConcerns(), " "))
	}
	if diff := cmp.Diff([]string{"ada@example.com roles/admin", "bob@example.com roles/approver " + bob.user.GetName()}, got); diff != "" {
		t.Error(diff)
	}
}

// Who may do something is found by what the roles allow, in whatever words.
func TestAddresseesWithAPermission(t *testing.T) {
	t.Parallel()
	h := setup(t)
	admin := h.administrator("ada@example.com")
	bob, vic, both := h.member(admin, "bob@example.com", "approver"), h.member(admin, "vic@example.com", "viewer"), h.member(admin, "both@example.com", "viewer")
	more := &identityv1.UpdateUserRequest{User: &identityv1.User{Name: both.user.GetName(), Roles: []string{"approver", "viewer"}}}
	if _, err := admin.UpdateUser(t.Context(), more); err != nil {
		t.Fatal(err)
	}
	run, _ := h.run(admin)
	for name, want := range map[string][]string{
		"roles/admin":        {"ada@example.com"},
		"roles/approver":     {"bob@example.com", "both@example.com"},
		"roles/viewer":       {"both@example.com"},
		"roles/nobody":       nil,
		bob.user.GetName():   {"bob@example.com"},
		vic.user.GetName():   nil,
		both.user.GetName():  {"both@example.com"},
		admin.user.GetName(): {"ada@example.com"},
	} {
		res, err := run.ListAddressees(t.Context(), &identityv1.ListAddresseesRequest{Concerns: []string{name}, Permission: "tasks.decide"})
		var got []string
		for _, a := range res.GetAddressees() {
			got = append(got, a.GetEmail())
		}
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%s: %v %s", name, err, diff)
		}
	}
}

// An address that has an account says how its person is brought in.
func TestCreateUserOfAKnownAddress(t *testing.T) {
	t.Parallel()
	h := setup(t)
	admin := h.administrator("ada@example.com")
	bob := h.member(admin, "bob@example.com", "viewer")
	elsewhere, err := admin.CreateOrganisation(t.Context(), &identityv1.CreateOrganisationRequest{Organisation: &identityv1.Organisation{DisplayName: "Other"}})
	if err != nil {
		t.Fatal(err)
	}
	there := admin.caller
	there.Organisation = uuid.MustParse(strings.TrimPrefix(elsewhere.GetName(), "organisations/"))
	for reason, c := range map[string]struct {
		caller auth.Caller
		words  []string
	}{
		"ALREADY_MEMBER": {admin.caller, []string{"change the person's roles"}},
		"ADDRESS_TAKEN":  {there, []string{"onboarding", "userbulk"}},
	} {
		_, err := h.as(c.caller).CreateUser(t.Context(), &identityv1.CreateUserRequest{User: &identityv1.User{Email: bob.user.GetEmail(), DisplayName: "Bob"}})
		if connect.CodeOf(err) != connect.CodeAlreadyExists || rpc.ReasonOf(err) != reason {
			t.Errorf("%v, want %s", err, reason)
		}
		for _, word := range c.words {
			if !strings.Contains(rpc.Message(err), word) {
				t.Errorf("%s does not say %q: %v", reason, word, err)
			}
		}
	}
}
