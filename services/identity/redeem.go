package identity

import (
	"context"
	"errors"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/microservicehub/mshub/events"
	"github.com/microservicehub/mshub/internal/audit"
	"github.com/microservicehub/mshub/internal/auth"
	"github.com/microservicehub/mshub/internal/rpc"
	"github.com/microservicehub/mshub/services/identity/store"
	identityv1 "github.com/microservicehub/mshub/services/identity/v1"
	"github.com/microservicehub/mshub/services/identity/v1/identityv1connect"
)

// Facts that this room tells.
const (
	factSignedUp = "identity.user.signed_up"
	factAccepted = "identity.invitation.accepted"
)

// firstOrganisation is what the first administrator finds.
const firstOrganisation = "Home"

// RedeemLink uses a link up. Of any number of calls at once exactly one does: the link is taken by a conditional update
// in the transaction of everything it leads to.
func (s *Service) RedeemLink(ctx context.Context, req *identityv1.RedeemLinkRequest) (*identityv1.RedeemLinkResponse, error) {
	r, err := s.prepare(ctx, req)
	if err != nil {
		return nil, err
	}
	res := &identityv1.RedeemLinkResponse{}
	err = s.db.Global(ctx, func(tx pgx.Tx) error {
		link, err := s.q.UseLink(ctx, tx, store.UseLinkParams{Hash: tokenHash(req.GetToken()), Now: s.now()})
		if errors.Is(err, pgx.ErrNoRows) {
			return usedLink() // it was open a moment ago
		}
		if err != nil {
			return err
		}
		res.Kind = linkKind(link)
		var user store.User
		switch res.GetKind() {
		case identityv1.Link_ADMINISTRATOR:
			user, err = s.redeemAdministrator(ctx, tx, r)
		case identityv1.Link_INVITATION:
			user, err = s.redeemInvitation(ctx, tx, r, link)
		case identityv1.Link_VERIFICATION:
			user, err = s.redeemVerification(ctx, tx, r, link)
		case identityv1.Link_RESET:
			user, err = s.redeemReset(ctx, tx, r, link)
		}
		if err != nil {
			return err
		}
		res.User = wireUser(user, nil)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return res, nil
}

// redemption is what the page sent, checked, with the password as it will be stored ("" = none asked for).
type redemption struct{ email, displayName, secret string }

// prepare checks everything before the link is used up, and hashes outside the transaction.
func (s *Service) prepare(ctx context.Context, req *identityv1.RedeemLinkRequest) (redemption, error) {
	r := redemption{}
	needsPassword := false
	err := s.db.Global(ctx, func(tx pgx.Tx) error {
		link, err := s.openLink(ctx, tx, req.GetToken())
		if err != nil {
			return err
		}
		if linkKind(link) == identityv1.Link_ADMINISTRATOR {
			needsPassword = true
			return nil
		}
		user, err := s.q.UserByID(ctx, tx, *link.UserID)
		if err != nil {
			return err
		}
		r.email, r.displayName = user.Email, user.DisplayName
		needsPassword, err = s.needsPassword(ctx, tx, link)
		return err
	})
	if err != nil {
		return r, err
	}
	if r.email == "" { // the first administrator
		if r.email, err = checkEmail("email", req.GetEmail()); err != nil {
			return r, err
		}
		if r.displayName, err = checkDisplayName("displayName", req.GetDisplayName()); err != nil {
			return r, err
		}
	}
	if !needsPassword {
		return r, nil
	}
	if err := checkPassword("password", req.GetPassword(), r.email, r.displayName); err != nil {
		return r, err
	}
	r.secret, err = s.hasher.hash(ctx, req.GetPassword())
	return r, err
}

// redeemAdministrator makes the person administrator of the installation's first organisation, which it founds if there
// is none. An account that the address has already gets the new password: the link came from the machine itself.
func (s *Service) redeemAdministrator(ctx context.Context, tx pgx.Tx, r redemption) (store.User, error) {
	if err := s.q.LockInstallation(ctx, tx); err != nil {
		return store.User{}, err
	}
	user, created, err := s.insertUser(ctx, tx, r.email, r.displayName, nil)
	if err != nil {
		return user, err
	}
	organisation, err := s.q.FirstOrganisation(ctx, tx)
	if isNotFound(err) {
		organisation, err = s.foundOrganisation(ctx, tx, firstOrganisation)
	} else if err == nil {
		err = store.Enter(ctx, tx, organisation.ID)
	}
	if err != nil {
		return user, err
	}
	if _, err := s.q.LockActiveOrganisation(ctx, tx); err != nil {
		return user, err
	}
	membership, err := s.q.MembershipOf(ctx, tx, user.ID)
	switch {
	case isNotFound(err):
		_, err = s.join(ctx, tx, user.ID, []string{roleAdmin})
	case err == nil && !slices.Contains(membership.Roles, roleAdmin):
		err = s.q.SetMembershipRoles(ctx, tx, store.SetMembershipRolesParams{ID: membership.ID, Roles: sorted(append(membership.Roles, roleAdmin))})
	}
	if err != nil {
		return user, err
	}
	if err := s.q.DropLinks(ctx, tx, store.DropLinksParams{Kind: identityv1.Link_ADMINISTRATOR.String()}); err != nil {
		return user, err
	}
	if err := s.setPassword(ctx, tx, user, r.secret); err != nil {
		return user, err
	}
	return s.redeemed(ctx, tx, user, organisation.ID, identityv1.Link_ADMINISTRATOR, map[string]any{"created": created, "roles": []string{roleAdmin}})
}

// redeemInvitation accepts, and wakes the run that waits for it.
func (s *Service) redeemInvitation(ctx context.Context, tx pgx.Tx, r redemption, link store.Link) (store.User, error) {
	user, err := s.lockForRedeem(ctx, tx, link)
	if err != nil {
		return user, err
	}
	if err := store.Enter(ctx, tx, *link.OrganisationID); err != nil {
		return user, err
	}
	invitation, err := s.q.LockInvitation(ctx, tx, *link.InvitationID)
	if err != nil {
		return user, err
	}
	if invitation.State != statePending {
		return user, rpc.Precondition("INVITATION_CLOSED", "this invitation is not open any more")
	}
	if err := s.q.SetInvitationState(ctx, tx, store.SetInvitationStateParams{ID: invitation.ID, State: stateAccepted}); err != nil {
		return user, err
	}
	if r.secret != "" {
		if err := s.setPassword(ctx, tx, user, r.secret); err != nil {
			return user, err
		}
	}
	if invitation.Joins {
		if err := s.joinInvited(ctx, tx, invitation); err != nil {
			return user, err
		}
	}
	run := uuid.Nil
	if invitation.Run != nil {
		run = *invitation.Run
	}
	fact := map[string]any{"user": userName(user.ID), "invitation": invitationName(invitation.ID)}
	if err := events.PublishFact(ctx, tx, factAccepted, fact, run); err != nil {
		return user, err
	}
	return s.redeemed(ctx, tx, user, *link.OrganisationID, identityv1.Link_INVITATION, map[string]any{"invitation": invitationName(invitation.ID)})
}

// joinInvited gives the promised role to somebody whose invitation needs no further decision.
func (s *Service) joinInvited(ctx context.Context, tx pgx.Tx, invitation store.Invitation) error {
	if _, err := s.q.LockActiveOrganisation(ctx, tx); err != nil {
		return err
	}
	_, err := s.q.MembershipOf(ctx, tx, invitation.UserID)
	if !isNotFound(err) {
		return err // a member already, by another way
	}
	_, err = s.join(ctx, tx, invitation.UserID, []string{invitation.Role})
	return err
}

// redeemVerification ends a sign-up: the address is proven, the password set. Who no organisation knows applies to the
// installation's first one: an accepted invitation makes the person visible there, and the fact starts what the
// organisation does with newcomers.
func (s *Service) redeemVerification(ctx context.Context, tx pgx.Tx, r redemption, link store.Link) (store.User, error) {
	user, err := s.lockForRedeem(ctx, tx, link)
	if err != nil {
		return user, err
	}
	if err := s.setPassword(ctx, tx, user, r.secret); err != nil {
		return user, err
	}
	organisation, err := s.apply(ctx, tx, user)
	if err != nil {
		return user, err
	}
	return s.redeemed(ctx, tx, user, organisation, identityv1.Link_VERIFICATION, nil)
}

// apply returns the organisation applied to, or zero.
func (s *Service) apply(ctx context.Context, tx pgx.Tx, user store.User) (uuid.UUID, error) {
	known, err := s.q.IsKnown(ctx, tx, user.ID)
	if err != nil || known {
		return uuid.Nil, err
	}
	first, err := s.q.FirstOrganisation(ctx, tx)
	if isNotFound(err) {
		return uuid.Nil, nil // nobody to apply to yet
	}
	if err != nil {
		return uuid.Nil, err
	}
	if err := store.Enter(ctx, tx, first.ID); err != nil {
		return uuid.Nil, err
	}
	id, err := uuid.NewV7()
	if err != nil {
		return uuid.Nil, err
	}
	if _, err := s.invite(ctx, tx, store.InsertInvitationParams{
		ID: id, UserID: user.ID, Email: user.Email, DisplayName: user.DisplayName, Role: "member", State: stateAccepted, ExpiresAt: s.now(),
	}); err != nil {
		return uuid.Nil, err
	}
	if err := s.q.SetInvitedBy(ctx, tx, store.SetInvitedByParams{ID: user.ID, Invitation: &id}); err != nil {
		return uuid.Nil, err
	}
	fact := map[string]any{
		"user": userName(user.ID), "invitation": invitationName(id), "email": user.Email, "displayName": user.DisplayName, "role": "member",
	}
	return first.ID, events.PublishFact(ctx, tx, factSignedUp, fact, uuid.Nil)
}

// redeemReset sets a new password, signs everybody out who used the old one, and forgives the failed attempts.
func (s *Service) redeemReset(ctx context.Context, tx pgx.Tx, r redemption, link store.Link) (store.User, error) {
	user, err := s.lockForRedeem(ctx, tx, link)
	if err != nil {
		return user, err
	}
	if err := s.setPassword(ctx, tx, user, r.secret); err != nil {
		return user, err
	}
	if err := s.q.ForgiveFailures(ctx, tx, account(user.Email)); err != nil {
		return user, err
	}
	return s.redeemed(ctx, tx, user, uuid.Nil, identityv1.Link_RESET, nil)
}

func (s *Service) lockForRedeem(ctx context.Context, tx pgx.Tx, link store.Link) (store.User, error) {
	user, err := s.q.LockUser(ctx, tx, *link.UserID)
	if err == nil && user.State == stateDisabled {
		err = rpc.Precondition("USER_DISABLED", "this account is disabled; ask an administrator")
	}
	return user, err
}

// setPassword stores the new password; tokens, sessions and links that came before it end.
func (s *Service) setPassword(ctx context.Context, tx pgx.Tx, user store.User, secret string) error {
	if err := s.q.SetPassword(ctx, tx, store.SetPasswordParams{UserID: user.ID, Secret: secret, Now: s.now()}); err != nil {
		return err
	}
	for _, kind := range []identityv1.Link_Kind{identityv1.Link_VERIFICATION, identityv1.Link_RESET} {
		if err := s.q.DropLinks(ctx, tx, store.DropLinksParams{Kind: kind.String(), UserID: &user.ID}); err != nil {
			return err
		}
	}
	return s.accessChanged(ctx, tx, user.ID, accessPassword)
}

// redeemed activates the account, because a link proves the address, and writes the audit entry in the person's name:
// the link says who is acting, the authorization server only carried it.
func (s *Service) redeemed(ctx context.Context, tx pgx.Tx, user store.User, organisation uuid.UUID, kind identityv1.Link_Kind, after map[string]any) (store.User, error) {
	if err := s.q.ActivateUser(ctx, tx, store.ActivateUserParams{ID: user.ID, Now: s.now()}); err != nil {
		return user, err
	}
	person := auth.From(ctx)
	person.Actor = userName(user.ID)
	err := audit.Append(auth.With(ctx, person), tx, audit.Entry{
		Action: identityv1connect.CredentialServiceRedeemLinkProcedure[1:] + "/" + kind.String(), Target: userName(user.ID), After: after, Organisation: organisation,
	})
	if err != nil {
		return user, err
	}
	return s.q.UserByID(ctx, tx, user.ID)
}
