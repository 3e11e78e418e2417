package identity

import (
	"context"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"google.golang.org/protobuf/proto"

	"github.com/microservicehub/mshub/internal/rpc"
	"github.com/microservicehub/mshub/services/identity/store"
	identityv1 "github.com/microservicehub/mshub/services/identity/v1"
	"github.com/microservicehub/mshub/services/identity/v1/identityv1connect"
)

// ListRoles returns all roles of the organisation, the built-in ones first.
func (s *Service) ListRoles(ctx context.Context, _ *identityv1.ListRolesRequest) (*identityv1.ListRolesResponse, error) {
	res := &identityv1.ListRolesResponse{}
	err := s.read(ctx, func(tx pgx.Tx) error {
		rows, err := s.q.ListRoles(ctx, tx)
		for _, row := range rows {
			res.Roles = append(res.Roles, wireRole(row))
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return res, nil
}

// CreateRole makes a role under a name that its author chooses.
func (s *Service) CreateRole(ctx context.Context, req *identityv1.CreateRoleRequest) (*identityv1.Role, error) {
	res := &identityv1.Role{}
	err := s.change(ctx, identityv1connect.IdentityServiceCreateRoleProcedure, req, res, func(tx pgx.Tx) (*changed, error) {
		role := store.InsertRoleParams{Slug: req.GetRoleId(), Title: req.GetRole().GetTitle(), Permissions: sorted(req.GetRole().GetPermissions())}
		if err := s.mayGive(ctx, tx, role.Permissions); err != nil {
			return nil, err
		}
		n, err := s.q.InsertRole(ctx, tx, role)
		if err != nil {
			return nil, err
		}
		if n == 0 {
			return nil, rpc.AlreadyExists("ROLE_EXISTS", "there is a role %q already; update it or choose another name", role.Slug)
		}
		proto.Merge(res, &identityv1.Role{Name: roleName(role.Slug), Title: role.Title, Permissions: role.Permissions})
		return &changed{target: res.GetName(), after: map[string]any{"permissions": role.Permissions}}, nil
	})
	return res, err
}

// UpdateRole changes title and permissions; whoever holds the role gets new tokens within seconds.
func (s *Service) UpdateRole(ctx context.Context, req *identityv1.UpdateRoleRequest) (*identityv1.Role, error) {
	paths, err := maskPaths(req.GetUpdateMask().GetPaths(), map[string]bool{
		"title":       req.GetRole().GetTitle() != "",
		"permissions": len(req.GetRole().GetPermissions()) > 0,
	})
	if err != nil {
		return nil, err
	}
	res := &identityv1.Role{}
	err = s.change(ctx, identityv1connect.IdentityServiceUpdateRoleProcedure, req, res, func(tx pgx.Tx) (*changed, error) {
		role, err := s.ownRole(ctx, tx, req.GetRole().GetName())
		if err != nil {
			return nil, err
		}
		updated := wireRole(role)
		if slices.Contains(paths, "title") {
			updated.Title = req.GetRole().GetTitle()
		}
		if slices.Contains(paths, "permissions") {
			updated.Permissions = sorted(req.GetRole().GetPermissions())
		}
		if err := valid("role", updated); err != nil {
			return nil, err
		}
		// Also what the role loses: who could not give a permission can't take it from others.
		if err := s.mayGive(ctx, tx, append(slices.Clone(role.Permissions), updated.GetPermissions()...)); err != nil {
			return nil, err
		}
		if err := s.q.UpdateRole(ctx, tx, store.UpdateRoleParams{Slug: role.Slug, Title: updated.GetTitle(), Permissions: updated.GetPermissions()}); err != nil {
			return nil, err
		}
		holders, err := s.q.HoldersOfRole(ctx, tx, role.Slug)
		if err != nil {
			return nil, err
		}
		if err := s.accessChangedForAll(ctx, tx, holders); err != nil {
			return nil, err
		}
		proto.Merge(res, updated)
		return &changed{target: res.GetName(), before: map[string]any{"permissions": role.Permissions}, after: map[string]any{"permissions": updated.GetPermissions()}}, nil
	})
	return res, err
}

// DeleteRole removes a role that nobody has and nobody was promised.
func (s *Service) DeleteRole(ctx context.Context, req *identityv1.DeleteRoleRequest) (*identityv1.DeleteRoleResponse, error) {
	res := &identityv1.DeleteRoleResponse{}
	err := s.change(ctx, identityv1connect.IdentityServiceDeleteRoleProcedure, req, res, func(tx pgx.Tx) (*changed, error) {
		role, err := s.ownRole(ctx, tx, req.GetName())
		if err != nil {
			return nil, err
		}
		holders, err := s.q.HoldersOfRole(ctx, tx, role.Slug)
		if err != nil {
			return nil, err
		}
		promised, err := s.q.RoleIsPromised(ctx, tx, store.RoleIsPromisedParams{Slug: role.Slug, Now: s.now()})
		if err != nil {
			return nil, err
		}
		if len(holders) > 0 || promised {
			return nil, rpc.Precondition("ROLE_IN_USE", "%d members have the role %q, or an open invitation promises it; change these first", len(holders), role.Slug)
		}
		return &changed{target: roleName(role.Slug), before: map[string]any{"permissions": role.Permissions}}, s.q.DeleteRole(ctx, tx, role.Slug)
	})
	return res, err
}

// ownRole finds a role that is not built in.
func (s *Service) ownRole(ctx context.Context, tx pgx.Tx, name string) (store.Role, error) {
	role, err := s.q.Role(ctx, tx, roleSlug(name))
	if err != nil {
		return role, found(err, "role", name)
	}
	if role.Builtin {
		return role, rpc.Precondition("BUILTIN_ROLE", "the role %q is built in; make one of your own instead", role.Slug)
	}
	return role, nil
}

func (s *Service) accessChangedForAll(ctx context.Context, tx pgx.Tx, users []uuid.UUID) error {
	for _, user := range users {
		if err := s.accessChanged(ctx, tx, user, accessRoles); err != nil {
			return err
		}
	}
	return nil
}

func sorted(list []string) []string {
	list = slices.Clone(list)
	slices.Sort(list)
	return slices.Compact(list)
}
