package store

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/microservicehub/mshub/internal/filter"
)

// Walk implements Documents: one statement, so one moment. Rows are read as f takes them.
func (s *JSONB) Walk(ctx context.Context, shelf Shelf, r Range, f func(data []byte) error) error {
	where, args, err := filter.SQL(r.Filter, jsonbColumns(shelf), 4)
	if err != nil {
		return err
	}
	query := fmt.Sprintf(`SELECT d.data::text FROM records.record d
		WHERE d.dataset_id = $1 AND d.id > $2 AND d.id <= $3 AND %s ORDER BY d.id`, where)
	return s.db.Tx(ctx, shelf.Organisation, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, query, append([]any{shelf.Dataset, r.After, r.Until}, args...)...)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			if err := f(rows.RawValues()[0]); err != nil {
				return err
			}
		}
		return rows.Err()
	})
}

// Behind implements Documents.
func (s *JSONB) Behind(ctx context.Context, shelf Shelf, after uuid.UUID, n int) (id uuid.UUID, found bool, err error) {
	err = s.db.Tx(ctx, shelf.Organisation, func(tx pgx.Tx) error {
		return tx.QueryRow(ctx, `SELECT id FROM records.record WHERE dataset_id = $1 AND id > $2 ORDER BY id OFFSET $3 LIMIT 1`,
			shelf.Dataset, after, n-1).Scan(&id)
	})
	if errors.Is(err, pgx.ErrNoRows) {
		return uuid.Nil, false, nil
	}
	return id, err == nil, err
}
