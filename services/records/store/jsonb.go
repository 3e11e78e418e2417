package store

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/microservicehub/mshub/internal/filter"
	"github.com/microservicehub/mshub/internal/postgres"
)

// JSONB keeps documents in PostgreSQL.
type JSONB struct {
	db      *postgres.DB
	queries *Queries
}

// NewJSONB makes the store.
func NewJSONB(db *postgres.DB) *JSONB { return &JSONB{db, New()} }

var _ Documents = (*JSONB)(nil)

// Get implements Documents.
func (s *JSONB) Get(ctx context.Context, shelf Shelf, id uuid.UUID) (d Document, err error) {
	err = s.db.Tx(ctx, shelf.Organisation, func(tx pgx.Tx) error {
		return tx.QueryRow(ctx, `SELECT id, revision, data::text, create_time, update_time FROM records.record WHERE dataset_id = $1 AND id = $2`,
			shelf.Dataset, id).Scan(&d.ID, &d.Revision, &d.Data, &d.CreateTime, &d.UpdateTime)
	})
	if errors.Is(err, pgx.ErrNoRows) {
		err = ErrNotFound
	}
	return d, err
}

// List implements Documents.
func (s *JSONB) List(ctx context.Context, shelf Shelf, q Query) ([]Document, error) {
	query, args, err := listQuery(shelf, q)
	if err != nil {
		return nil, err
	}
	var documents []Document
	err = s.db.Tx(ctx, shelf.Organisation, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, query, args...)
		if err != nil {
			return err
		}
		documents, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (d Document, err error) {
			return d, row.Scan(&d.ID, &d.Revision, &d.Data, &d.CreateTime, &d.UpdateTime)
		})
		return err
	})
	return documents, err
}

// listQuery is the statement of List. In the default order the primary key answers it: it reads no more than a page.
func listQuery(shelf Shelf, q Query) (query string, args []any, err error) {
	columns := jsonbColumns(shelf)
	where, args, err := filter.SQL(q.Filter, columns, 3)
	if err != nil {
		return "", nil, err
	}
	args = append([]any{shelf.Dataset, q.Limit}, args...)
	order := "d.id"
	if q.OrderBy != "" {
		order = columns[q.OrderBy].SQL + " ASC NULLS FIRST, d.id"
		if q.Descending {
			order = columns[q.OrderBy].SQL + " DESC NULLS LAST, d.id"
		}
	}
	if q.After != nil {
		var keyset string
		keyset, args = behind(q, columns[q.OrderBy].SQL, args)
		where += " AND " + keyset
	}
	return fmt.Sprintf(`SELECT d.id, d.revision, d.data::text, d.create_time, d.update_time FROM records.record d
		WHERE d.dataset_id = $1 AND %s ORDER BY %s LIMIT $2`, where, order), args, nil
}

// behind is the condition for rows after a position.
func behind(q Query, column string, args []any) (string, []any) {
	args = append(args, q.After.ID)
	id := fmt.Sprintf("d.id > $%d", len(args))
	if q.OrderBy == "" {
		return id, args
	}
	if q.After.Value == nil {
		if q.Descending {
			return fmt.Sprintf("(%s IS NULL AND %s)", column, id), args
		}
		return fmt.Sprintf("(%[1]s IS NOT NULL OR %[2]s)", column, id), args
	}
	args = append(args, q.After.Value)
	value := fmt.Sprintf("$%d", len(args))
	if q.Descending {
		return fmt.Sprintf("(%[1]s < %[2]s OR %[1]s IS NULL OR (%[1]s = %[2]s AND %[3]s))", column, value, id), args
	}
	return fmt.Sprintf("(%[1]s > %[2]s OR (%[1]s = %[2]s AND %[3]s))", column, value, id), args
}

// Count implements Documents.
func (s *JSONB) Count(ctx context.Context, shelf Shelf, f filter.Expr) (n int64, err error) {
	where, args, err := filter.SQL(f, jsonbColumns(shelf), 2)
	if err != nil {
		return 0, err
	}
	err = s.db.Tx(ctx, shelf.Organisation, func(tx pgx.Tx) error {
		return tx.QueryRow(ctx, "SELECT count(*) FROM records.record d WHERE d.dataset_id = $1 AND "+where,
			append([]any{shelf.Dataset}, args...)...).Scan(&n)
	})
	return n, err
}

// Empty implements Documents.
func (s *JSONB) Empty(ctx context.Context, shelf Shelf) (empty bool, err error) {
	err = s.db.Tx(ctx, shelf.Organisation, func(tx pgx.Tx) error {
		return tx.QueryRow(ctx, "SELECT NOT EXISTS (SELECT FROM records.record WHERE dataset_id = $1)", shelf.Dataset).Scan(&empty)
	})
	return empty, err
}

// Insert implements Documents.
func (s *JSONB) Insert(ctx context.Context, tx pgx.Tx, shelf Shelf, d Document) error {
	tag, err := tx.Exec(ctx, `INSERT INTO records.record (organisation_id, dataset_id, id, revision, data, create_time, update_time)
		VALUES ($1, $2, $3, 1, $4::text::jsonb, $5, $6) ON CONFLICT DO NOTHING`,
		shelf.Organisation, shelf.Dataset, d.ID, string(d.Data), d.CreateTime, d.UpdateTime)
	if err == nil && tag.RowsAffected() == 0 {
		err = ErrExists
	}
	return err
}

// Replace implements Documents.
func (s *JSONB) Replace(ctx context.Context, tx pgx.Tx, shelf Shelf, d Document) error {
	tag, err := tx.Exec(ctx, `UPDATE records.record SET data = $4::text::jsonb, update_time = $5, revision = revision + 1
		WHERE dataset_id = $1 AND id = $2 AND revision = $3`, shelf.Dataset, d.ID, d.Revision, string(d.Data), d.UpdateTime)
	if err == nil && tag.RowsAffected() == 0 {
		err = ErrChanged
	}
	return err
}

// Delete implements Documents.
func (s *JSONB) Delete(ctx context.Context, tx pgx.Tx, shelf Shelf, id uuid.UUID) error {
	tag, err := tx.Exec(ctx, "DELETE FROM records.record WHERE dataset_id = $1 AND id = $2", shelf.Dataset, id)
	if err == nil && tag.RowsAffected() == 0 {
		err = ErrNotFound
	}
	return err
}

// DeleteSome implements Documents.
func (s *JSONB) DeleteSome(ctx context.Context, shelf Shelf, limit int) (n int64, err error) {
	err = s.db.Tx(ctx, shelf.Organisation, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, `DELETE FROM records.record WHERE dataset_id = $1
			AND id IN (SELECT id FROM records.record WHERE dataset_id = $1 LIMIT $2)`, shelf.Dataset, limit)
		n = tag.RowsAffected()
		return err
	})
	return n, err
}

// jsonbColumns are a dataset's columns inside `d.data`.
func jsonbColumns(shelf Shelf) map[string]filter.Column {
	return shelf.Schema.Filter("d.data", "", func(name string) string { return name })
}
