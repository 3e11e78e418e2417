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

// planned makes the server plan each list for the values it is asked with: a plan kept for all values would pass by the
// indexes of what is rare.
const planned = pgx.QueryExecModeCacheDescribe

// ListRuns reads one page within the transaction's organisation. It joins events.run_head, the one permitted cross-schema
// read: the list shows the state and progress that the last event left. Both sides are told where the page begins: the planner
// does not see it through the join, and would read the heads from the newest on.
func ListRuns(ctx context.Context, tx pgx.Tx, l Listing) ([]ListedRun, error) {
	rows, err := tx.Query(ctx, fmt.Sprintf(`
		SELECT r.id, r.process, r.title, r.actor, r.retried_from, r.created_at, r.ended_at, r.error, r.key, r.priority, r.schedule, r.queued,
		       h.seq, h.state, h.step, h.done, h.total, h.unit, h.build, h.parked
		FROM runs.run r JOIN events.run_head h ON h.run = r.id
		WHERE r.organisation_id = mshub.org() AND h.organisation_id = mshub.org() AND r.id < $1 AND h.run < $1 AND (%s)
		ORDER BY r.id DESC LIMIT $2`, l.Where), append([]any{planned, l.Before, l.Limit}, l.Args...)...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (r ListedRun, err error) {
		err = row.Scan(&r.Run.ID, &r.Run.Process, &r.Run.Title, &r.Run.Actor, &r.Run.RetriedFrom, &r.Run.CreatedAt, &r.Run.EndedAt, &r.Run.Error,
			&r.Run.Key, &r.Run.Priority, &r.Run.Schedule, &r.Run.Queued,
			&r.Seq, &r.State, &r.Step, &r.Done, &r.Total, &r.Unit, &r.Build, &r.Parked)
		return r, err
	})
}

// FindRuns finds the page's runs by words and gives their ids alone, for ListRuns to read through the wall. It runs as
// mshub_system and names the organisation itself: behind the wall PostgreSQL may not use the index of words, because it
// can't know that comparing words leaks nothing.
func FindRuns(ctx context.Context, tx pgx.Tx, organisation uuid.UUID, search string, l Listing) ([]uuid.UUID, error) {
	n := len(l.Args) + 3
	args := append(append([]any{planned, l.Before, l.Limit}, l.Args...), organisation, search)
	find := func(from string) ([]uuid.UUID, error) {
		rows, err := tx.Query(ctx, fmt.Sprintf(`
			SELECT r.id FROM %s r JOIN events.run_head h ON h.run = r.id
			WHERE r.organisation_id = $%d AND r.id < $1 AND r.words @@ runs.wanted($%d) AND (%s)
			ORDER BY r.id DESC LIMIT $2`, from, n, n+1, l.Where), args...)
		if err != nil {
			return nil, err
		}
		return pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
	}
	// Words that are everywhere fill a page from the newest runs; the index of words would bring all that have them.
	//nolint:unqueryvet // the conditions may name any column
	newest := fmt.Sprintf("(SELECT * FROM runs.run WHERE organisation_id = $%d AND id < $1 ORDER BY id DESC LIMIT %d)", n, newestRuns)
	if found, err := find(newest); err != nil || len(found) >= l.Limit {
		return found, err
	}
	if l.Where != "true" {
		return find("runs.run") // the planner knows which of the conditions is the rarest
	}
	// The words are rare, which the planner does not know of a word cut short: the fence keeps it to their index.
	rows, err := tx.Query(ctx, `
		SELECT r.id FROM (SELECT id FROM runs.run WHERE organisation_id = $3 AND id < $1 AND words @@ runs.wanted($4) OFFSET 0) r
		ORDER BY r.id DESC LIMIT $2`, planned, l.Before, l.Limit, organisation, search)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
}

// newestRuns are looked through before the index of words is asked.
const newestRuns = 2000

