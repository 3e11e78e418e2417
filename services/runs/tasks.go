package runs

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/microservicehub/mshub/events"
	"github.com/microservicehub/mshub/internal/audit"
	"github.com/microservicehub/mshub/internal/auth"
	"github.com/microservicehub/mshub/internal/filter"
	"github.com/microservicehub/mshub/internal/postgres"
	"github.com/microservicehub/mshub/internal/rpc"
	"github.com/microservicehub/mshub/services/runs/store"
	runsv1 "github.com/microservicehub/mshub/services/runs/v1"
)

var taskColumns = map[string]filter.Column{
	"state":      {Type: filter.Text, SQL: "t.state", Convert: member(runsv1.Task_State_value)},
	"process":    {Type: filter.Text, SQL: "t.process"},
	"run":        {Type: filter.Text, SQL: "t.run", Convert: func(name string) (any, error) { return runID(name) }},
	"assignee":   {Type: filter.Text, SQL: "t.assignee"},
	"createTime": {Type: filter.Time, SQL: "t.created_at"},
	"dueTime":    {Type: filter.Time, SQL: "t.due_at"},
}

// assignees are the names under which tasks are a caller's: itself, and its roles.
func assignees(caller auth.Caller) []string {
	names := []string{caller.Actor}
	for _, role := range caller.Roles {
		names = append(names, "roles/"+strings.TrimPrefix(role, "roles/"))
	}
	return names
}

// mayDecide: the person named, anyone with the role named, and administrators.
func mayDecide(row store.Task, caller auth.Caller) bool {
	return caller.Has(PermissionDecide) && (slices.Contains(caller.Permissions, "*") || slices.Contains(assignees(caller), row.Assignee))
}

// seesAll: who may not read runs sees of tasks only the own ones, such as a newcomer who hands in documents.
func seesAll(caller auth.Caller) bool { return caller.Has("runs.read") }

// visible: to others than those a task is not there. Who gave it away may still see what becomes of it.
func visible(row store.Task, caller auth.Caller) bool {
	return seesAll(caller) || mayDecide(row, caller) || row.DelegatedBy != "" && row.DelegatedBy == caller.Actor
}

// ListTasks returns the organisation's tasks, newest first; with `mine` those that the caller may decide now.
func (s *Service) ListTasks(ctx context.Context, req *runsv1.ListTasksRequest) (*runsv1.ListTasksResponse, error) {
	listing, err := listing(req.GetPageSize(), req.GetPageToken(), req.GetFilter(), taskColumns)
	if err != nil {
		return nil, err
	}
	caller := auth.From(ctx)
	read := store.ListTasks
	if req.GetMine() || !seesAll(caller) {
		var names []string
		if !slices.Contains(caller.Permissions, "*") {
			names = assignees(caller)
		}
		read = func(ctx context.Context, tx pgx.Tx, l store.Listing) ([]store.Task, error) {
			return store.Inbox(ctx, tx, l, caller.Actor, names)
		}
	}
	var rows []store.Task
	var votes map[uuid.UUID][]store.Vote
	err = s.tx(ctx, func(tx pgx.Tx) (err error) {
		if rows, err = read(ctx, tx, listing); err != nil {
			return err
		}
		votes, err = votesOf(ctx, tx, rows...)
		return err
	})
	if err != nil {
		return nil, err
	}
	res := &runsv1.ListTasksResponse{}
	if size := listing.Limit - 1; len(rows) > size {
		rows = rows[:size]
		res.NextPageToken = postgres.EncodePage(rows[size-1].ID)
	}
	for _, row := range rows {
		task, err := s.wireTask(row, votes[row.ID], caller)
		if err != nil {
			return nil, err
		}
		res.Tasks = append(res.Tasks, task)
	}
	return res, nil
}

// votesOf reads the votes of tasks, in order.
func votesOf(ctx context.Context, tx pgx.Tx, rows ...store.Task) (map[uuid.UUID][]store.Vote, error) {
	var ids []uuid.UUID
	for _, row := range rows {
		if row.Quorum > 1 || row.State == "DECIDED" { // others have none
			ids = append(ids, row.ID)
		}
	}
	if len(ids) == 0 {
		return nil, nil
	}
	votes, err := queries.Votes(ctx, tx, ids)
	byTask := map[uuid.UUID][]store.Vote{}
	for _, vote := range votes {
		byTask[vote.Task] = append(byTask[vote.Task], vote)
	}
	return byTask, err
}

