// Package store is the runs room's part of the database: schema `runs`.
//
//	migrations/   run, task, idempotency
//	queries.sql   what is asked (compiled by sqlc)
//	list.go       the two lists, whose filters sqlc can't know
package store

import (
	"embed"
	"io/fs"

	"github.com/microservicehub/mshub/internal/postgres"
)

//go:embed migrations/*.sql
var files embed.FS

// Schema is applied after events and audit, which its changes append to.
func Schema() postgres.Schema {
	migrations, err := fs.Sub(files, "migrations")
	if err != nil {
		panic(err) // the folder is embedded
	}
	return postgres.Schema{Name: "runs", Migrations: migrations}
}
