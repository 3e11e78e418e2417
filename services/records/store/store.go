// Package store is where datasets, records and imports lie.
//
//	migrations/      schema `records`: datasets, imports, and the documents of the PostgreSQL store
//	queries.sql      datasets and imports (compiled by sqlc); always in PostgreSQL
//	documents.go     Documents: the one interface for records, with two implementations and one conformance suite
//	jsonb*.go        documents in PostgreSQL: one JSONB table for all datasets
//	mongo*.go        documents in MongoDB: one collection for all datasets
//	erase.go         what rejected rows say about a person
//
// # The wall around documents
//
// Records of a dataset number in millions and arrive by COPY, which PostgreSQL refuses on a table with row-level security.
// COPY into a temporary table and INSERT … SELECT into a protected one would cost a tenth more of the server's time and a
// table in the catalogue for every chunk. So records.document has privileges in place of a policy: the role of requests may
// insert, but not name an organisation, which is the transaction's by default; it reads and changes through the view
// records.record, which is the active organisation's alone. In MongoDB the organisation is the first part of every _id, and
// every method takes it by Shelf.
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
	return postgres.Schema{Name: "records", Migrations: migrations}
}
