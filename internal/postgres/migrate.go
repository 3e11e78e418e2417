package postgres

import (
	"context"
	"database/sql"
	_ "embed"
	"errors"
	"fmt"
	"io/fs"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
)

//go:embed bootstrap.sql
var bootstrap string

// migrationLock is held on one session around all schemas: several nodes may migrate at once, one of them works.
const migrationLock = 7_146_338_201

// Schema is a room's part of the database: a PostgreSQL schema and its goose migrations (NNNN_name.sql).
type Schema struct {
	Name       string
	Migrations fs.FS
}

// Migrate applies what is missing, in the order given, and gives appUser (the login of DATABASE_URL; "" = the user of url)
// the right to act as mshub_app and mshub_system. Safe to run twice and from several nodes at once.
func Migrate(ctx context.Context, url, appUser string, schemas ...Schema) error {
	config, err := pgx.ParseConfig(url)
	if err != nil {
		return errors.New("the database address is not a PostgreSQL address")
	}
	if appUser == "" {
		appUser = config.User
	}
	lock, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return err
	}
	defer func() { _ = lock.Close(context.WithoutCancel(ctx)) }()
	if _, err := lock.Exec(ctx, "SELECT pg_advisory_lock($1)", int64(migrationLock)); err != nil {
		return err
	}
	if _, err := lock.Exec(ctx, bootstrap); err != nil {
		return fmt.Errorf("bootstrap: %w", err)
	}
	// Membership lets the login SET ROLE. The migrating one, unless it is a superuser, needs it too: to hand a function to
	// mshub_system, and to see the rows behind the wall that a migration fills in.
	grant := fmt.Sprintf("GRANT mshub_app, mshub_system TO %s, CURRENT_USER", pgx.Identifier{appUser}.Sanitize())
	if _, err := lock.Exec(ctx, grant); err != nil {
		return fmt.Errorf("granting the roles to %s and the migrating login: %w", appUser, err)
	}
	db := stdlib.OpenDB(*config)
	defer func() { _ = db.Close() }()
	for _, s := range schemas {
		if err := s.apply(ctx, db); err != nil {
			return fmt.Errorf("schema %s: %w", s.Name, err)
		}
	}
	return nil
}

func (s Schema) apply(ctx context.Context, db *sql.DB) error {
	name := pgx.Identifier{s.Name}.Sanitize()
	prepare := fmt.Sprintf(`
		CREATE SCHEMA IF NOT EXISTS %[1]s;
		GRANT USAGE ON SCHEMA %[1]s TO mshub_app, mshub_system;
		ALTER DEFAULT PRIVILEGES IN SCHEMA %[1]s GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO mshub_app, mshub_system;
		ALTER DEFAULT PRIVILEGES IN SCHEMA %[1]s GRANT USAGE ON SEQUENCES TO mshub_app, mshub_system;`, name)
	if _, err := db.ExecContext(ctx, prepare); err != nil {
		return err
	}
	provider, err := s.provider(db)
	if err != nil {
		return err
	}
	_, err = provider.Up(ctx)
	return err
}

func (s Schema) provider(db *sql.DB) (*goose.Provider, error) {
	return goose.NewProvider(goose.DialectPostgres, db, s.Migrations, goose.WithTableName(s.Name+".goose_version"))
}

// CheckVersion says in words whether the database is ready for this program: nil, or an error that tells what to do.
// A newer schema is fine within one minor release (expand first, contract a release later).
func CheckVersion(ctx context.Context, url string, schemas ...Schema) error {
	config, err := pgx.ParseConfig(url)
	if err != nil {
		return errors.New("the database address is not a PostgreSQL address")
	}
	db := stdlib.OpenDB(*config)
	defer func() { _ = db.Close() }()
	for _, s := range schemas {
		want, err := fs.Glob(s.Migrations, "*.sql")
		if err != nil {
			return err
		}
		var have int
		err = db.QueryRowContext(ctx, fmt.Sprintf("SELECT count(DISTINCT version_id) FROM %s.goose_version WHERE version_id > 0 AND is_applied", pgx.Identifier{s.Name}.Sanitize())).Scan(&have)
		if err != nil || have < len(want) {
			return fmt.Errorf("schema %s is at migration %d of %d: run `mshub migrate`", s.Name, have, len(want))
		}
	}
	return nil
}
