package identity

import (
	"context"
	"errors"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/microservicehub/mshub/internal/auth"
	"github.com/microservicehub/mshub/internal/rpc"
	"github.com/microservicehub/mshub/services/identity/store"
	identityv1 "github.com/microservicehub/mshub/services/identity/v1"
	"github.com/microservicehub/mshub/services/identity/v1/identityv1connect"
)

// FinishUserBulk sums up and sends the list: the failures, or of a dry run every line. Repeating it gives the same answer.
func (s *Service) FinishUserBulk(ctx context.Context, req *identityv1.FinishUserBulkRequest) (*identityv1.FinishUserBulkResponse, error) {
	run, err := callingRun(ctx)
	if err != nil {
		return nil, err
	}
	var bulk store.Bulk
	var counts []store.CountBulkRow
	var list []store.BulkLine
	err = s.read(ctx, func(tx pgx.Tx) (err error) {
		if bulk, err = s.q.Bulk(ctx, tx, run); err != nil {
			return found(err, "bulk change", "runs/"+run.String())
		}
		if counts, err = s.q.CountBulk(ctx, tx, store.CountBulkParams{Run: run}); err != nil {
			return err
		}
		outcomes := []string{outcomeFailed}
		if bulk.DryRun {
			outcomes = []string{outcomeDone, outcomeUnchanged, outcomeFailed}
		}
		list, err = s.q.BulkLines(ctx, tx, store.BulkLinesParams{Run: run, Outcomes: outcomes, Most: maxBulkLines})
		return err
	})
	if err != nil {
		return nil, err
	}
	switch left := counted(counts, outcomePlanned); {
	case bulk.State == bulkUndone:
		return nil, rpc.Precondition("BULK_OVER", "the bulk change of this run was undone")
	case left > 0:
		return nil, rpc.Precondition("BATCHES_MISSING", "%d people were not tried yet", left)
	}
	res := &identityv1.FinishUserBulkResponse{
		People: bulk.People, Done: counted(counts, outcomeDone), Unchanged: counted(counts, outcomeUnchanged), Failed: counted(counts, outcomeFailed),
		ListSize: bulk.ListSize, ListSha256: bulk.ListSha256,
	}
	if bulk.State == bulkFinished {
		return res, nil
	}
	if len(list) > 0 && req.GetListUrl() != "" {
		if res.ListSize, res.ListSha256, err = s.sendList(ctx, req.GetListUrl(), list); err != nil {
			return nil, err
		}
	}
	return res, s.endBulk(ctx, run, bulkFinished, res.GetListSize(), res.GetListSha256(), identityv1connect.IdentityServiceFinishUserBulkProcedure,
		map[string]any{"action": bulk.Action, "dryRun": bulk.DryRun, "done": res.GetDone(), "unchanged": res.GetUnchanged(), "failed": res.GetFailed()})
}

// endBulk closes a bulk change, once.
func (s *Service) endBulk(ctx context.Context, run uuid.UUID, state string, size int64, sha, procedure string, after map[string]any) error {
	res := &identityv1.FinishUserBulkResponse{}
	return s.change(ctx, procedure, res, res, func(tx pgx.Tx) (*changed, error) {
		err := s.q.EndBulk(ctx, tx, store.EndBulkParams{Run: run, State: state, ListSize: size, ListSha256: sha})
		return &changed{target: "runs/" + run.String(), after: after}, err
	})
}

