package identity_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	"github.com/microservicehub/mshub/internal/auth"
	"github.com/microservicehub/mshub/internal/rpc"
	identityv1 "github.com/microservicehub/mshub/services/identity/v1"
)

func TestNobodyGivesMoreThanTheyHave(t *testing.T) {
	t.Parallel()
	h := setup(t)
	admin := h.administrator("ada@example.com")
	ctx := t.Context()
	if _, err := admin.CreateRole(ctx, &identityv1.CreateRoleRequest{RoleId: "people", Role: &identityv1.Role{Title: "People", Permissions: []string{"identity.*", "runs.read"}}}); err != nil {
		t.Fatal(err)
	}
	hr := h.member(admin, "hr@example.com", "people")
	bob := h.member(admin, "bob@example.com", "viewer")
	roles := func(p person, user string, roles ...string) error {
		_, err := p.UpdateUser(ctx, &identityv1.UpdateUserRequest{User: &identityv1.User{Name: user, Roles: roles}, UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"roles"}}})
		return err
	}
	if err := roles(hr, hr.user.GetName(), "admin"); rpc.ReasonOf(err) != "MORE_THAN_YOURS" {
		t.Errorf("made themself administrator: %v", err)
	}
	if err := roles(hr, admin.user.GetName(), "people"); rpc.ReasonOf(err) != "MORE_THAN_YOURS" {
		t.Errorf("demoted an administrator: %v", err)
	}
	if _, err := hr.CreateRole(ctx, &identityv1.CreateRoleRequest{RoleId: "sly", Role: &identityv1.Role{Title: "Sly", Permissions: []string{"*"}}}); rpc.ReasonOf(err) != "MORE_THAN_YOURS" {
		t.Errorf("got %v", err)
	}
	if err := roles(admin, bob.user.GetName(), "people", "approver"); err != nil {
		t.Error(err)
	}
	client := h.as(auth.Caller{Kind: auth.Client, ClientID: "c", Actor: "clients/c", Organisation: admin.caller.Organisation, Scopes: []string{"identity:write"}, Permissions: []string{"identity.read", "identity.write"}})
	if _, err := client.CreateUser(ctx, &identityv1.CreateUserRequest{User: &identityv1.User{Email: "m@example.com", DisplayName: "M", Roles: []string{"member"}}}); err != nil {
		t.Error(err)
	}
	if _, err := client.CreateUser(ctx, &identityv1.CreateUserRequest{User: &identityv1.User{Email: "n@example.com", DisplayName: "N", Roles: []string{"admin"}}}); rpc.ReasonOf(err) != "MORE_THAN_YOURS" {
		t.Errorf("got %v", err)
	}
	role := func(id string, permissions ...string) error {
		_, err := client.CreateRole(ctx, &identityv1.CreateRoleRequest{RoleId: id, Role: &identityv1.Role{Title: "R", Permissions: permissions}})
		return err
	}
	if err := role("clerk", "identity.read"); err != nil {
		t.Error(err)
	}
	if err := role("keyholder", "clients.write"); rpc.ReasonOf(err) != "MORE_THAN_YOURS" {
		t.Errorf("a client made a role with more than it has: %v", err)
	}
	more := &identityv1.UpdateRoleRequest{Role: &identityv1.Role{Name: "roles/clerk", Permissions: []string{"identity.read", "runs.write"}}}
	if _, err := client.UpdateRole(ctx, more); rpc.ReasonOf(err) != "MORE_THAN_YOURS" {
		t.Errorf("a client added to a role what it lacks: %v", err)
	}
}