const taskColumns = `t.id, t.organisation_id, t.run, t.process, t.step, t.item, t.title, t.description, t.state, t.assignee,
	t.claimed_by, t.decision, t.decided_by, t.reason, t.form, t.form_schema, t.context, t.created_at, t.due_at, t.decided_at,
	t.acknowledged_at, t.version, t.call, t.quorum, t.four_eyes, t.excluded, t.approve_label, t.reject_label, t.files,
	t.form_message, t.delegated_by, t.escalated, t.delegated_from`

// ListTasks reads one page within the transaction's organisation.
func ListTasks(ctx context.Context, tx pgx.Tx, l Listing) ([]Task, error) {
	rows, err := tx.Query(ctx, fmt.Sprintf(`
		SELECT %s FROM runs.task t
		WHERE t.organisation_id = mshub.org() AND t.id < $1 AND (%s)
		ORDER BY t.id DESC LIMIT $2`, taskColumns, l.Where), append([]any{planned, l.Before, l.Limit}, l.Args...)...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[Task])
}

// Inbox reads one page of the open tasks that an actor may decide, a machine none that is for people alone: one indexed
// read for each name under which tasks are its own, or a single one if it may decide all (no names).
func Inbox(ctx context.Context, tx pgx.Tx, l Listing, actor string, names []string) ([]Task, error) {
	n := len(l.Args) + 3
	page := fmt.Sprintf(`
		SELECT %s FROM runs.task t
		WHERE t.organisation_id = mshub.org() AND t.state = 'OPEN' AND t.id < $1 AND t.claimed_by IN ('', $%d)
		  AND NOT $%d = ANY (t.excluded) AND NOT EXISTS (SELECT FROM runs.task_vote v WHERE v.task = t.id AND v.actor = $%d)
		  AND (starts_with($%d, 'users/') OR NOT t.four_eyes AND t.quorum <= 1 AND cardinality(t.excluded) = 0) AND (%s) %%s
		ORDER BY t.id DESC LIMIT $2`, taskColumns, n, n, n, n, l.Where)
	args := append(append([]any{planned, l.Before, l.Limit}, l.Args...), actor)
	query := fmt.Sprintf(page, "")
	if len(names) > 0 {
		query = fmt.Sprintf(`SELECT %s FROM unnest($%d::text[]) AS mine (name) CROSS JOIN LATERAL (%s) t ORDER BY t.id DESC LIMIT $2`,
			taskColumns, n+1, fmt.Sprintf(page, "AND t.assignee = mine.name"))
		args = append(args, names)
	}
	rows, err := tx.Query(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[Task])
}

// PlanBulk keeps the runs of a listing's condition as the batches of a bulk command, the commanding run left out: those
// that are open, or those that ended without success. It returns how many there are; without keep it only counts.
func PlanBulk(ctx context.Context, tx pgx.Tx, bulk uuid.UUID, batch int, l Listing, failed, keep bool) (n int64, err error) {
	state := "r.ended_at IS NULL"
	if failed {
		state = "r.ended_at IS NOT NULL AND r.outcome <> 'COMPLETED'"
	}
	from := fmt.Sprintf(`FROM runs.run r JOIN events.run_head h ON h.run = r.id
		WHERE r.organisation_id = mshub.org() AND r.id <> $1 AND %s AND (%s)`, state, l.Where)
	args := append([]any{planned, bulk, batch}, l.Args...)
	if !keep {
		err = tx.QueryRow(ctx, "SELECT count(*) "+from+" AND $2::bigint > 0", args...).Scan(&n)
		return n, err
	}
	tag, err := tx.Exec(ctx, `INSERT INTO runs.bulk_item (bulk, batch, target, organisation_id)
		SELECT $1, 1 + (row_number() OVER (ORDER BY r.id) - 1) / $2::bigint, r.id, r.organisation_id `+from, args...)
	return tag.RowsAffected(), err
}