// UndoUserBulk takes back what was done, last first, a hundred people in a transaction; a call that breaks off is taken up
// by the next one. What somebody changed since, and an invitation that was accepted, stays as it is.
func (s *Service) UndoUserBulk(ctx context.Context, _ *identityv1.UndoUserBulkRequest) (*identityv1.UndoUserBulkResponse, error) {
	run, err := callingRun(ctx)
	if err != nil {
		return nil, err
	}
	planned := false
	for more := true; more; {
		err := s.db.Tx(ctx, auth.From(ctx).Organisation, func(tx pgx.Tx) error {
			if _, err := s.q.LockActiveOrganisation(ctx, tx); err != nil {
				return err
			}
			bulk, err := s.q.Bulk(ctx, tx, run)
			if errors.Is(err, pgx.ErrNoRows) || err == nil && bulk.DryRun {
				more = false
				return nil
			}
			if err != nil {
				return err
			}
			planned = true
			more, err = s.undoSome(ctx, tx, bulk)
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	res := &identityv1.UndoUserBulkResponse{}
	if !planned {
		return res, nil
	}
	err = s.read(ctx, func(tx pgx.Tx) error {
		counts, err := s.q.CountBulk(ctx, tx, store.CountBulkParams{Run: run})
		res.Undone, res.Kept = counted(counts, outcomeUndone), counted(counts, outcomeKept)
		return err
	})
	if err != nil {
		return nil, err
	}
	return res, s.endBulk(ctx, run, bulkUndone, 0, "", identityv1connect.IdentityServiceUndoUserBulkProcedure, map[string]any{"undone": res.GetUndone(), "kept": res.GetKept()})
}

// undoSome undoes up to a batch of lines; more is false once there was none left.
func (s *Service) undoSome(ctx context.Context, tx pgx.Tx, bulk store.Bulk) (more bool, err error) {
	lines, err := s.q.BulkLines(ctx, tx, store.BulkLinesParams{Run: bulk.Run, Outcomes: []string{outcomeDone}, Most: bulkBatch})
	if err != nil || len(lines) == 0 {
		return false, err
	}
	for _, l := range slices.Backward(lines) {
		one, err := tx.Begin(ctx)
		if err != nil {
			return false, err
		}
		l.Outcome = outcomeUndone
		if err := s.undoLine(ctx, one, bulk, &l); err == nil {
			err = one.Commit(ctx)
			if err != nil {
				return false, err
			}
		} else {
			if rpc.ReasonOf(err) == "" {
				return false, err
			}
			l.Outcome, l.Reason, l.Message = outcomeKept, rpc.ReasonOf(err), rpc.Message(err)
			if err := one.Rollback(ctx); err != nil {
				return false, err
			}
		}
		err = s.q.SetBulkLine(ctx, tx, store.SetBulkLineParams{
			Run: bulk.Run, Line: l.Line, UserID: l.UserID, Outcome: l.Outcome, Reason: l.Reason, Message: l.Message, Before: texts(l.Before), After: texts(l.After), Invitation: l.Invitation,
		})
		if err != nil {
			return false, err
		}
	}
	return true, nil
}

func changedSince() error {
	return rpc.Precondition("CHANGED_SINCE", "somebody has changed it since")
}

// undoLine puts one person back to how the line found them.
func (s *Service) undoLine(ctx context.Context, tx pgx.Tx, bulk store.Bulk, l *store.BulkLine) error {
	switch bulk.Action {
	case actionInvite:
		return s.takeBack(ctx, tx, *l.Invitation)
	case actionDisable, actionEnable:
		user, err := s.visible(ctx, tx, userName(*l.UserID))
		if err != nil {
			return err
		}
		if !slices.Equal(l.After, []string{user.User.State}) {
			return changedSince()
		}
		procedure := identityv1connect.IdentityServiceEnableUserProcedure
		if bulk.Action == actionDisable {
			_, err = s.enable(ctx, tx, user)
		} else {
			procedure = identityv1connect.IdentityServiceDisableUserProcedure
			err = s.disable(ctx, tx, user)
		}
		if err != nil {
			return err
		}
		return s.bulkAudit(ctx, tx, bulk, procedure, userName(*l.UserID), map[string]any{"state": l.After[0]}, map[string]any{"state": l.Before[0]})
	}
	membership, err := s.q.MembershipOf(ctx, tx, *l.UserID)
	if err != nil {
		return found(err, "member", userName(*l.UserID))
	}
	if !slices.Equal(membership.Roles, l.After) {
		return changedSince()
	}
	if _, err := s.giveRoles(ctx, tx, "role", membership, l.Before); err != nil {
		return err
	}
	return s.bulkAudit(ctx, tx, bulk, identityv1connect.IdentityServiceUpdateMembershipProcedure, membershipName(membership.ID),
		map[string]any{"roles": l.After}, map[string]any{"user": userName(*l.UserID), "roles": l.Before})
}

// takeBack withdraws an invitation that nobody has answered yet.
func (s *Service) takeBack(ctx context.Context, tx pgx.Tx, id uuid.UUID) error {
	invitation, err := s.q.LockInvitation(ctx, tx, id)
	if err != nil {
		return found(err, "invitation", invitationName(id))
	}
	if invitation.State == stateAccepted {
		return rpc.Precondition("ACCEPTED", "the person has accepted")
	}
	_, err = s.withdrawLocked(ctx, tx, invitation)
	return err
}
