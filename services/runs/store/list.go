package store

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// Listing is one page of a list, newest first: what comes before an id.
type Listing struct {
	Before uuid.UUID
	Limit  int
	// Where is a condition over r (runs.run), h (events.run_head) or t (runs.task), with Args from $3 on.
	Where string
	Args  []any
}

// ListedRun is a run with where its journal stands, as GetRunWithHead reads it too.
type ListedRun = GetRunWithHeadRow

// ListRuns reads one page within the transaction's organisation. It joins events.run_head, the one permitted cross-schema
// read: the list shows the state and progress that the last event left.
func ListRuns(ctx context.Context, tx pgx.Tx, l Listing) ([]ListedRun, error) {
	rows, err := tx.Query(ctx, fmt.Sprintf(`
		SELECT r.id, r.process, r.title, r.actor, r.retried_from, r.created_at, r.ended_at, r.error,
		       h.seq, h.state, h.step, h.done, h.total, h.unit
		FROM runs.run r JOIN events.run_head h ON h.run = r.id
		WHERE r.organisation_id = mshub.org() AND r.id < $1 AND (%s)
		ORDER BY r.id DESC LIMIT $2`, l.Where), append([]any{l.Before, l.Limit}, l.Args...)...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (r ListedRun, err error) {
		err = row.Scan(&r.Run.ID, &r.Run.Process, &r.Run.Title, &r.Run.Actor, &r.Run.RetriedFrom, &r.Run.CreatedAt, &r.Run.EndedAt, &r.Run.Error,
			&r.Seq, &r.State, &r.Step, &r.Done, &r.Total, &r.Unit)
		return r, err
	})
}

// ListTasks reads one page within the transaction's organisation.
func ListTasks(ctx context.Context, tx pgx.Tx, l Listing) ([]Task, error) {
	rows, err := tx.Query(ctx, fmt.Sprintf(`
		SELECT t.id, t.organisation_id, t.run, t.process, t.step, t.item, t.title, t.description, t.state, t.assignee,
		       t.claimed_by, t.decision, t.decided_by, t.reason, t.form, t.form_schema, t.context, t.created_at, t.due_at,
		       t.decided_at, t.acknowledged_at, t.version
		FROM runs.task t
		WHERE t.organisation_id = mshub.org() AND t.id < $1 AND (%s)
		ORDER BY t.id DESC LIMIT $2`, l.Where), append([]any{l.Before, l.Limit}, l.Args...)...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[Task])
}
