package identity

import (
	"context"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	eventsv1 "github.com/microservicehub/mshub/events/v1"
	"github.com/microservicehub/mshub/internal/audit"
	"github.com/microservicehub/mshub/internal/auth"
	"github.com/microservicehub/mshub/internal/rpc"
	"github.com/microservicehub/mshub/services/identity/store"
	identityv1 "github.com/microservicehub/mshub/services/identity/v1"
	"github.com/microservicehub/mshub/services/identity/v1/identityv1connect"
)

// ApplyUserBulk does the action for one batch: each person in a savepoint, so that a refusal stays that line's. A dry run
// does the same and rolls the batch back. The links of invitations are derived anew for each answer; they are nowhere kept.
func (s *Service) ApplyUserBulk(ctx context.Context, req *identityv1.ApplyUserBulkRequest) (*identityv1.ApplyUserBulkResponse, error) {
	run, err := callingRun(ctx)
	if err != nil {
		return nil, err
	}
	res := &identityv1.ApplyUserBulkResponse{}
	err = s.change(ctx, identityv1connect.IdentityServiceApplyUserBulkProcedure, req, res, func(tx pgx.Tx) (*changed, error) {
		bulk, err := s.q.Bulk(ctx, tx, run)
		if err != nil {
			return nil, found(err, "bulk change", "runs/"+run.String())
		}
		if bulk.State != bulkPlanned {
			return nil, rpc.Precondition("BULK_OVER", "the bulk change of this run is over")
		}
		if err := s.mayWritePeople(ctx, tx); err != nil {
			return nil, err
		}
		if err := s.applyBatch(ctx, tx, bulk, req.GetBatch()); err != nil {
			return nil, err
		}
		counts, err := s.q.CountBulk(ctx, tx, store.CountBulkParams{Run: run, Batch: req.GetBatch()})
		if err != nil {
			return nil, err
		}
		res.Done, res.Unchanged, res.Failed = counted(counts, outcomeDone), counted(counts, outcomeUnchanged), counted(counts, outcomeFailed)
		res.Progress = &eventsv1.Progress{Done: res.GetDone() + res.GetUnchanged() + res.GetFailed(), Unit: "people"}
		return nil, nil
	})
	if err != nil {
		return nil, err
	}
	res.Mails, err = s.mailsOf(ctx, run, req.GetBatch())
	return res, err
}

