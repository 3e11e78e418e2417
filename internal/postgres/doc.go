// Package postgres is the only way to a row.
//
//	db.go          the pool: Tx (one organisation), Global (tables without a tenant), System (reconcilers)
//	migrate.go     a schema a room, migrated in order under one lock
//	bootstrap.sql  the roles mshub_app and mshub_system, and the procedures that rooms' migrations call
//	once.go        idempotency of a change, in the change's own transaction
//	page.go        keyset page tokens
//	pipeline.go    statements without an answer travel with the next one that has one
//
// The wall between tenants is in the database: every tenant table has forced row-level security on the setting
// mshub.org, which Tx sets for its transaction alone. A query that forgets its WHERE still sees one organisation.
package postgres
