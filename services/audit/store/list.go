package store

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// Listed is one entry with what is left of its details.
type Listed struct {
	ID            uuid.UUID
	Time          time.Time
	Actor         string
	Run           *uuid.UUID
	Action        string
	Target        string
	Position      *int64
	Before, After json.RawMessage
	RemoteAddress string
	Reason        string
}

// Listing says which entries: those that where (with its args from $3 on) is true for, older than Before, newest first.
type Listing struct {
	Where  string
	Args   []any
	Before uuid.UUID // exclusive; uuid.Max for the first page
	Limit  int
}

// List is not compiled by sqlc because its condition comes from the reader's filter; values are always arguments.
func List(ctx context.Context, tx pgx.Tx, l Listing) ([]Listed, error) {
	where := "true"
	if l.Where != "" {
		where = l.Where
	}
	rows, err := tx.Query(ctx, fmt.Sprintf(`
		SELECT e.id, e.time, e.actor, e.run, e.action, e.target, e.position,
		       coalesce(d.before, '{}'), coalesce(d.after, '{}'), coalesce(d.remote_address, ''), coalesce(d.reason, '')
		FROM audit.entry e
		LEFT JOIN audit.detail d ON d.organisation_id = e.organisation_id AND d.entry_id = e.id
		WHERE e.organisation_id = mshub.org() AND e.id < $1 AND (%s)
		ORDER BY e.id DESC LIMIT $2`, where), append([]any{l.Before, l.Limit}, l.Args...)...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[Listed])
}
