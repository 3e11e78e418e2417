package identity_test

import (
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/microservicehub/mshub/internal/auth"
	"github.com/microservicehub/mshub/internal/rpc"
	identityv1 "github.com/microservicehub/mshub/services/identity/v1"
	"github.com/microservicehub/mshub/services/identity/v1/identityv1connect"
)

func (h *house) credentials(option connect.ClientOption) identityv1connect.CredentialServiceClient {
	return identityv1connect.NewCredentialServiceClient(rpc.HTTPClient(), h.url, option)
}

func TestOnboardingAndItsUndoing(t *testing.T) {
	t.Parallel()
	h := setup(t)
	admin := h.administrator("ada@example.com")
	worker, run := h.run(admin)
	ctx := key(t.Context())
	req := &identityv1.InviteUserRequest{Email: "bob@example.com", DisplayName: "Bob", Role: "member"}
	invited, err := worker.InviteUser(ctx, req)
	if err != nil || !invited.GetCreated() || invited.GetInvitation().GetRun() != "runs/"+run.String() {
		t.Fatalf("got %v, %v", invited, err)
	}
	again, err := worker.InviteUser(ctx, req)
	if err != nil || again.GetLink() != invited.GetLink() || again.GetInvitation().GetName() != invited.GetInvitation().GetName() {
		t.Errorf("a repeated call must give the same link: %v, %v", again, err)
	}
	user := invited.GetInvitation().GetUser()
	if got, err := worker.GetUser(ctx, &identityv1.GetUserRequest{Name: user}); err != nil || got.GetState() != identityv1.User_INVITED {
		t.Errorf("got %v, %v", got, err)
	}

	shown, err := h.accounts.GetLink(ctx, &identityv1.GetLinkRequest{Token: token(t, invited.GetLink())})
	if err != nil || shown.GetOrganisation() != "Home" || shown.GetEmail() != "bob@example.com" || !shown.GetNeedsPassword() {
		t.Errorf("got %v, %v", shown, err)
	}
	h.redeem(invited.GetLink(), &identityv1.RedeemLinkRequest{Password: password})
	if facts := h.facts("identity.invitation.accepted"); len(facts) != 1 || !strings.Contains(facts[0], user) ||
		!strings.Contains(facts[0], invited.GetInvitation().GetName()) || !strings.HasSuffix(facts[0], run.String()) {
		t.Errorf("got %q", facts)
	}

	give := &identityv1.CreateMembershipRequest{Membership: &identityv1.Membership{User: user, Roles: []string{"member"}}}
	membership, err := worker.CreateMembership(key(ctx), give)
	if err != nil {
		t.Fatal(err)
	}
	if same, err := worker.CreateMembership(key(ctx), give); err != nil || same.GetName() != membership.GetName() {
		t.Errorf("got %v, %v", same, err)
	}
	access, err := h.accounts.GetAccess(ctx, &identityv1.GetAccessRequest{User: user})
	if err != nil || !slices.Contains(access.GetPermissions(), "runs.write") || slices.Contains(access.GetPermissions(), "identity.write") {
		t.Errorf("got %v, %v", access, err)
	}

	// Undone, last first, each of them twice as a compensation may come.
	for range 2 {
		if _, err := worker.DeleteMembership(key(ctx), &identityv1.DeleteMembershipRequest{Name: membership.GetName()}); err != nil {
			t.Error(err)
		}
	}
	for range 2 {
		if _, err := worker.WithdrawInvitation(key(ctx), &identityv1.WithdrawInvitationRequest{Name: invited.GetInvitation().GetName()}); err != nil {
			t.Error(err)
		}
	}
	if _, err := worker.GetUser(ctx, &identityv1.GetUserRequest{Name: user}); rpc.ReasonOf(err) != "NOT_FOUND" {
		t.Errorf("the account is still there: %v", err)
	}
	if h.signsIn("bob@example.com", password) {
		t.Error("signs in without an account")
	}
	if kinds := h.changes(user); len(kinds) == 0 || kinds[len(kinds)-1] != identityv1.AccessChange_REMOVED {
		t.Errorf("got %v", kinds)
	}
	list, err := admin.ListInvitations(ctx, &identityv1.ListInvitationsRequest{})
	if err != nil || len(list.GetInvitations()) != 1 || list.GetInvitations()[0].GetState() != identityv1.Invitation_WITHDRAWN {
		t.Errorf("got %v, %v", list, err)
	}
}

