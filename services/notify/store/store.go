// Package store is notify's part of the database: schema `notify`. Made by sqlc from queries.sql and migrations/.
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

// Schema needs no other room's.
func Schema() postgres.Schema {
	migrations, err := fs.Sub(files, "migrations")
	if err != nil {
		panic(err) // the folder is embedded
	}
	return postgres.Schema{Name: "notify", Migrations: migrations}
}

// Enter moves the rest of the transaction behind the wall of an organisation; zero is the installation itself.
func Enter(ctx context.Context, tx pgx.Tx, organisation uuid.UUID) error {
	_, err := tx.Exec(ctx, "SELECT set_config('mshub.org', $1, true)", organisation.String())
	return err
}