// taskWithVotes makes the message of a row that was just changed.
func (s *Service) taskWithVotes(ctx context.Context, row store.Task) (task *runsv1.Task, err error) {
	err = s.tx(ctx, func(tx pgx.Tx) error {
		votes, err := votesOf(ctx, tx, row)
		if err != nil {
			return err
		}
		task, err = s.wireTask(row, votes[row.ID], auth.From(ctx))
		return err
	})
	return task, err
}

// GetTask returns one task.
func (s *Service) GetTask(ctx context.Context, req *runsv1.GetTaskRequest) (task *runsv1.Task, err error) {
	id, err := taskID(req.GetName())
	if err != nil {
		return nil, err
	}
	err = s.tx(ctx, func(tx pgx.Tx) error {
		row, err := queries.GetTask(ctx, tx, id)
		if errors.Is(err, pgx.ErrNoRows) || err == nil && !visible(row, auth.From(ctx)) {
			return rpc.NotFound("task", req.GetName())
		}
		if err != nil {
			return err
		}
		votes, err := votesOf(ctx, tx, row)
		if err != nil {
			return err
		}
		task, err = s.wireTask(row, votes[row.ID], auth.From(ctx))
		return err
	})
	return task, err
}

// ClaimTask keeps a task for the caller: nobody else may decide it until it is released.
func (s *Service) ClaimTask(ctx context.Context, req *runsv1.ClaimTaskRequest) (*runsv1.Task, error) {
	caller := auth.From(ctx)
	return s.changeTask(ctx, "ClaimTask", req, func(tx pgx.Tx, row store.Task, votes []store.Vote) (store.Task, error) {
		if err := claimable(row, votes, caller); err != nil || row.ClaimedBy == caller.Actor {
			return row, err
		}
		return queries.SetClaim(ctx, tx, store.SetClaimParams{ID: row.ID, ClaimedBy: caller.Actor})
	})
}

// ReleaseTask gives a claimed task back; an administrator may release anyone's. Who delegated a task takes it back, from
// whoever has it, for whom it was first.
func (s *Service) ReleaseTask(ctx context.Context, req *runsv1.ReleaseTaskRequest) (*runsv1.Task, error) {
	caller := auth.From(ctx)
	return s.changeTask(ctx, "ReleaseTask", req, func(tx pgx.Tx, row store.Task, _ []store.Vote) (store.Task, error) {
		switch {
		case row.State == "OPEN" && row.DelegatedFrom != "" && row.DelegatedBy == caller.Actor:
			return queries.Assign(ctx, tx, store.AssignParams{ID: row.ID, Assignee: row.DelegatedFrom, Escalated: row.Escalated})
		case row.ClaimedBy == "":
			return row, nil
		case row.ClaimedBy != caller.Actor && !slices.Contains(caller.Permissions, "*"):
			return row, claimed(row)
		}
		return queries.SetClaim(ctx, tx, store.SetClaimParams{ID: row.ID})
	})
}

// claimable says why a caller may not decide or claim a task; nil means it may.
func claimable(row store.Task, votes []store.Vote, caller auth.Caller) error {
	switch {
	case !mayDecide(row, caller):
		return rpc.Denied("NOT_YOURS", "this task is for %s", row.Assignee)
	case row.State == "DECIDED":
		return rpc.Precondition("ALREADY_DECIDED", "%s has decided already: %s", row.DecidedBy, strings.ToLower(row.Decision))
	case row.State == "EXPIRED":
		return rpc.Precondition("EXPIRED", "the deadline has passed")
	case row.State == "WITHDRAWN":
		return rpc.Precondition("WITHDRAWN", "the run does not wait for this decision any more: it was cancelled, reset, or has ended")
	case severalEyes(row) && caller.Kind != auth.User:
		return rpc.Denied("ONLY_PEOPLE", "several people must look at this; a machine has no voice, for it would give another one to whoever holds its key")
	case slices.Contains(row.Excluded, caller.Actor):
		return rpc.Denied("FOUR_EYES", "it takes another pair of eyes: you started the run, or decided before")
	case slices.ContainsFunc(votes, func(v store.Vote) bool { return v.Actor == caller.Actor }):
		return rpc.Precondition("ALREADY_VOTED", "you have voted already; %d of %d people must approve", approvals(votes), row.Quorum)
	case row.ClaimedBy != "" && row.ClaimedBy != caller.Actor:
		return claimed(row)
	}
	return nil
}