func TestARunGivesNoMoreThanItsStarter(t *testing.T) {
	t.Parallel()
	h := setup(t)
	admin := h.administrator("ada@example.com")
	if _, err := admin.CreateRole(t.Context(), &identityv1.CreateRoleRequest{RoleId: "people", Role: &identityv1.Role{Title: "People", Permissions: []string{"identity.write", "runs.read"}}}); err != nil {
		t.Fatal(err)
	}
	hr := h.member(admin, "hr@example.com", "people")
	bob := h.member(admin, "bob@example.com", "viewer")
	refused := "MORE_THAN_YOURS"
	for i, c := range []struct{ actor, role, reason string }{
		{admin.caller.Actor, "admin", ""},
		{hr.caller.Actor, "people", ""},
		{hr.caller.Actor, "admin", refused},
		{hr.caller.Actor, "operator", refused},
		{"users/" + admin.caller.Organisation.String(), "viewer", refused}, // nobody, or who has left
		{"clients/c", "member", ""},
		{"clients/c", "admin", refused},
		{"clients/c", "people", refused},
		{"facts/1", "member", ""},
		{"facts/1", "admin", refused},
	} {
		starter := admin
		starter.caller.Actor = c.actor
		run, _ := h.run(starter)
		_, err := run.InviteUser(key(t.Context()), &identityv1.InviteUserRequest{Email: fmt.Sprintf("new%d@example.com", i), DisplayName: "New", Role: c.role})
		if rpc.ReasonOf(err) != c.reason {
			t.Errorf("%s invites as %s: %v", c.actor, c.role, err)
		}
		memberships, err := run.UpdateMembership(key(t.Context()), &identityv1.UpdateMembershipRequest{Membership: &identityv1.Membership{Name: h.membership(admin, bob), Roles: []string{c.role}}})
		if c.reason != "" && rpc.ReasonOf(err) != c.reason {
			t.Errorf("%s makes a member %s: %v, %v", c.actor, c.role, memberships, err)
		}
		if err == nil { // back to what it was
			if _, err := admin.UpdateMembership(t.Context(), &identityv1.UpdateMembershipRequest{Membership: &identityv1.Membership{Name: memberships.GetName(), Roles: []string{"viewer"}}}); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func TestRoles(t *testing.T) {
	t.Parallel()
	h := setup(t)
	admin := h.administrator("ada@example.com")
	ctx := t.Context()
	list, err := admin.ListRoles(ctx, &identityv1.ListRolesRequest{})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, r := range list.GetRoles() {
		names = append(names, r.GetName())
	}
	if diff := cmp.Diff([]string{"roles/admin", "roles/approver", "roles/member", "roles/newcomer", "roles/operator", "roles/viewer"}, names); diff != "" {
		t.Error(diff)
	}
	if _, err := admin.DeleteRole(ctx, &identityv1.DeleteRoleRequest{Name: "roles/viewer"}); rpc.ReasonOf(err) != "BUILTIN_ROLE" {
		t.Errorf("got %v", err)
	}
	create := &identityv1.CreateRoleRequest{RoleId: "auditor", Role: &identityv1.Role{Title: "Auditor", Permissions: []string{"audit.read"}}}
	if _, err := admin.CreateRole(ctx, create); err != nil {
		t.Fatal(err)
	}
	if _, err := admin.CreateRole(ctx, create); rpc.ReasonOf(err) != "ROLE_EXISTS" {
		t.Errorf("got %v", err)
	}
	bob := h.member(admin, "bob@example.com", "auditor")
	if _, err := admin.DeleteRole(ctx, &identityv1.DeleteRoleRequest{Name: "roles/auditor"}); rpc.ReasonOf(err) != "ROLE_IN_USE" {
		t.Errorf("got %v", err)
	}
	before := len(h.changes(bob.user.GetName()))
	updated, err := admin.UpdateRole(ctx, &identityv1.UpdateRoleRequest{Role: &identityv1.Role{Name: "roles/auditor", Permissions: []string{"runs.read", "audit.read"}}})
	if err != nil || updated.GetTitle() != "Auditor" || !cmp.Equal(updated.GetPermissions(), []string{"audit.read", "runs.read"}) {
		t.Errorf("got %v, %v", updated, err)
	}
	if got := len(h.changes(bob.user.GetName())); got != before+1 {
		t.Errorf("the holder of a changed role keeps old tokens: %d changes, %d before", got, before)
	}
	bad := &identityv1.UpdateRoleRequest{Role: &identityv1.Role{Name: "roles/auditor", Permissions: []string{"drop table"}}}
	if _, err := admin.UpdateRole(ctx, bad); !cmp.Equal(rpc.FieldsOf(err), []string{"role.permissions[0]"}) {
		t.Errorf("got %v", err)
	}
	if _, err := admin.UpdateRole(ctx, &identityv1.UpdateRoleRequest{Role: &identityv1.Role{Name: "roles/auditor"}, UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"builtin"}}}); !cmp.Equal(rpc.FieldsOf(err), []string{"updateMask"}) {
		t.Errorf("got %v", err)
	}
}

func TestListUsers(t *testing.T) {
	t.Parallel()
	h := setup(t)
	admin := h.administrator("ada@example.com")
	ctx := t.Context()
	for i, name := range []string{"émile", "Zoe", "anton", "Berta", "zoe"} {
		h.wait(time.Second)
		if _, err := admin.CreateUser(ctx, &identityv1.CreateUserRequest{User: &identityv1.User{Email: fmt.Sprintf("user%d@example.com", i), DisplayName: name}}); err != nil {
			t.Fatal(err)
		}
	}
	pages := func(req *identityv1.ListUsersRequest) (names []string) {
		for {
			res, err := admin.ListUsers(ctx, req)
			if err != nil {
				t.Fatal(err)
			}
			for _, u := range res.GetUsers() {
				names = append(names, u.GetDisplayName())
			}
			if req.PageToken = res.GetNextPageToken(); req.GetPageToken() == "" {
				return names
			}
		}
	}
	for _, c := range []struct {
		filter, order string
		want          []string
	}{
		{"", "", []string{"Ada", "émile", "Zoe", "anton", "Berta", "zoe"}},
		{"", "displayName", []string{"Ada", "anton", "Berta", "Zoe", "zoe", "émile"}},
		{"", "createTime desc", []string{"zoe", "Berta", "anton", "Zoe", "émile", "Ada"}},
		{`state="ACTIVE"`, "", []string{"Ada"}},
		{`roles:"member" AND displayName:"zo"`, "email desc", []string{"zoe", "Zoe"}},
	} {
		got := pages(&identityv1.ListUsersRequest{PageSize: 2, Filter: c.filter, OrderBy: c.order})
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%q by %q: %s", c.filter, c.order, diff)
		}
	}
	first, err := admin.ListUsers(ctx, &identityv1.ListUsersRequest{PageSize: 1})
	if err != nil {
		t.Fatal(err)
	}
	for _, bad := range []*identityv1.ListUsersRequest{
		{Filter: "password=1"}, {Filter: `state="SLEEPING"`}, {OrderBy: "state"}, {PageToken: "x"}, {PageToken: first.GetNextPageToken(), OrderBy: "displayName"},
	} {
		if _, err := admin.ListUsers(ctx, bad); rpc.ReasonOf(err) != "INVALID_FIELD" {
			t.Errorf("%v: %v", bad, err)
		}
	}
}
