package testenv

import (
	"context"
	"os"
	"testing"
	"testing/fstest"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/microservicehub/mshub/internal/postgres"
)

func TestMain(m *testing.M) { os.Exit(Main(m, NoLeaks)) }

// notes is a schema with one table behind the wall between tenants.
var notes = postgres.Schema{Name: "notes", Migrations: fstest.MapFS{"0001_note.sql": {Data: []byte(`-- +goose Up
CREATE TABLE notes.note (organisation_id uuid NOT NULL, text text NOT NULL);
CALL mshub.protect('notes.note');
`)}}}

func TestPostgresGivesEachTestItsOwnDatabase(t *testing.T) {
	t.Parallel()
	for range 4 {
		t.Run("", func(t *testing.T) {
			t.Parallel()
			db := Postgres(t, notes)
			organisation := uuid.New()
			err := db.Tx(t.Context(), organisation, func(tx pgx.Tx) error {
				_, err := tx.Exec(t.Context(), "INSERT INTO notes.note VALUES ($1, 'mine')", organisation)
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			if n := count(t, db.System); n != 1 {
				t.Errorf("%d notes in the database, want only the test's own", n)
			}
			if n := count(t, func(ctx context.Context, f func(pgx.Tx) error) error { return db.Tx(ctx, uuid.New(), f) }); n != 0 {
				t.Errorf("another organisation sees %d notes", n)
			}
		})
	}
}

func count(t *testing.T, run func(ctx context.Context, f func(tx pgx.Tx) error) error) (n int) {
	t.Helper()
	err := run(t.Context(), func(tx pgx.Tx) error {
		return tx.QueryRow(t.Context(), "SELECT count(*) FROM notes.note").Scan(&n)
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}
