package store

import (
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/microservicehub/mshub/internal/filter"
	"github.com/microservicehub/mshub/internal/testenv"
	auditstore "github.com/microservicehub/mshub/services/audit/store"
)

// A page in the default order costs its own rows: the primary key gives the order, behind the organisation's wall, and
// nothing is sorted, however large the dataset and however far the page.
func TestPagesAreReadInTheOrderOfTheKey(t *testing.T) {
	t.Parallel()
	db := testenv.Postgres(t, auditstore.Schema(), Schema())
	shelf := newShelf(t)
	err := db.Tx(t.Context(), shelf.Organisation, func(tx pgx.Tx) error {
		_, err := tx.Exec(t.Context(), `INSERT INTO records.document (dataset_id, id, data)
			SELECT $1, gen_random_uuid(), jsonb_build_object('id', n, 'text', repeat('x', 200)) FROM generate_series(1, 20000) n`, shelf.Dataset)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	filtered, err := filter.Parse(`number > 5`)
	if err != nil {
		t.Fatal(err)
	}
	later := &Position{ID: uuid.MustParse("80000000-0000-4000-8000-000000000000")}
	for name, q := range map[string]Query{
		"the first page":       {Limit: 51},
		"a later page":         {Limit: 51, After: later},
		"a later filtered one": {Limit: 51, After: later, Filter: filtered},
	} {
		query, args, err := listQuery(shelf, q)
		if err != nil {
			t.Fatal(err)
		}
		var plan []string
		err = db.Tx(t.Context(), shelf.Organisation, func(tx pgx.Tx) error {
			rows, err := tx.Query(t.Context(), "EXPLAIN "+query, args...)
			if err != nil {
				return err
			}
			plan, err = pgx.CollectRows(rows, pgx.RowTo[string])
			return err
		})
		text := strings.Join(plan, "\n")
		if err != nil || strings.Contains(text, "Sort") || !strings.Contains(text, "Index Scan using document_pkey") {
			t.Errorf("%s: %v\n%s", name, err, text)
		}
	}
}
