package store

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// Listing says which members of the active organisation: those that Where (its args numbered from $1) is true for, in the
// order of the expression Order and then the id.
type Listing struct {
	Where string
	Args  []any
	Order string // an SQL expression over u, from the program, never from a caller
	Type  string // of Order: "text", "timestamptz"
	Desc  bool
	// After is the last row of the page before; nil for the first page.
	After *Place
	Limit int
}

// Place is where a page ended.
type Place struct {
	Key string // Order as text
	ID  uuid.UUID
}

// ListedUser is a member with the roles.
type ListedUser struct {
	User
	Roles []string
	Key   string // Order as text, for the next page
}

// ListUsers is not compiled by sqlc because its condition and order come from the reader; values are always arguments.
func ListUsers(ctx context.Context, tx pgx.Tx, l Listing) ([]ListedUser, error) {
	direction, beyond := "ASC", ">"
	if l.Desc {
		direction, beyond = "DESC", "<"
	}
	args, where := l.Args, l.Where
	if l.After != nil {
		args = append(args, l.After.Key, l.After.ID)
		where = fmt.Sprintf("(%s) AND (%s, u.id) %s ($%d::text::%s, $%d)", where, l.Order, beyond, len(args)-1, l.Type, len(args))
	}
	rows, err := tx.Query(ctx, fmt.Sprintf(`
		SELECT u.id, u.email, u.email_norm, u.display_name, u.state, u.email_verified, u.invited_by, u.created_at, u.updated_at, u.signed_in_at, m.roles, (%[2]s)::text
		FROM identity.memberships m
		JOIN identity.users u ON u.id = m.user_id
		WHERE m.organisation_id = mshub.org() AND %[1]s
		ORDER BY %[2]s %[3]s, u.id %[3]s LIMIT %[4]d`, where, l.Order, direction, l.Limit), args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[ListedUser])
}