// applyBatch tries the lines of a batch that were not tried yet, and notes what became of them.
func (s *Service) applyBatch(ctx context.Context, tx pgx.Tx, bulk store.Bulk, number int32) error {
	lines, err := s.q.BulkLines(ctx, tx, store.BulkLinesParams{Run: bulk.Run, Batch: number, Outcomes: []string{outcomePlanned}, Most: bulkBatch})
	if err != nil {
		return err
	}
	batch, err := tx.Begin(ctx)
	if err != nil {
		return err
	}
	for i := range lines {
		if err := s.applyLine(ctx, batch, bulk, &lines[i]); err != nil {
			return err
		}
	}
	if bulk.DryRun {
		err = batch.Rollback(ctx)
	} else {
		err = batch.Commit(ctx)
	}
	if err != nil {
		return err
	}
	for _, l := range lines {
		if bulk.DryRun && l.Invitation != nil { // rolled back with the rest
			l.Invitation, l.UserID = nil, nil
		}
		err := s.q.SetBulkLine(ctx, tx, store.SetBulkLineParams{
			Run: bulk.Run, Line: l.Line, UserID: l.UserID, Outcome: l.Outcome, Reason: l.Reason, Message: l.Message, Before: texts(l.Before), After: texts(l.After), Invitation: l.Invitation,
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func texts(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}

// applyLine does the action for one person, or notes why not. An error is a fault of the house and stops the batch.
func (s *Service) applyLine(ctx context.Context, tx pgx.Tx, bulk store.Bulk, l *store.BulkLine) error {
	one, err := tx.Begin(ctx)
	if err != nil {
		return err
	}
	l.Outcome = outcomeDone
	actions := map[string]func(context.Context, pgx.Tx, store.Bulk, *store.BulkLine) error{
		actionInvite: s.bulkInvite, actionDisable: s.bulkDisable, actionEnable: s.bulkEnable, actionAddRole: s.bulkRoles, actionRemoveRole: s.bulkRoles,
	}
	if err := actions[bulk.Action](ctx, one, bulk, l); err != nil {
		if rpc.ReasonOf(err) == "" {
			return err
		}
		refuse(l, err)
		return one.Rollback(ctx)
	}
	return one.Commit(ctx)
}

func unchanged(l *store.BulkLine, message string) error {
	l.Outcome, l.Message = outcomeUnchanged, message
	return nil
}

// bulkInvite asks a person in; who accepts has the role at once. An account that another organisation knows stays as it is.
func (s *Service) bulkInvite(ctx context.Context, tx pgx.Tx, bulk store.Bulk, l *store.BulkLine) error {
	roles, err := s.rolesNamed(ctx, tx, "role", []string{l.Role})
	if err != nil {
		return err
	}
	id, err := uuid.NewV7()
	if err != nil {
		return err
	}
	user, created, err := s.insertUser(ctx, tx, l.Email, l.DisplayName, &id)
	if err != nil {
		return err
	}
	if user.State == stateDisabled {
		return rpc.Precondition("USER_DISABLED", "the account of %s is disabled; enable it first", l.Email)
	}
	if _, err := s.q.MembershipOf(ctx, tx, user.ID); !isNotFound(err) {
		if err != nil {
			return err
		}
		return unchanged(l, "is a member already")
	}
	open, err := s.q.HasOpenInvitation(ctx, tx, store.HasOpenInvitationParams{UserID: user.ID, Now: s.now()})
	if err != nil {
		return err
	}
	if open {
		return unchanged(l, "is invited already")
	}
	expires := s.now().Add(time.Duration(bulk.Lifetime) * time.Second)
	if _, err := s.invite(ctx, tx, store.InsertInvitationParams{
		ID: id, UserID: user.ID, Email: l.Email, DisplayName: l.DisplayName, Role: roles[0], Run: &bulk.Run, State: statePending, Joins: true, ExpiresAt: expires,
	}); err != nil {
		return err
	}
	organisation := auth.From(ctx).Organisation
	if _, err := s.newLink(ctx, tx, store.InsertLinkParams{
		Kind: identityv1.Link_INVITATION.String(), UserID: &user.ID, OrganisationID: &organisation, InvitationID: &id, ExpiresAt: expires,
	}); err != nil {
		return err
	}
	l.UserID, l.Invitation = &user.ID, &id
	return s.bulkAudit(ctx, tx, bulk, identityv1connect.IdentityServiceInviteUserProcedure, invitationName(id), nil,
		map[string]any{"user": userName(user.ID), "role": roles[0], "created": created})
}

func (s *Service) bulkDisable(ctx context.Context, tx pgx.Tx, bulk store.Bulk, l *store.BulkLine) error {
	user, err := s.visible(ctx, tx, userName(*l.UserID))
	if err != nil {
		return err
	}
	if user.User.State == stateDisabled {
		return unchanged(l, "is disabled already")
	}
	if err := s.disable(ctx, tx, user); err != nil {
		return err
	}
	l.Before, l.After = []string{user.User.State}, []string{stateDisabled}
	return s.bulkAudit(ctx, tx, bulk, identityv1connect.IdentityServiceDisableUserProcedure, userName(*l.UserID),
		map[string]any{"state": user.User.State}, map[string]any{"state": stateDisabled})
}

func (s *Service) bulkEnable(ctx context.Context, tx pgx.Tx, bulk store.Bulk, l *store.BulkLine) error {
	user, err := s.visible(ctx, tx, userName(*l.UserID))
	if err != nil {
		return err
	}
	if user.User.State != stateDisabled {
		return unchanged(l, "is not disabled")
	}
	state, err := s.enable(ctx, tx, user)
	if err != nil {
		return err
	}
	l.Before, l.After = []string{stateDisabled}, []string{state}
	return s.bulkAudit(ctx, tx, bulk, identityv1connect.IdentityServiceEnableUserProcedure, userName(*l.UserID),
		map[string]any{"state": stateDisabled}, map[string]any{"state": state})
}

func (s *Service) bulkRoles(ctx context.Context, tx pgx.Tx, bulk store.Bulk, l *store.BulkLine) error {
	membership, err := s.q.MembershipOf(ctx, tx, *l.UserID)
	if err != nil {
		return found(err, "member", l.Email)
	}
	var want []string
	switch has := slices.Contains(membership.Roles, bulk.Role); {
	case bulk.Action == actionAddRole && has:
		return unchanged(l, "has the role already")
	case bulk.Action == actionAddRole:
		want = append(slices.Clone(membership.Roles), bulk.Role)
	case !has:
		return unchanged(l, "does not have the role")
	case len(membership.Roles) == 1:
		return rpc.Precondition("LAST_ROLE", "has no other role; give another one first, or end the membership")
	default:
		want = slices.DeleteFunc(slices.Clone(membership.Roles), func(r string) bool { return r == bulk.Role })
	}
	l.Before = membership.Roles
	if l.After, err = s.giveRoles(ctx, tx, "role", membership, want); err != nil {
		return err
	}
	return s.bulkAudit(ctx, tx, bulk, identityv1connect.IdentityServiceUpdateMembershipProcedure, membershipName(membership.ID),
		map[string]any{"roles": l.Before}, map[string]any{"user": userName(*l.UserID), "roles": l.After})
}

// bulkAudit writes the entry that the single change would write.
func (s *Service) bulkAudit(ctx context.Context, tx pgx.Tx, bulk store.Bulk, procedure, target string, before, after map[string]any) error {
	return audit.Append(ctx, tx, audit.Entry{Action: procedure[1:], Target: target, Before: before, After: after, Reason: bulk.Reason})
}

// mailsOf are the invitations of a batch with their links.
func (s *Service) mailsOf(ctx context.Context, run uuid.UUID, batch int32) ([]*identityv1.ApplyUserBulkResponse_Mail, error) {
	var lines []store.BulkLine
	err := s.read(ctx, func(tx pgx.Tx) (err error) {
		lines, err = s.q.BulkLines(ctx, tx, store.BulkLinesParams{Run: run, Batch: batch, Outcomes: []string{outcomeDone}, Most: bulkBatch})
		return err
	})
	if err != nil {
		return nil, err
	}
	var mails []*identityv1.ApplyUserBulkResponse_Mail
	for _, l := range lines {
		if l.Invitation == nil {
			continue
		}
		link, err := s.linkOfInvitation(ctx, invitationName(*l.Invitation))
		if err != nil {
			return nil, err
		}
		if link != "" {
			mails = append(mails, &identityv1.ApplyUserBulkResponse_Mail{Email: l.Email, DisplayName: l.DisplayName, Link: link, Line: l.Line})
		}
	}
	return mails, nil
}
