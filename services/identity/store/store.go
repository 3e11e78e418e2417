// Package store is identity's part of the database: schema `identity`.
//
//	migrations/   the tables; which of them have no tenant, and why
//	queries/      users, organisations (with memberships, roles, invitations), accounts (credentials, links, attempts)
//	list.go       the list of users, whose WHERE and ORDER come from the reader
package store

import (
	"context"
	"embed"
	"io/fs"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/microservicehub/mshub/internal/postgres"
)

//go:embed migrations/*.sql
var files embed.FS

// Schema needs `audit` and `events` to be there when a change is made, not when it is applied.
func Schema() postgres.Schema {
	migrations, err := fs.Sub(files, "migrations")
	if err != nil {
		panic(err) // the folder is embedded
	}
	return postgres.Schema{Name: "identity", Migrations: migrations}
}

// Enter moves the rest of the transaction behind the wall of an organisation. For what begins with a person and ends in
// an organisation (a link, a token), and for an organisation that the transaction itself creates.
func Enter(ctx context.Context, tx pgx.Tx, organisation uuid.UUID) error {
	_, err := tx.Exec(ctx, "SELECT set_config('mshub.org', $1, true)", organisation.String())
	return err
}
