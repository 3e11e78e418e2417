package identity_test

import (
	"slices"
	"testing"

	"connectrpc.com/connect"
	"github.com/google/uuid"

	"github.com/microservicehub/mshub/internal/auth"
	identityv1 "github.com/microservicehub/mshub/services/identity/v1"
)

// Every method of the door, with another organisation's token on this one's names: as if they did not exist.
func TestOtherOrganisationsDoNotExist(t *testing.T) {
	t.Parallel()
	h := setup(t)
	a := h.administrator("ada@example.com")
	b := h.otherOrganisation(a, "olga@example.com")
	worker, run := h.run(a)
	ctx := t.Context()
	invited, err := worker.InviteUser(key(ctx), &identityv1.InviteUserRequest{Email: "bob@example.com", DisplayName: "Bob", Role: "member"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.CreateRole(ctx, &identityv1.CreateRoleRequest{RoleId: "own", Role: &identityv1.Role{Title: "Own", Permissions: []string{"runs.read"}}}); err != nil {
		t.Fatal(err)
	}
	memberships, err := a.ListMemberships(ctx, &identityv1.ListMembershipsRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := worker.PlanUserBulk(key(ctx), &identityv1.PlanUserBulkRequest{Action: identityv1.UserBulk_ENABLE, Filter: `roles:"admin"`}); err != nil {
		t.Fatal(err)
	}
	thief := h.as(auth.Caller{Kind: auth.Run, Organisation: b.caller.Organisation, Run: run, Actor: b.caller.Actor})
	user, membership, invitation := a.user.GetName(), memberships.GetMemberships()[0].GetName(), invited.GetInvitation().GetName()
	organisation := "organisations/" + a.caller.Organisation.String()
	stranger := &identityv1.User{Name: user, DisplayName: "Eve"}

	refused := map[string]func() error{
		"GetUser": func() error { _, err := b.GetUser(ctx, &identityv1.GetUserRequest{Name: user}); return err },
		"GetUser invited": func() error {
			_, err := b.GetUser(ctx, &identityv1.GetUserRequest{Name: invited.GetInvitation().GetUser()})
			return err
		},
		"UpdateUser":  func() error { _, err := b.UpdateUser(ctx, &identityv1.UpdateUserRequest{User: stranger}); return err },
		"DeleteUser":  func() error { _, err := b.DeleteUser(ctx, &identityv1.DeleteUserRequest{Name: user}); return err },
		"DisableUser": func() error { _, err := b.DisableUser(ctx, &identityv1.DisableUserRequest{Name: user}); return err },
		"EnableUser":  func() error { _, err := b.EnableUser(ctx, &identityv1.EnableUserRequest{Name: user}); return err },
		"GetOrganisation": func() error {
			_, err := b.GetOrganisation(ctx, &identityv1.GetOrganisationRequest{Name: organisation})
			return err
		},
		"UpdateOrganisation": func() error {
			_, err := b.UpdateOrganisation(ctx, &identityv1.UpdateOrganisationRequest{Organisation: &identityv1.Organisation{Name: organisation, DisplayName: "Mine"}})
			return err
		},
		"CreateMembership": func() error {
			_, err := b.CreateMembership(ctx, &identityv1.CreateMembershipRequest{Membership: &identityv1.Membership{User: user, Roles: []string{"viewer"}}})
			return err
		},
		"UpdateMembership": func() error {
			_, err := b.UpdateMembership(ctx, &identityv1.UpdateMembershipRequest{Membership: &identityv1.Membership{Name: membership, Roles: []string{"viewer"}}})
			return err
		},
		"DeleteMembership": func() error {
			_, err := b.DeleteMembership(ctx, &identityv1.DeleteMembershipRequest{Name: membership})
			return err
		},
		"UpdateRole": func() error {
			_, err := b.UpdateRole(ctx, &identityv1.UpdateRoleRequest{Role: &identityv1.Role{Name: "roles/own", Title: "Mine"}})
			return err
		},
		"DeleteRole": func() error {
			_, err := b.DeleteRole(ctx, &identityv1.DeleteRoleRequest{Name: "roles/own"})
			return err
		},
		"WithdrawInvitation": func() error {
			_, err := b.WithdrawInvitation(ctx, &identityv1.WithdrawInvitationRequest{Name: invitation})
			return err
		},
		"ApplyUserBulk": func() error {
			_, err := thief.ApplyUserBulk(key(ctx), &identityv1.ApplyUserBulkRequest{Batch: 1})
			return err
		},
		"FinishUserBulk": func() error {
			_, err := thief.FinishUserBulk(key(ctx), &identityv1.FinishUserBulkRequest{})
			return err
		},
	}
	for name, call := range refused {
		if err := call(); connect.CodeOf(err) != connect.CodeNotFound {
			t.Errorf("%s: %v", name, err)
		}
	}

	// Lists and what makes new things speak of the caller's organisation alone.
	alone := map[string]func() (int, error){
		"ListUsers": func() (int, error) {
			r, err := b.ListUsers(ctx, &identityv1.ListUsersRequest{})
			return len(r.GetUsers()) - 1, err
		},
		"ListMemberships": func() (int, error) {
			r, err := b.ListMemberships(ctx, &identityv1.ListMembershipsRequest{})
			return len(r.GetMemberships()) - 1, err
		},
		"ListInvitations": func() (int, error) {
			r, err := b.ListInvitations(ctx, &identityv1.ListInvitationsRequest{})
			return len(r.GetInvitations()), err
		},
		"ListRoles": func() (int, error) {
			r, err := b.ListRoles(ctx, &identityv1.ListRolesRequest{})
			return len(r.GetRoles()) - 6, err
		},
		"ListOrganisations": func() (int, error) {
			r, err := b.ListOrganisations(ctx, &identityv1.ListOrganisationsRequest{})
			return len(r.GetOrganisations()) - 1, err
		},
		"ListAddressees": func() (int, error) {
			r, err := thief.ListAddressees(ctx, &identityv1.ListAddresseesRequest{Concerns: []string{user, "roles/admin"}})
			return len(r.GetAddressees()) - 1, err
		},
		"UndoUserBulk": func() (int, error) {
			r, err := thief.UndoUserBulk(key(ctx), &identityv1.UndoUserBulkRequest{})
			return int(r.GetUndone()), err
		},
		"ErasePerson": func() (int, error) {
			r, err := thief.ErasePerson(key(ctx), &identityv1.ErasePersonRequest{Person: user})
			return len(r.GetUser()), err
		},
	}
	for name, call := range alone {
		if n, err := call(); n != 0 || err != nil {
			t.Errorf("%s: %d too many, %v", name, n, err)
		}
	}

	covered := []string{"GetMe", "UpdateMe", "CreateUser", "CreateOrganisation", "CreateRole", "InviteUser", "PlanUserBulk", "NoteUserBulkMails"} // name nothing of another
	methods := identityv1.File_services_identity_v1_identity_proto.Services().ByName("IdentityService").Methods()
	for i := range methods.Len() {
		name := string(methods.Get(i).Name())
		if refused[name] == nil && alone[name] == nil && !slices.Contains(covered, name) {
			t.Errorf("%s is not tested", name)
		}
	}
	if _, err := a.GetUser(ctx, &identityv1.GetUserRequest{Name: "users/" + uuid.NewString()}); connect.CodeOf(err) != connect.CodeNotFound {
		t.Errorf("got %v", err)
	}
}
