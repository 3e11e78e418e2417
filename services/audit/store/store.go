// Package store is the audit room's part of the database: schema `audit`.
//
//	migrations/   tables, who may touch them, and the functions append and seal
//	queries.sql   sealing and verifying (compiled by sqlc)
//	list.go       the list, whose WHERE comes from the reader's filter
package store

import (
	"embed"
	"io/fs"

	"github.com/microservicehub/mshub/internal/postgres"
)

//go:embed migrations/*.sql
var files embed.FS

// Schema is applied before every other room's but events': their changes append to the trail.
func Schema() postgres.Schema {
	migrations, err := fs.Sub(files, "migrations")
	if err != nil {
		panic(err) // the folder is embedded
	}
	return postgres.Schema{Name: "audit", Migrations: migrations}
}
