// Package store is the files room's part of the database: schema `files`.
//
//	migrations/   the table of files
//	queries.sql   all queries (compiled by sqlc)
package store

import (
	"embed"
	"io/fs"

	"github.com/microservicehub/mshub/internal/postgres"
)

//go:embed migrations/*.sql
var files embed.FS

// Schema of the room.
func Schema() postgres.Schema {
	migrations, err := fs.Sub(files, "migrations")
	if err != nil {
		panic(err) // the folder is embedded
	}
	return postgres.Schema{Name: "files", Migrations: migrations}
}