// severalEyes: it matters who decides, because somebody else has or will, or must not.
func severalEyes(row store.Task) bool { return row.FourEyes || row.Quorum > 1 || len(row.Excluded) > 0 }

func approvals(votes []store.Vote) int32 {
	var n int32
	for _, vote := range votes {
		if vote.Decision == runsv1.Task_APPROVE.String() {
			n++
		}
	}
	return n
}

func claimed(row store.Task) error {
	return rpc.Precondition("CLAIMED", "%s has claimed this task; ask for its release", row.ClaimedBy)
}

// lockTask holds the row of a task that the caller may see, and with it its votes, until the transaction ends.
func lockTask(ctx context.Context, tx pgx.Tx, id uuid.UUID, name string) (store.Task, []store.Vote, error) {
	row, err := queries.LockTask(ctx, tx, id)
	if errors.Is(err, pgx.ErrNoRows) || err == nil && !visible(row, auth.From(ctx)) {
		return row, nil, rpc.NotFound("task", name)
	}
	if err != nil {
		return row, nil, err
	}
	votes, err := votesOf(ctx, tx, row)
	return row, votes[id], err
}

// changeTask locks a task's row, changes it, and writes the audit; viewers of the inbox look again.
func (s *Service) changeTask(
	ctx context.Context, method string, req named, change func(pgx.Tx, store.Task, []store.Vote) (store.Task, error),
) (*runsv1.Task, error) {
	id, err := taskID(req.GetName())
	if err != nil {
		return nil, err
	}
	task, changed := &runsv1.Task{}, []store.Task(nil)
	err = s.tx(ctx, func(tx pgx.Tx) error {
		changed = nil
		return once(ctx, tx, method, req, task, func() (*runsv1.Task, error) {
			before, votes, err := lockTask(ctx, tx, id, req.GetName())
			if err != nil {
				return nil, err
			}
			row, err := change(tx, before, votes)
			if err != nil {
				return nil, err
			}
			changed = []store.Task{row}
			if row.Version != before.Version {
				if err := s.auditTask(ctx, tx, method, before, row); err != nil {
					return nil, err
				}
			}
			if row.Assignee != before.Assignee {
				changed = append(changed, before)
				id, event := handedOver(row, "taken back for "+row.Assignee, auth.From(ctx).Actor)
				if _, _, err := events.Append(ctx, tx, events.Entry{Organisation: row.OrganisationID, Run: row.Run, ID: id, Event: event}); err != nil {
					return nil, err
				}
			}
			return s.wireTask(row, votes, auth.From(ctx))
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

func (s *Service) auditTask(ctx context.Context, tx pgx.Tx, method string, before, after store.Task) error {
	entry := audit.Entry{
		Action: action(method), Target: taskName(after.ID), Reason: after.Reason,
		Before: map[string]any{"state": before.State, "claimedBy": before.ClaimedBy},
		After:  map[string]any{"state": after.State, "claimedBy": after.ClaimedBy},
	}
	if before.Assignee != after.Assignee {
		entry.Before["assignee"], entry.After["assignee"] = before.Assignee, after.Assignee
	}
	if after.Decision != "" {
		entry.After["decision"] = after.Decision
	}
	return audit.Append(ctx, tx, entry)
}

// hintInbox tells the person named to look again. Whoever has a role is told by the organisation's list of runs, which
// moves with every task.
func (s *Service) hintInbox(ctx context.Context, row store.Task) {
	if text, ok := strings.CutPrefix(row.Assignee, "users/"); ok {
		if user, err := uuid.Parse(text); err == nil {
			s.events.Hint(ctx, events.InboxTopic(user))
		}
	}
	s.events.Hint(ctx, events.RunsTopic(row.OrganisationID))
}
