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

// GetUser shows a member of the active organisation, or somebody it invited: until that person answers, only what the
// invitation says, because an account that is there already is another organisation's knowledge.
func (s *Service) GetUser(ctx context.Context, req *identityv1.GetUserRequest) (*identityv1.User, error) {
	var user store.VisibleUserRow
	err := s.read(ctx, func(tx pgx.Tx) (err error) {
		user, err = s.visible(ctx, tx, req.GetName())
		if err != nil || user.Membership != nil {
			return err
		}
		asked, err := s.q.LatestInvitationOf(ctx, tx, user.User.ID)
		if err == nil && asked.State == statePending && user.User.State != stateDisabled {
			user.User = store.User{
				ID: asked.UserID, Email: asked.Email, DisplayName: asked.DisplayName, State: stateInvited, CreatedAt: asked.CreatedAt, UpdatedAt: asked.CreatedAt,
			}
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return wireUser(user.User, user.Roles), nil
}

// CreateUser makes an account in state INVITED and its membership. The person can sign in after following a link that
// shows the address is theirs: one from the onboarding process, or the page "forgot password".
func (s *Service) CreateUser(ctx context.Context, req *identityv1.CreateUserRequest) (*identityv1.User, error) {
	email, err := checkEmail("user.email", req.GetUser().GetEmail())
	if err != nil {
		return nil, err
	}
	name, err := checkDisplayName("user.displayName", req.GetUser().GetDisplayName())
	if err != nil {
		return nil, err
	}
	names := req.GetUser().GetRoles()
	if len(names) == 0 {
		names = []string{"member"}
	}
	res := &identityv1.User{}
	err = s.change(ctx, identityv1connect.IdentityServiceCreateUserProcedure, req, res, func(tx pgx.Tx) (*changed, error) {
		roles, err := s.rolesNamed(ctx, tx, "user.roles", names)
		if err != nil {
			return nil, err
		}
		user, created, err := s.insertUser(ctx, tx, email, name, nil)
		if err != nil {
			return nil, err
		}
		if !created {
			return nil, s.taken(ctx, tx, user)
		}
		if _, err := s.join(ctx, tx, user.ID, roles); err != nil {
			return nil, err
		}
		proto.Merge(res, wireUser(user, roles))
		return &changed{target: res.GetName(), after: map[string]any{"state": user.State, "roles": roles}}, nil
	})
	return res, err
}

// taken says what to do about a person who has an account already.
func (s *Service) taken(ctx context.Context, tx pgx.Tx, user store.User) error {
	_, err := s.q.MembershipOf(ctx, tx, user.ID)
	switch {
	case err == nil:
		return rpc.AlreadyExists("ALREADY_MEMBER", "%s is a member of this organisation already; change the person's roles", user.Email)
	case isNotFound(err):
		return rpc.AlreadyExists("ADDRESS_TAKEN", "%s has an account already, and is no member of this organisation yet; "+
			"invite the person: run the process onboarding, or for many userbulk", user.Email)
	}
	return err
}

// UpdateUser changes the name and the roles in the active organisation.
func (s *Service) UpdateUser(ctx context.Context, req *identityv1.UpdateUserRequest) (*identityv1.User, error) {
	paths, err := maskPaths(req.GetUpdateMask().GetPaths(), map[string]bool{
		"display_name": req.GetUser().GetDisplayName() != "",
		"roles":        len(req.GetUser().GetRoles()) > 0,
	})
	if err != nil {
		return nil, err
	}
	res := &identityv1.User{}
	err = s.change(ctx, identityv1connect.IdentityServiceUpdateUserProcedure, req, res, func(tx pgx.Tx) (*changed, error) {
		user, err := s.visible(ctx, tx, req.GetUser().GetName())
		if err != nil {
			return nil, err
		}
		what := &changed{target: req.GetUser().GetName(), before: map[string]any{}, after: map[string]any{}}
		if slices.Contains(paths, "display_name") {
			name, err := checkDisplayName("user.displayName", req.GetUser().GetDisplayName())
			if err != nil {
				return nil, err
			}
			if err := s.onlyHere(ctx, tx, user.User.ID); err != nil {
				return nil, err
			}
			if err := s.q.SetDisplayName(ctx, tx, store.SetDisplayNameParams{ID: user.User.ID, DisplayName: name, Now: s.now()}); err != nil {
				return nil, err
			}
			what.after["displayName"] = "changed" // the name itself is the person's
			user.User.DisplayName, user.User.UpdatedAt = name, s.now()
		}
		if slices.Contains(paths, "roles") {
			if user.Membership == nil {
				return nil, rpc.Precondition("NO_MEMBERSHIP", "this person is not a member yet, so there are no roles to change")
			}
			what.before["roles"] = user.Roles
			membership := store.Membership{ID: *user.Membership, UserID: user.User.ID, Roles: user.Roles}
			if user.Roles, err = s.giveRoles(ctx, tx, "user.roles", membership, req.GetUser().GetRoles()); err != nil {
				return nil, err
			}
			what.after["roles"] = user.Roles
		}
		proto.Merge(res, wireUser(user.User, user.Roles))
		return what, nil
	})
	return res, err
}

// DeleteUser removes the person from the active organisation: membership and open invitations. The account goes too if
// no other organisation knows it.
func (s *Service) DeleteUser(ctx context.Context, req *identityv1.DeleteUserRequest) (*identityv1.DeleteUserResponse, error) {
	res := &identityv1.DeleteUserResponse{}
	err := s.change(ctx, identityv1connect.IdentityServiceDeleteUserProcedure, req, res, func(tx pgx.Tx) (*changed, error) {
		user, err := s.visible(ctx, tx, req.GetName())
		if err != nil {
			return nil, err
		}
		id := user.User.ID
		if user.Membership != nil {
			if err := s.leave(ctx, tx, id, user.Roles); err != nil {
				return nil, err
			}
		}
		invitations, err := s.q.OpenInvitationsOf(ctx, tx, id)
		if err != nil {
			return nil, err
		}
		for _, i := range invitations {
			if err := s.withdraw(ctx, tx, i.ID); err != nil {
				return nil, err
			}
		}
		gone, err := s.removeIfAlone(ctx, tx, id)
		return &changed{target: req.GetName(), before: map[string]any{"roles": user.Roles}, after: map[string]any{"accountDeleted": gone}}, err
	})
	return res, err
}

// DisableUser stops sign-in at once, and what is signed in within seconds.
func (s *Service) DisableUser(ctx context.Context, req *identityv1.DisableUserRequest) (*identityv1.User, error) {
	res := &identityv1.User{}
	err := s.change(ctx, identityv1connect.IdentityServiceDisableUserProcedure, req, res, func(tx pgx.Tx) (*changed, error) {
		user, err := s.visible(ctx, tx, req.GetName())
		if err != nil {
			return nil, err
		}
		if user.User.State == stateDisabled {
			proto.Merge(res, wireUser(user.User, user.Roles))
			return nil, nil
		}
		if err := s.disable(ctx, tx, user); err != nil {
			return nil, err
		}
		return s.nowIn(res, user, stateDisabled, req.GetReason()), nil
	})
	return res, err
}

// disable ends the access of somebody who has it.
func (s *Service) disable(ctx context.Context, tx pgx.Tx, user store.VisibleUserRow) error {
	if err := s.onlyHere(ctx, tx, user.User.ID); err != nil {
		return err
	}
	if slices.Contains(user.Roles, roleAdmin) {
		if err := s.adminStays(ctx, tx, user.User.ID); err != nil {
			return err
		}
	}
	if err := s.accessChanged(ctx, tx, user.User.ID, accessRemoved); err != nil {
		return err
	}
	return s.q.SetUserState(ctx, tx, store.SetUserStateParams{ID: user.User.ID, State: stateDisabled, Now: s.now()})
}

// EnableUser takes DisableUser back: the state is ACTIVE again, or INVITED for who never verified the address.
func (s *Service) EnableUser(ctx context.Context, req *identityv1.EnableUserRequest) (*identityv1.User, error) {
	res := &identityv1.User{}
	err := s.change(ctx, identityv1connect.IdentityServiceEnableUserProcedure, req, res, func(tx pgx.Tx) (*changed, error) {
		user, err := s.visible(ctx, tx, req.GetName())
		if err != nil {
			return nil, err
		}
		if user.User.State != stateDisabled {
			proto.Merge(res, wireUser(user.User, user.Roles))
			return nil, nil
		}
		state, err := s.enable(ctx, tx, user)
		if err != nil {
			return nil, err
		}
		return s.nowIn(res, user, state, ""), nil
	})
	return res, err
}

// enable gives back the access of a disabled user, and says in which state.
func (s *Service) enable(ctx context.Context, tx pgx.Tx, user store.VisibleUserRow) (state string, err error) {
	if err := s.onlyHere(ctx, tx, user.User.ID); err != nil {
		return "", err
	}
	state = stateInvited
	if user.User.EmailVerified {
		state = stateActive
	}
	return state, s.q.SetUserState(ctx, tx, store.SetUserStateParams{ID: user.User.ID, State: state, Now: s.now()})
}

// nowIn fills the answer after a change of state.
func (s *Service) nowIn(res *identityv1.User, user store.VisibleUserRow, state, reason string) *changed {
	before := user.User.State
	user.User.State, user.User.UpdatedAt = state, s.now()
	proto.Merge(res, wireUser(user.User, user.Roles))
	return &changed{target: res.GetName(), before: map[string]any{"state": before}, after: map[string]any{"state": state}, reason: reason}
}

// visible finds a user by name as the active organisation may see it.
func (s *Service) visible(ctx context.Context, tx pgx.Tx, name string) (store.VisibleUserRow, error) {
	id, err := userID(name)
	if err != nil {
		return store.VisibleUserRow{}, err
	}
	user, err := s.q.VisibleUser(ctx, tx, id)
	return user, found(err, "user", name)
}

// insertUser makes an account in state INVITED, or finds the one that the address has.
func (s *Service) insertUser(ctx context.Context, tx pgx.Tx, email, displayName string, invitation *uuid.UUID) (user store.User, created bool, err error) {
	id, err := uuid.NewV7()
	if err != nil {
		return user, false, err
	}
	n, err := s.q.InsertUser(ctx, tx, store.InsertUserParams{
		ID: id, Email: email, EmailNorm: normalise(email), DisplayName: displayName, InvitedBy: invitation, Now: s.now(),
	})
	if err != nil {
		return user, false, err
	}
	user, err = s.q.UserByEmail(ctx, tx, normalise(email))
	return user, n == 1, err
}

// removeIfAlone deletes the account if no organisation knows it any more.
func (s *Service) removeIfAlone(ctx context.Context, tx pgx.Tx, user uuid.UUID) (bool, error) {
	n, err := s.q.DeleteUserIfAlone(ctx, tx, user)
	if err != nil || n == 0 {
		return false, err
	}
	return true, s.accessChanged(ctx, tx, user, accessRemoved)
}
