package identity

import (
	"context"
	"errors"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"google.golang.org/protobuf/proto"

	"github.com/microservicehub/mshub/internal/auth"
	"github.com/microservicehub/mshub/internal/postgres"
	"github.com/microservicehub/mshub/internal/rpc"
	"github.com/microservicehub/mshub/services/identity/store"
	identityv1 "github.com/microservicehub/mshub/services/identity/v1"
	"github.com/microservicehub/mshub/services/identity/v1/identityv1connect"
)

// ListMemberships pages through the organisation's memberships, the oldest first.
func (s *Service) ListMemberships(ctx context.Context, req *identityv1.ListMembershipsRequest) (*identityv1.ListMembershipsResponse, error) {
	size, after := postgres.PageSize(req.GetPageSize()), uuid.Nil
	if req.GetPageToken() != "" {
		if err := postgres.DecodePage(req.GetPageToken(), &after); err != nil {
			return nil, err
		}
	}
	var rows []store.Membership
	err := s.read(ctx, func(tx pgx.Tx) (err error) {
		rows, err = s.q.ListMemberships(ctx, tx, store.ListMembershipsParams{ID: after, Limit: int32(size) + 1})
		return err
	})
	if err != nil {
		return nil, err
	}
	res := &identityv1.ListMembershipsResponse{}
	if len(rows) > size {
		rows = rows[:size]
		res.NextPageToken = postgres.EncodePage(rows[size-1].ID)
	}
	for _, row := range rows {
		res.Memberships = append(res.Memberships, wireMembership(row))
	}
	return res, nil
}

// CreateMembership gives roles to a person whom the organisation invited. The same roles again are no error.
func (s *Service) CreateMembership(ctx context.Context, req *identityv1.CreateMembershipRequest) (*identityv1.Membership, error) {
	res := &identityv1.Membership{}
	err := s.change(ctx, identityv1connect.IdentityServiceCreateMembershipProcedure, req, res, func(tx pgx.Tx) (*changed, error) {
		user, err := s.visible(ctx, tx, req.GetMembership().GetUser())
		if err != nil {
			return nil, err
		}
		roles, err := s.rolesNamed(ctx, tx, "membership.roles", req.GetMembership().GetRoles())
		if err != nil {
			return nil, err
		}
		if user.Membership != nil {
			have, err := s.q.Membership(ctx, tx, *user.Membership)
			if err != nil {
				return nil, err
			}
			if !slices.Equal(have.Roles, roles) {
				return nil, rpc.AlreadyExists("ALREADY_MEMBER", "%s is a member already, as %s; update the membership", req.GetMembership().GetUser(), wireMembership(have).GetName())
			}
			proto.Merge(res, wireMembership(have))
			return nil, nil
		}
		membership, err := s.join(ctx, tx, user.User.ID, roles)
		if err != nil {
			return nil, err
		}
		proto.Merge(res, wireMembership(membership))
		return &changed{target: res.GetName(), after: map[string]any{"user": res.GetUser(), "roles": roles}}, nil
	})
	return res, err
}

// UpdateMembership changes the roles.
func (s *Service) UpdateMembership(ctx context.Context, req *identityv1.UpdateMembershipRequest) (*identityv1.Membership, error) {
	if _, err := maskPaths(req.GetUpdateMask().GetPaths(), map[string]bool{"roles": true}); err != nil {
		return nil, err
	}
	res := &identityv1.Membership{}
	err := s.change(ctx, identityv1connect.IdentityServiceUpdateMembershipProcedure, req, res, func(tx pgx.Tx) (*changed, error) {
		membership, err := s.membership(ctx, tx, req.GetMembership().GetName())
		if err != nil {
			return nil, err
		}
		before := membership.Roles
		if membership.Roles, err = s.giveRoles(ctx, tx, "membership.roles", membership, req.GetMembership().GetRoles()); err != nil {
			return nil, err
		}
		proto.Merge(res, wireMembership(membership))
		return &changed{target: res.GetName(), before: map[string]any{"roles": before}, after: map[string]any{"user": res.GetUser(), "roles": membership.Roles}}, nil
	})
	return res, err
}

