package store

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

func (s *JSONB) insertRejects(ctx context.Context, tx pgx.Tx, imported uuid.UUID, rejects []Reject) error {
	if len(rejects) == 0 {
		return nil
	}
	p := InsertRejectsParams{ImportID: imported}
	for _, r := range rejects {
		faults, err := json.Marshal(r.Faults)
		if err != nil {
			return err
		}
		cells := "{}"
		if len(r.Cells) > 0 {
			cells = string(r.Cells)
		}
		p.Numbers, p.Lines = append(p.Numbers, r.Number), append(p.Lines, r.Line)
		p.Faults, p.Cells = append(p.Faults, string(faults)), append(p.Cells, cells)
	}
	return s.queries.InsertRejects(ctx, tx, p)
}

// Rejects implements Documents.
func (s *JSONB) Rejects(ctx context.Context, organisation, imported uuid.UUID, after int64, limit int, open bool) (rejects []Reject, err error) {
	err = s.db.Tx(ctx, organisation, func(tx pgx.Tx) error {
		rows, err := s.queries.Rejects(ctx, tx, RejectsParams{ImportID: imported, After: after, Page: int32(limit), Open: open})
		if err != nil {
			return err
		}
		rejects = make([]Reject, 0, len(rows))
		for _, r := range rows {
			reject, err := RejectRow(r).reject()
			if err != nil {
				return err
			}
			rejects = append(rejects, reject)
		}
		return nil
	})
	return rejects, err
}

func (r RejectRow) reject() (Reject, error) {
	reject := Reject{Number: r.Number, Line: r.Line, Cells: r.Cells, Corrected: r.Corrected, Replayed: r.Replayed}
	return reject, json.Unmarshal(r.Faults, &reject.Faults)
}

// Reject implements Documents.
func (s *JSONB) Reject(ctx context.Context, organisation, imported uuid.UUID, number int64) (reject Reject, err error) {
	err = s.db.Tx(ctx, organisation, func(tx pgx.Tx) error {
		row, err := s.queries.Reject(ctx, tx, RejectParams{ImportID: imported, Number: number})
		if err == nil {
			reject, err = row.reject()
		}
		return err
	})
	if errors.Is(err, pgx.ErrNoRows) {
		err = ErrNotFound
	}
	return reject, err
}

// CorrectReject implements Documents.
func (s *JSONB) CorrectReject(ctx context.Context, tx pgx.Tx, _, imported uuid.UUID, r Reject) error {
	n, err := s.queries.CorrectReject(ctx, tx, CorrectRejectParams{ImportID: imported, Number: r.Number, Cells: r.Cells})
	if err == nil && n == 0 {
		err = ErrChanged
	}
	return err
}
