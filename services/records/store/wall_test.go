package store

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/microservicehub/mshub/internal/testenv"
	auditstore "github.com/microservicehub/mshub/services/audit/store"
)

// The table of documents has no row-level security; these are the ways around its wall, each of them closed.
func TestTheWallAroundDocuments(t *testing.T) {
	t.Parallel()
	db := testenv.Postgres(t, auditstore.Schema(), Schema())
	mine, theirs, dataset := uuid.New(), uuid.New(), uuid.New()
	for statement, refusal := range map[string]string{
		"SELECT FROM records.document":            "42501",
		"UPDATE records.document SET data = '{}'": "42501",
		"DELETE FROM records.document":            "42501",
		"TRUNCATE records.document":               "42501",
		"INSERT INTO records.document (organisation_id, dataset_id, id, data) VALUES ('" + theirs.String() + "', '" + dataset.String() + "', gen_random_uuid(), '{}')": "42501",
		"INSERT INTO records.record (organisation_id, dataset_id, id, data) VALUES ('" + theirs.String() + "', '" + dataset.String() + "', gen_random_uuid(), '{}')":   "44000",
		"INSERT INTO records.document (dataset_id, id, data) VALUES ('" + dataset.String() + "', gen_random_uuid(), '{}')":                                             "",
	} {
		err := db.Tx(t.Context(), mine, func(tx pgx.Tx) error {
			_, err := tx.Exec(t.Context(), statement)
			return err
		})
		var pg *pgconn.PgError
		if refusal == "" && err != nil || refusal != "" && (!errors.As(err, &pg) || pg.Code != refusal) {
			t.Errorf("%.60s: %v, want %q", statement, err, refusal)
		}
	}
	err := db.Tx(t.Context(), mine, func(tx pgx.Tx) error {
		_, err := tx.Conn().PgConn().CopyFrom(t.Context(), strings.NewReader(""), "COPY records.document (organisation_id, dataset_id, id, data) FROM STDIN")
		return err
	})
	var pg *pgconn.PgError
	if !errors.As(err, &pg) || pg.Code != "42501" {
		t.Errorf("COPY in another's name: %v", err)
	}
	// What was inserted is the transaction's organisation's, and nobody else's to see or move.
	for organisation, want := range map[uuid.UUID]int{mine: 1, theirs: 0} {
		var n int
		var moved int64
		err := db.Tx(t.Context(), organisation, func(tx pgx.Tx) error {
			if organisation == theirs {
				tag, err := tx.Exec(t.Context(), "UPDATE records.record SET data = '{}'")
				if moved = tag.RowsAffected(); err != nil {
					return err
				}
			}
			return tx.QueryRow(t.Context(), "SELECT count(*) FROM records.record").Scan(&n)
		})
		if err != nil || n != want || moved != 0 {
			t.Errorf("%d rows, %d moved, %v; want %d", n, moved, err, want)
		}
	}
	err = db.Tx(t.Context(), mine, func(tx pgx.Tx) error {
		_, err := tx.Exec(t.Context(), "UPDATE records.record SET organisation_id = $1", theirs)
		return err
	})
	if !errors.As(err, &pg) || pg.Code != "44000" {
		t.Errorf("giving a row away: %v", err)
	}
}