// DeleteMembership takes the person out of the organisation; the account stays. For a run, deleting what is not there is
// no error, because a compensation may come twice.
func (s *Service) DeleteMembership(ctx context.Context, req *identityv1.DeleteMembershipRequest) (*identityv1.DeleteMembershipResponse, error) {
	res := &identityv1.DeleteMembershipResponse{}
	err := s.change(ctx, identityv1connect.IdentityServiceDeleteMembershipProcedure, req, res, func(tx pgx.Tx) (*changed, error) {
		membership, err := s.membershipToEnd(ctx, tx, req)
		if err != nil {
			return nil, unlessRun(ctx, err)
		}
		before := map[string]any{"user": userName(membership.UserID), "roles": membership.Roles}
		return &changed{target: membershipName(membership.ID), before: before}, s.leave(ctx, tx, membership.UserID, membership.Roles)
	})
	return res, err
}

// ownMembership stands for a user's, for a run whose CreateMembership gave no answer.
const ownMembership = "memberships/-"

func (s *Service) membershipToEnd(ctx context.Context, tx pgx.Tx, req *identityv1.DeleteMembershipRequest) (store.Membership, error) {
	if auth.From(ctx).Kind != auth.Run || req.GetName() != ownMembership {
		return s.membership(ctx, tx, req.GetName())
	}
	user, err := userID(req.GetUser())
	if err != nil {
		return store.Membership{}, err
	}
	return s.q.MembershipOf(ctx, tx, user)
}

func (s *Service) membership(ctx context.Context, tx pgx.Tx, name string) (store.Membership, error) {
	id, err := membershipID(name)
	if err != nil {
		return store.Membership{}, err
	}
	membership, err := s.q.Membership(ctx, tx, id)
	return membership, found(err, "membership", name)
}

// join makes the membership.
func (s *Service) join(ctx context.Context, tx pgx.Tx, user uuid.UUID, roles []string) (store.Membership, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return store.Membership{}, err
	}
	now := s.now()
	if err := s.q.InsertBelonging(ctx, tx, store.InsertBelongingParams{UserID: user, CreatedAt: now}); err != nil {
		return store.Membership{}, err
	}
	if err := s.q.InsertMembership(ctx, tx, store.InsertMembershipParams{ID: id, UserID: user, Roles: roles, CreatedAt: now}); err != nil {
		return store.Membership{}, err
	}
	return store.Membership{ID: id, UserID: user, Roles: roles, CreatedAt: now}, s.accessChanged(ctx, tx, user, accessRoles)
}

// leave ends the membership.
func (s *Service) leave(ctx context.Context, tx pgx.Tx, user uuid.UUID, roles []string) error {
	if slices.Contains(roles, roleAdmin) {
		if err := s.adminStays(ctx, tx, user); err != nil {
			return err
		}
	}
	if err := s.q.DeleteBelonging(ctx, tx, user); err != nil {
		return err
	}
	return s.accessChanged(ctx, tx, user, accessRoles)
}

// giveRoles sets a member's roles; the caller must be able to give both the new ones and those taken away.
func (s *Service) giveRoles(ctx context.Context, tx pgx.Tx, field string, m store.Membership, names []string) ([]string, error) {
	if len(names) == 0 || len(names) > 20 {
		return nil, rpc.Invalid(field, "needs between 1 and 20 roles")
	}
	if _, err := s.rolesNamed(ctx, tx, field, m.Roles); err != nil {
		return nil, err
	}
	roles, err := s.rolesNamed(ctx, tx, field, names)
	if err != nil {
		return nil, err
	}
	if slices.Contains(m.Roles, roleAdmin) && !slices.Contains(roles, roleAdmin) {
		if err := s.adminStays(ctx, tx, m.UserID); err != nil {
			return nil, err
		}
	}
	if err := s.q.SetMembershipRoles(ctx, tx, store.SetMembershipRolesParams{ID: m.ID, Roles: roles}); err != nil {
		return nil, err
	}
	return roles, s.accessChanged(ctx, tx, m.UserID, accessRoles)
}

// unlessRun forgives a run that something is not there.
func unlessRun(ctx context.Context, err error) error {
	if auth.From(ctx).Kind == auth.Run && isNotFound(err) {
		return nil
	}
	return err
}

func isNotFound(err error) bool {
	return errors.Is(err, pgx.ErrNoRows) || rpc.ReasonOf(err) == "NOT_FOUND"
}
