package identity

import (
	"context"
	"time"

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

// InviteUser prepares an invitation: the account, if the address has none, and a one-time link. The run sends the mail.
// A repeated call gives the same invitation and the same link, although the link is nowhere stored.
func (s *Service) InviteUser(ctx context.Context, req *identityv1.InviteUserRequest) (*identityv1.InviteUserResponse, error) {
	email, err := checkEmail("email", req.GetEmail())
	if err != nil {
		return nil, err
	}
	name, err := checkDisplayName("displayName", req.GetDisplayName())
	if err != nil {
		return nil, err
	}
	lifetime := time.Duration(req.GetLifetimeSeconds()) * time.Second
	if lifetime == 0 {
		lifetime = s.config.InvitationLifetime
	}
	res := &identityv1.InviteUserResponse{}
	err = s.change(ctx, identityv1connect.IdentityServiceInviteUserProcedure, req, res, func(tx pgx.Tx) (*changed, error) {
		roles, err := s.rolesNamed(ctx, tx, "role", []string{req.GetRole()})
		if err != nil {
			return nil, err
		}
		id, err := uuid.NewV7()
		if err != nil {
			return nil, err
		}
		user, created, err := s.insertUser(ctx, tx, email, name, &id)
		if err != nil {
			return nil, err
		}
		if user.State == stateDisabled {
			return nil, rpc.Precondition("USER_DISABLED", "the account of %s is disabled; enable it first", email)
		}
		if _, err := s.q.MembershipOf(ctx, tx, user.ID); !isNotFound(err) {
			if err != nil {
				return nil, err
			}
			return nil, rpc.AlreadyExists("ALREADY_MEMBER", "%s is a member of this organisation already", email)
		}
		invitation, err := s.invite(ctx, tx, store.InsertInvitationParams{
			ID: id, UserID: user.ID, Email: email, DisplayName: name, Role: roles[0],
			Run: runOf(ctx), State: statePending, ExpiresAt: s.now().Add(lifetime),
		})
		if err != nil {
			return nil, err
		}
		organisation := auth.From(ctx).Organisation
		if _, err := s.newLink(ctx, tx, store.InsertLinkParams{
			Kind: identityv1.Link_INVITATION.String(), UserID: &user.ID, OrganisationID: &organisation, InvitationID: &id, ExpiresAt: invitation.ExpiresAt,
		}); err != nil {
			return nil, err
		}
		proto.Merge(res, &identityv1.InviteUserResponse{Invitation: wireInvitation(invitation, s.now()), Created: created})
		return &changed{target: invitationName(id), after: map[string]any{"user": userName(user.ID), "role": roles[0], "created": created}}, nil
	})
	if err != nil {
		return nil, err
	}
	res.Link, err = s.linkOfInvitation(ctx, res.GetInvitation().GetName())
	return res, err
}

// ownInvitation stands for what the calling run has made, if its InviteUser gave no answer.
const ownInvitation = "invitations/-"

func (s *Service) invitationOf(ctx context.Context, tx pgx.Tx, name string) (uuid.UUID, error) {
	if caller := auth.From(ctx); caller.Kind == auth.Run && name == ownInvitation {
		return s.q.InvitationOfRun(ctx, tx, &caller.Run)
	}
	return invitationID(name)
}

// WithdrawInvitation undoes InviteUser, accepted or not: the link dies; an account that was made for it goes too, unless
// an organisation knows the person. Again, or by a run for what is not there, it is no error.
func (s *Service) WithdrawInvitation(ctx context.Context, req *identityv1.WithdrawInvitationRequest) (*identityv1.WithdrawInvitationResponse, error) {
	res := &identityv1.WithdrawInvitationResponse{}
	err := s.change(ctx, identityv1connect.IdentityServiceWithdrawInvitationProcedure, req, res, func(tx pgx.Tx) (*changed, error) {
		id, err := s.invitationOf(ctx, tx, req.GetName())
		if err != nil {
			return nil, unlessRun(ctx, err)
		}
		invitation, err := s.q.LockInvitation(ctx, tx, id)
		if err != nil {
			return nil, unlessRun(ctx, found(err, "invitation", req.GetName()))
		}
		if invitation.State == stateWithdrawn {
			return nil, nil
		}
		removed, err := s.withdrawLocked(ctx, tx, invitation)
		if err != nil {
			return nil, err
		}
		return &changed{
			target: req.GetName(),
			before: map[string]any{"state": invitation.State},
			after:  map[string]any{"state": stateWithdrawn, "user": userName(invitation.UserID), "accountDeleted": removed},
		}, nil
	})
	return res, err
}

// withdrawLocked ends an invitation; an account that was made for it goes too, unless an organisation knows the person.
func (s *Service) withdrawLocked(ctx context.Context, tx pgx.Tx, invitation store.Invitation) (removed bool, err error) {
	if err := s.withdraw(ctx, tx, invitation.ID); err != nil {
		return false, err
	}
	user, err := s.q.LockUser(ctx, tx, invitation.UserID)
	if err == nil && user.InvitedBy != nil && *user.InvitedBy == invitation.ID {
		removed, err = s.removeIfAlone(ctx, tx, user.ID)
	}
	if err != nil && !isNotFound(err) {
		return false, err
	}
	return removed, nil
}

// ListInvitations pages through the organisation's invitations, the newest first.
func (s *Service) ListInvitations(ctx context.Context, req *identityv1.ListInvitationsRequest) (*identityv1.ListInvitationsResponse, error) {
	size, before := postgres.PageSize(req.GetPageSize()), uuid.Max
	if req.GetPageToken() != "" {
		if err := postgres.DecodePage(req.GetPageToken(), &before); err != nil {
			return nil, err
		}
	}
	var rows []store.Invitation
	err := s.read(ctx, func(tx pgx.Tx) (err error) {
		rows, err = s.q.ListInvitations(ctx, tx, store.ListInvitationsParams{ID: before, Limit: int32(size) + 1})
		return err
	})
	if err != nil {
		return nil, err
	}
	res := &identityv1.ListInvitationsResponse{}
	if len(rows) > size {
		rows = rows[:size]
		res.NextPageToken = postgres.EncodePage(rows[size-1].ID)
	}
	for _, row := range rows {
		res.Invitations = append(res.Invitations, wireInvitation(row, s.now()))
	}
	return res, nil
}

func (s *Service) invite(ctx context.Context, tx pgx.Tx, i store.InsertInvitationParams) (store.Invitation, error) {
	i.CreatedAt = s.now()
	if err := s.q.InsertInvitation(ctx, tx, i); err != nil {
		return store.Invitation{}, err
	}
	return s.q.Invitation(ctx, tx, i.ID)
}

// withdraw ends an invitation and its link.
func (s *Service) withdraw(ctx context.Context, tx pgx.Tx, id uuid.UUID) error {
	if err := s.q.SetInvitationState(ctx, tx, store.SetInvitationStateParams{ID: id, State: stateWithdrawn}); err != nil {
		return err
	}
	return s.q.DropLinkOfInvitation(ctx, tx, &id)
}

func runOf(ctx context.Context) *uuid.UUID {
	run := auth.From(ctx).Run
	if run == uuid.Nil {
		return nil
	}
	return &run
}
