package store

import (
	"context"
	"encoding/json"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"go.mongodb.org/mongo-driver/v2/bson"
)

// erasePage rejected rows are read at once.
const erasePage = 500

// names reports whether a cell, or the value of a fault, is the address.
func (r Reject) names(email string) bool {
	is := func(text string) bool { return strings.EqualFold(strings.TrimSpace(text), email) }
	cells := map[string]string{}
	if json.Unmarshal(r.Cells, &cells) == nil {
		for _, cell := range cells {
			if is(cell) {
				return true
			}
		}
	}
	for _, fault := range r.Faults {
		if is(fault.Value) {
			return true
		}
	}
	return false
}

// blank leaves that there was such a row, and why it was refused.
func (r Reject) blank() Reject {
	r.Cells = json.RawMessage("{}")
	faults := make([]Fault, len(r.Faults))
	for i, fault := range r.Faults {
		faults[i] = Fault{Column: fault.Column, Reason: fault.Reason}
	}
	r.Faults = faults
	return r
}

// EraseRejects implements Documents.
func (s *JSONB) EraseRejects(ctx context.Context, organisation uuid.UUID, email string, dry bool) (n int64, err error) {
	at := RejectsNamingParams{Email: strings.ToLower(email), Page: erasePage}
	for {
		var found int64
		var rows []RejectsNamingRow
		err := s.db.Tx(ctx, organisation, func(tx pgx.Tx) (err error) {
			found = 0
			if rows, err = s.queries.RejectsNaming(ctx, tx, at); err != nil {
				return err
			}
			for _, row := range rows {
				reject := Reject{Cells: row.Cells}
				if err := json.Unmarshal(row.Faults, &reject.Faults); err != nil {
					return err
				}
				if !reject.names(email) {
					continue
				}
				if found++; dry {
					continue
				}
				faults, err := json.Marshal(reject.blank().Faults)
				if err != nil {
					return err
				}
				if err := s.queries.BlankReject(ctx, tx, BlankRejectParams{ImportID: row.ImportID, Number: row.Number, Faults: faults}); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return n, err
		}
		if n += found; len(rows) < erasePage {
			return n, nil
		}
		at.ImportID, at.Number = rows[len(rows)-1].ImportID, rows[len(rows)-1].Number
	}
}

// EraseRejects implements Documents.
func (s *Mongo) EraseRejects(ctx context.Context, organisation uuid.UUID, email string, dry bool) (n int64, err error) {
	all := bson.D{within(organisation, uuid.Nil, 8)[0], within(organisation, uuid.Max, 8)[1]}
	cursor, err := s.rejects.Find(ctx, bson.D{{Key: "_id", Value: all}})
	if err != nil {
		return 0, err
	}
	defer func() { _ = cursor.Close(ctx) }()
	for cursor.Next(ctx) {
		var row rejected
		if err := cursor.Decode(&row); err != nil {
			return n, err
		}
		if !row.reject().names(email) {
			continue
		}
		if n++; dry {
			continue
		}
		blank := row.reject().blank()
		_, err := s.rejects.UpdateOne(ctx, bson.D{{Key: "_id", Value: row.ID}},
			bson.D{{Key: "$set", Value: bson.D{{Key: "cells", Value: string(blank.Cells)}, {Key: "faults", Value: blank.Faults}}}})
		if err != nil {
			return n, err
		}
	}
	return n, cursor.Err()
}