// TestWithdrawingWithoutAnAnswer: the run that never heard the invitation's name still undoes it.
func TestWithdrawingWithoutAnAnswer(t *testing.T) {
	t.Parallel()
	h := setup(t)
	worker, _ := h.run(h.administrator("ada@example.com"))
	ctx := t.Context()
	invited, err := worker.InviteUser(key(ctx), &identityv1.InviteUserRequest{Email: "bob@example.com", DisplayName: "Bob", Role: "member"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := worker.WithdrawInvitation(key(ctx), &identityv1.WithdrawInvitationRequest{Name: "invitations/-"}); err != nil {
		t.Fatal(err)
	}
	if _, err := worker.GetUser(ctx, &identityv1.GetUserRequest{Name: invited.GetInvitation().GetUser()}); rpc.ReasonOf(err) != "NOT_FOUND" {
		t.Errorf("the account is still there: %v", err)
	}
}

func TestWithdrawingKeepsWhoWasThereBefore(t *testing.T) {
	t.Parallel()
	h := setup(t)
	admin := h.administrator("ada@example.com")
	other := h.otherOrganisation(admin, "olga@example.com")
	worker, _ := h.run(admin)
	otherWorker, _ := h.run(other)
	ctx := t.Context()

	// Known to another organisation: the invitation makes no account, and undoing it removes none.
	olga, err := worker.InviteUser(key(ctx), &identityv1.InviteUserRequest{Email: "OLGA@example.com", DisplayName: "O", Role: "viewer"})
	if err != nil || olga.GetCreated() {
		t.Fatalf("got %v, %v", olga, err)
	}
	// Until she answers, nothing of that account is seen.
	seen, err := worker.GetUser(ctx, &identityv1.GetUserRequest{Name: olga.GetInvitation().GetUser()})
	if err != nil || seen.GetState() != identityv1.User_INVITED || seen.GetDisplayName() != "O" || seen.GetEmailVerified() || seen.GetEmail() != "OLGA@example.com" {
		t.Errorf("an invited person of another organisation: %v, %v", seen, err)
	}
	if _, err := worker.WithdrawInvitation(key(ctx), &identityv1.WithdrawInvitationRequest{Name: olga.GetInvitation().GetName()}); err != nil {
		t.Fatal(err)
	}
	if !h.signsIn("olga@example.com", password) {
		t.Error("the account is gone")
	}

	// Invited by two: it stays until the last one gives up.
	req := &identityv1.InviteUserRequest{Email: "two@example.com", DisplayName: "Two", Role: "viewer"}
	first, err := worker.InviteUser(key(ctx), req)
	if err != nil {
		t.Fatal(err)
	}
	second, err := otherWorker.InviteUser(key(ctx), req)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := worker.WithdrawInvitation(key(ctx), &identityv1.WithdrawInvitationRequest{Name: first.GetInvitation().GetName()}); err != nil {
		t.Fatal(err)
	}
	if _, err := h.accounts.GetLink(ctx, &identityv1.GetLinkRequest{Token: token(t, first.GetLink())}); rpc.ReasonOf(err) != "LINK_UNKNOWN" {
		t.Errorf("a withdrawn link works: %v", err)
	}
	h.redeem(second.GetLink(), &identityv1.RedeemLinkRequest{Password: password})
	if !h.signsIn("two@example.com", password) {
		t.Error("the account is gone")
	}
}

func TestAnAdministratorStays(t *testing.T) {
	t.Parallel()
	h := setup(t)
	admin := h.administrator("ada@example.com")
	ctx := t.Context()
	memberships, err := admin.ListMemberships(ctx, &identityv1.ListMembershipsRequest{})
	if err != nil || len(memberships.GetMemberships()) != 1 {
		t.Fatalf("got %v, %v", memberships, err)
	}
	own := memberships.GetMemberships()[0].GetName()
	attempts := map[string]func() error{
		"disable": func() error {
			_, err := admin.DisableUser(ctx, &identityv1.DisableUserRequest{Name: admin.user.GetName()})
			return err
		},
		"delete": func() error {
			_, err := admin.DeleteUser(ctx, &identityv1.DeleteUserRequest{Name: admin.user.GetName()})
			return err
		},
		"demote": func() error {
			_, err := admin.UpdateMembership(ctx, &identityv1.UpdateMembershipRequest{Membership: &identityv1.Membership{Name: own, Roles: []string{"viewer"}}})
			return err
		},
		"demote user": func() error {
			_, err := admin.UpdateUser(ctx, &identityv1.UpdateUserRequest{User: &identityv1.User{Name: admin.user.GetName(), Roles: []string{"viewer"}}})
			return err
		},
		"leave": func() error {
			_, err := admin.DeleteMembership(ctx, &identityv1.DeleteMembershipRequest{Name: own})
			return err
		},
	}
	for name, attempt := range attempts {
		if err := attempt(); rpc.ReasonOf(err) != "LAST_ADMINISTRATOR" {
			t.Errorf("%s: %v", name, err)
		}
	}

	// Two administrators who disable each other at the same moment: one of them stays.
	other := h.member(admin, "grace@example.com", "admin")
	var won atomic.Int32
	var both sync.WaitGroup
	for _, name := range []string{admin.user.GetName(), other.user.GetName()} {
		both.Go(func() {
			if _, err := admin.DisableUser(ctx, &identityv1.DisableUserRequest{Name: name}); err == nil {
				won.Add(1)
			}
		})
	}
	both.Wait()
	if won.Load() != 1 {
		t.Errorf("%d of 2 were disabled", won.Load())
	}
}

func TestDisabledUser(t *testing.T) {
	t.Parallel()
	h := setup(t)
	admin := h.administrator("ada@example.com")
	bob := h.member(admin, "bob@example.com", "member")
	ctx := t.Context()
	for range 2 { // the second time changes nothing
		got, err := admin.DisableUser(ctx, &identityv1.DisableUserRequest{Name: bob.user.GetName(), Reason: "left"})
		if err != nil || got.GetState() != identityv1.User_DISABLED {
			t.Fatalf("got %v, %v", got, err)
		}
	}
	if h.signsIn("bob@example.com", password) {
		t.Error("a disabled user signed in")
	}
	if link := h.resetLink("bob@example.com"); link != "" {
		t.Errorf("a disabled user got a link")
	}
	if _, err := h.accounts.GetAccess(ctx, &identityv1.GetAccessRequest{User: bob.user.GetName()}); rpc.ReasonOf(err) != "USER_NOT_ACTIVE" {
		t.Errorf("got %v", err)
	}
	want := []identityv1.AccessChange_Kind{identityv1.AccessChange_PASSWORD, identityv1.AccessChange_ROLES, identityv1.AccessChange_REMOVED}
	if diff := cmp.Diff(want, h.changes(bob.user.GetName())); diff != "" {
		t.Error(diff)
	}
	if _, err := admin.EnableUser(ctx, &identityv1.EnableUserRequest{Name: bob.user.GetName()}); err != nil || !h.signsIn("bob@example.com", password) {
		t.Errorf("enabled, but can't sign in: %v", err)
	}
	if got := h.audited(bob.user.GetName(), "DisableUser"); got != 1 {
		t.Errorf("%d audit entries for one change", got)
	}
}

// audited counts entries.
func (h *house) audited(target, method string) (n int) {
	h.t.Helper()
	err := h.db.System(h.t.Context(), func(tx pgx.Tx) error {
		return tx.QueryRow(h.t.Context(), "SELECT count(*) FROM audit.entry WHERE target = $1 AND action LIKE '%/' || $2", target, method).Scan(&n)
	})
	if err != nil {
		h.t.Fatal(err)
	}
	return n
}

func TestMe(t *testing.T) {
	t.Parallel()
	h := setup(t)
	admin := h.administrator("ada@example.com")
	ctx := t.Context()
	me, err := admin.GetMe(ctx, &identityv1.GetMeRequest{})
	if err != nil || me.GetUser().GetEmail() != "ada@example.com" || me.GetOrganisation().GetDisplayName() != "Home" || !cmp.Equal(me.GetUser().GetRoles(), []string{"admin"}) {
		t.Errorf("got %v, %v", me, err)
	}
	homeless := h.as(auth.Caller{Kind: auth.User, User: admin.caller.User})
	if me, err := homeless.GetMe(ctx, &identityv1.GetMeRequest{}); err != nil || me.GetOrganisation() != nil || me.GetUser() == nil {
		t.Errorf("got %v, %v", me, err)
	}
	client := h.as(auth.Caller{Kind: auth.Client, ClientID: "importer", Organisation: admin.caller.Organisation, Permissions: []string{"runs.read"}})
	if me, err := client.GetMe(ctx, &identityv1.GetMeRequest{}); err != nil || me.GetUser() != nil || me.GetClientId() != "importer" || !cmp.Equal(me.GetPermissions(), []string{"runs.read"}) {
		t.Errorf("got %v, %v", me, err)
	}
	if all, err := client.ListOrganisations(ctx, &identityv1.ListOrganisationsRequest{}); err != nil || len(all.GetOrganisations()) != 1 {
		t.Errorf("got %v, %v", all, err)
	}
	second, err := admin.CreateOrganisation(key(ctx), &identityv1.CreateOrganisationRequest{Organisation: &identityv1.Organisation{DisplayName: "Second"}})
	if err != nil {
		t.Fatal(err)
	}
	if all, err := admin.ListOrganisations(ctx, &identityv1.ListOrganisationsRequest{}); err != nil || len(all.GetOrganisations()) != 2 {
		t.Errorf("got %v, %v", all, err)
	}
	there := h.signedIn(admin.user, second.GetName())
	if !there.caller.Has("records.write") {
		t.Error("not an administrator of the organisation they founded")
	}
	h.wait(time.Minute)
	if used := h.signedIn(admin.user, ""); used.caller.Organisation != there.caller.Organisation {
		t.Error("the organisation used last must be the one to come back to")
	}
}

func TestHousekeepingKeepsWhatIsNeeded(t *testing.T) {
	t.Parallel()
	h := setup(t)
	admin := h.administrator("ada@example.com")
	worker, _ := h.run(admin)
	invited, err := worker.InviteUser(key(t.Context()), &identityv1.InviteUserRequest{Email: "bob@example.com", DisplayName: "Bob", Role: "member"})
	if err != nil {
		t.Fatal(err)
	}
	reset := h.resetLink("ada@example.com")
	h.signsIn("nobody@example.com", "wrong password")
	if err := h.service.Forget(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, link := range []string{invited.GetLink(), reset} {
		if _, err := h.accounts.GetLink(t.Context(), &identityv1.GetLinkRequest{Token: token(t, link)}); err != nil {
			t.Error(err)
		}
	}
	h.wait(200 * 24 * time.Hour)
	if err := h.service.Forget(t.Context()); err != nil {
		t.Fatal(err)
	}
	err = h.db.System(t.Context(), func(tx pgx.Tx) error {
		for _, table := range []string{"links", "sign_in_attempts", "access_changes"} {
			var n int
			if err := tx.QueryRow(t.Context(), "SELECT count(*) FROM identity."+table).Scan(&n); err != nil {
				return err
			}
			if n != 0 {
				t.Errorf("%d rows of %s are left", n, table)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// A person's token in the hands of somebody else's client tells what its scopes say, and of no other organisation.
func TestThirdPartiesLearnWhatTheirScopesSay(t *testing.T) {
	t.Parallel()
	h := setup(t)
	admin := h.administrator("ada@example.com")
	ctx := t.Context()
	if _, err := admin.CreateOrganisation(ctx, &identityv1.CreateOrganisationRequest{Organisation: &identityv1.Organisation{DisplayName: "Second"}}); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		client, scopes, email, name string
		organisations               int
	}{
		{"console", "openid", "ada@example.com", "Ada", 2},
		{"mshub-cli", "openid", "ada@example.com", "Ada", 2},
		{"shop", "openid", "", "", 1},
		{"shop", "openid runs:write", "", "", 1},
		{"shop", "openid email", "ada@example.com", "", 1},
		{"shop", "openid profile", "", "Ada", 1},
		{"shop", "identity:read", "ada@example.com", "Ada", 1},
	} {
		caller := admin.caller
		caller.ClientID, caller.Scopes = c.client, strings.Fields(c.scopes)
		client := h.as(caller)
		me, err := client.GetMe(ctx, &identityv1.GetMeRequest{})
		if err != nil || me.GetUser().GetName() != admin.user.GetName() || me.GetUser().GetEmail() != c.email || me.GetUser().GetDisplayName() != c.name {
			t.Errorf("%s with %q: %v, %v", c.client, c.scopes, me, err)
		}
		all, err := client.ListOrganisations(ctx, &identityv1.ListOrganisationsRequest{})
		if err != nil || len(all.GetOrganisations()) != c.organisations || all.GetOrganisations()[0].GetName() != me.GetOrganisation().GetName() && c.organisations == 1 {
			t.Errorf("%s with %q: %v, %v", c.client, c.scopes, all, err)
		}
	}
}
