package runs

import (
	"context"
	"errors"
	"fmt"
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
	return caller.Has("tasks.decide") && (slices.Contains(caller.Permissions, "*") || slices.Contains(assignees(caller), row.Assignee))
}

// ListTasks returns the organisation's tasks, newest first; with `mine` those that the caller may decide now.
func (s *Service) ListTasks(ctx context.Context, req *runsv1.ListTasksRequest) (*runsv1.ListTasksResponse, error) {
	listing, err := listing(req.GetPageSize(), req.GetPageToken(), req.GetFilter(), taskColumns)
	if err != nil {
		return nil, err
	}
	caller := auth.From(ctx)
	if req.GetMine() {
		mine(&listing, caller)
	}
	var rows []store.Task
	err = s.tx(ctx, func(tx pgx.Tx) (err error) {
		rows, err = store.ListTasks(ctx, tx, listing)
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
		task, err := s.wireTask(row, caller)
		if err != nil {
			return nil, err
		}
		res.Tasks = append(res.Tasks, task)
	}
	return res, nil
}

// mine leaves what the caller may decide now: one indexed read for each of its names.
func mine(l *store.Listing, caller auth.Caller) {
	first := len(l.Args) + 3 // after the page's own two
	l.Where = fmt.Sprintf("(%s) AND t.state = 'OPEN' AND t.claimed_by IN ('', $%d)", l.Where, first)
	l.Args = append(l.Args, caller.Actor)
	if !slices.Contains(caller.Permissions, "*") {
		l.Where += fmt.Sprintf(" AND t.assignee = ANY ($%d)", first+1)
		l.Args = append(l.Args, assignees(caller))
	}
}

// GetTask returns one task.
func (s *Service) GetTask(ctx context.Context, req *runsv1.GetTaskRequest) (task *runsv1.Task, err error) {
	id, err := taskID(req.GetName())
	if err != nil {
		return nil, err
	}
	err = s.tx(ctx, func(tx pgx.Tx) error {
		row, err := queries.GetTask(ctx, tx, id)
		if errors.Is(err, pgx.ErrNoRows) {
			return rpc.NotFound("task", req.GetName())
		}
		if err != nil {
			return err
		}
		task, err = s.wireTask(row, auth.From(ctx))
		return err
	})
	return task, err
}

// ClaimTask keeps a task for the caller: nobody else may decide it until it is released.
func (s *Service) ClaimTask(ctx context.Context, req *runsv1.ClaimTaskRequest) (*runsv1.Task, error) {
	caller := auth.From(ctx)
	return s.changeTask(ctx, "ClaimTask", req.GetName(), func(tx pgx.Tx, row store.Task) (store.Task, error) {
		if err := claimable(row, caller); err != nil || row.ClaimedBy == caller.Actor {
			return row, err
		}
		return queries.SetClaim(ctx, tx, store.SetClaimParams{ID: row.ID, ClaimedBy: caller.Actor})
	})
}

// ReleaseTask gives a claimed task back. An administrator may release anyone's.
func (s *Service) ReleaseTask(ctx context.Context, req *runsv1.ReleaseTaskRequest) (*runsv1.Task, error) {
	caller := auth.From(ctx)
	return s.changeTask(ctx, "ReleaseTask", req.GetName(), func(tx pgx.Tx, row store.Task) (store.Task, error) {
		switch {
		case row.ClaimedBy == "":
			return row, nil
		case row.ClaimedBy != caller.Actor && !slices.Contains(caller.Permissions, "*"):
			return row, claimed(row)
		}
		return queries.SetClaim(ctx, tx, store.SetClaimParams{ID: row.ID})
	})
}

// claimable says why a caller may not decide or claim a task; nil means it may.
func claimable(row store.Task, caller auth.Caller) error {
	switch {
	case !mayDecide(row, caller):
		return rpc.Denied("NOT_YOURS", "this task is for %s", row.Assignee)
	case row.State == "DECIDED":
		return rpc.Precondition("ALREADY_DECIDED", "%s has decided already: %s", row.DecidedBy, strings.ToLower(row.Decision))
	case row.State == "EXPIRED":
		return rpc.Precondition("EXPIRED", "the deadline has passed")
	case row.State == "WITHDRAWN":
		return rpc.Precondition("WITHDRAWN", "the run does not wait for this decision any more")
	case row.ClaimedBy != "" && row.ClaimedBy != caller.Actor:
		return claimed(row)
	}
	return nil
}

func claimed(row store.Task) error {
	return rpc.Precondition("CLAIMED", "%s has claimed this task; ask for its release", row.ClaimedBy)
}

// changeTask locks a task's row, changes it, and writes the audit; viewers of the inbox look again.
func (s *Service) changeTask(ctx context.Context, method, name string, change func(pgx.Tx, store.Task) (store.Task, error)) (task *runsv1.Task, err error) {
	id, err := taskID(name)
	if err != nil {
		return nil, err
	}
	var row store.Task
	err = s.tx(ctx, func(tx pgx.Tx) error {
		before, err := queries.LockTask(ctx, tx, id)
		if errors.Is(err, pgx.ErrNoRows) {
			return rpc.NotFound("task", name)
		}
		if err != nil {
			return err
		}
		if row, err = change(tx, before); err != nil || row.Version == before.Version {
			return err
		}
		return s.auditTask(ctx, tx, method, before, row)
	})
	if err != nil {
		return nil, err
	}
	s.hintInbox(ctx, row)
	return s.wireTask(row, auth.From(ctx))
}

func (s *Service) auditTask(ctx context.Context, tx pgx.Tx, method string, before, after store.Task) error {
	entry := audit.Entry{
		Action: action(method), Target: taskName(after.ID), Reason: after.Reason,
		Before: map[string]any{"state": before.State, "claimedBy": before.ClaimedBy},
		After:  map[string]any{"state": after.State, "claimedBy": after.ClaimedBy},
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
