// Package store is the events room's part of the database: schema `events`.
//
//	migrations/   run_head, run_event, fact, and the function events.append
//	queries.sql   everything else that is asked (compiled by sqlc)
package store

import (
	"embed"
	"io/fs"

	"github.com/microservicehub/mshub/internal/postgres"
)

//go:embed migrations/*.sql
var files embed.FS

// Schema is applied before every other room's: their changes append to the journal.
func Schema() postgres.Schema {
	migrations, err := fs.Sub(files, "migrations")
	if err != nil {
		panic(err) // the folder is embedded
	}
	return postgres.Schema{Name: "events", Migrations: migrations}
}
