package runs

import (
	"cmp"
	"context"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/microservicehub/mshub/events"
	"github.com/microservicehub/mshub/internal/auth"
	"github.com/microservicehub/mshub/internal/postgres"
	"github.com/microservicehub/mshub/internal/rpc"
	runcontext "github.com/microservicehub/mshub/internal/temporal"
	"github.com/microservicehub/mshub/services/runs/store"
	runsv1 "github.com/microservicehub/mshub/services/runs/v1"
)

// PermissionDecide is what somebody needs to decide tasks at all.
const PermissionDecide = "tasks.decide"

// DelegateTask gives a task to somebody else, who can decide it then. Administrators may always decide, and who delegated
// takes back what nobody decides.
func (s *Service) DelegateTask(ctx context.Context, req *runsv1.DelegateTaskRequest) (*runsv1.Task, error) {
	caller := auth.From(ctx)
	id, err := taskID(req.GetName())
	if err != nil {
		return nil, err
	}
	if err := s.checkAssignee(ctx, id, req); err != nil {
		return nil, err
	}
	task, changed := &runsv1.Task{}, []store.Task(nil)
	err = s.tx(ctx, func(tx pgx.Tx) error {
		changed = nil
		return once(ctx, tx, "DelegateTask", req, task, func() (*runsv1.Task, error) {
			before, votes, err := lockTask(ctx, tx, id, req.GetName())
			if err != nil {
				return nil, err
			}
			if err := claimable(before, votes, caller); err != nil {
				return nil, err
			}
			row, err := s.delegate(ctx, tx, before, req)
			if err != nil {
				return nil, err
			}
			changed = []store.Task{before, row}
			return s.wireTask(row, votes, caller)
		})
	})
	if err != nil {
		return nil, err
	}
	for _, row := range changed {
		s.hintInbox(ctx, row)
	}
	return task, nil
}

// checkAssignee asks the directory whether a task would be given to nobody. It is asked outside of any transaction, and not for
// who may not give the task away, nor for a call that is repeated: to those the transaction that follows has the answer.
func (s *Service) checkAssignee(ctx context.Context, id uuid.UUID, req *runsv1.DelegateTaskRequest) error {
	if s.decides == nil {
		return nil
	}
	caller := auth.From(ctx)
	var row store.Task
	answered := false
	err := s.tx(ctx, func(tx pgx.Tx) (err error) {
		answered, err = postgres.Answered(ctx, tx, "runs", "DelegateTask", rpc.IdempotencyKey(ctx), req, &runsv1.Task{})
		if err != nil || answered {
			return err
		}
		found, votes, err := lockTask(ctx, tx, id, req.GetName())
		if err != nil {
			return err
		}
		row = found
		return claimable(found, votes, caller)
	})
	if err != nil || answered {
		return nil //nolint:nilerr // see above
	}
	asked := runcontext.ContextWithRun(ctx, runcontext.RunContext{Organisation: row.OrganisationID, Run: row.Run, Actor: caller.Actor})
	switch known, err := s.decides(asked, req.GetAssignee()); {
	case err != nil:
		s.logger.WarnContext(ctx, "the directory can't be asked who may decide", "task", id, "error", err)
		return rpc.Unavailable("who may decide tasks can't be looked up just now; try again")
	case !known:
		return rpc.Invalid("assignee", "nobody in the organisation who may decide tasks answers to %s; name a member or role that has the permission %s, or give it to them first",
			req.GetAssignee(), PermissionDecide)
	}
	return nil
}

// delegate writes that a task is somebody else's, for the inbox, the audit and the journal.
func (s *Service) delegate(ctx context.Context, tx pgx.Tx, before store.Task, req *runsv1.DelegateTaskRequest) (store.Task, error) {
	switch {
	case slices.Contains(before.Excluded, req.GetAssignee()):
		return before, rpc.Invalid("assignee", "%s may not decide this task; name somebody else", req.GetAssignee())
	case before.Assignee == req.GetAssignee():
		return before, rpc.Invalid("assignee", "the task is for %s already", req.GetAssignee())
	}
	actor := auth.From(ctx).Actor
	row, err := queries.Assign(ctx, tx, store.AssignParams{
		ID: before.ID, Assignee: req.GetAssignee(), DelegatedBy: actor, DelegatedFrom: cmp.Or(before.DelegatedFrom, before.Assignee), Escalated: before.Escalated,
	})
	if err != nil {
		return before, err
	}
	told := row
	told.Reason = req.GetReason()
	if err := s.auditTask(ctx, tx, "DelegateTask", before, told); err != nil {
		return before, err
	}
	message := "given to " + row.Assignee
	if req.GetReason() != "" {
		message += ": " + req.GetReason()
	}
	eventID, event := handedOver(row, message, actor)
	_, _, err = events.Append(ctx, tx, events.Entry{Organisation: row.OrganisationID, Run: row.Run, ID: eventID, Event: event})
	return row, err
}
