package store

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"go.mongodb.org/mongo-driver/v2/bson"
	driver "go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// markReplayed tells the import whose rejects the rows were.
func (s *Mongo) markReplayed(ctx context.Context, organisation uuid.UUID, c Chunk, taken []Row, replayed bool) error {
	numbers := c.numbers(taken)
	if c.ReplayOf == uuid.Nil || len(numbers) == 0 {
		return nil
	}
	list := make(bson.A, len(numbers))
	for i, n := range numbers {
		list[i] = numberedID(organisation, c.ReplayOf, n)
	}
	_, err := s.rejects.UpdateMany(ctx, bson.D{{Key: "_id", Value: bson.D{{Key: "$in", Value: list}}}},
		bson.D{{Key: "$set", Value: bson.D{{Key: "replayed", Value: replayed}}}})
	return err
}

// rejected row.
type rejected struct {
	ID        bson.Binary `bson:"_id"` // organisation + import + number
	Number    int64       `bson:"number"`
	Line      int64       `bson:"line"`
	Faults    []Fault     `bson:"faults"`
	Cells     string      `bson:"cells"` // JSON
	Corrected bool        `bson:"corrected"`
	Replayed  bool        `bson:"replayed"`
}

func (r rejected) reject() Reject {
	return Reject{Number: r.Number, Line: r.Line, Faults: r.Faults, Cells: json.RawMessage(r.Cells), Corrected: r.Corrected, Replayed: r.Replayed}
}

// Rejects implements Documents.
func (s *Mongo) Rejects(ctx context.Context, organisation, imported uuid.UUID, after int64, limit int, open bool) ([]Reject, error) {
	rng := within(organisation, imported, 8)
	rng[0] = bson.E{Key: "$gt", Value: numberedID(organisation, imported, after)}
	where := bson.D{{Key: "_id", Value: rng}}
	if open {
		where = append(where, bson.E{Key: "replayed", Value: false})
	}
	var rows []rejected
	err := s.hurried(ctx, func(ctx context.Context) error {
		cursor, err := s.rejects.Find(ctx, where, options.Find().SetSort(bson.D{{Key: "_id", Value: 1}}).SetLimit(int64(limit)))
		if err != nil {
			return err
		}
		return cursor.All(ctx, &rows)
	})
	if err != nil {
		return nil, err
	}
	rejects := make([]Reject, 0, len(rows))
	for _, r := range rows {
		rejects = append(rejects, r.reject())
	}
	return rejects, nil
}

// Reject implements Documents.
func (s *Mongo) Reject(ctx context.Context, organisation, imported uuid.UUID, number int64) (Reject, error) {
	var r rejected
	err := s.rejects.FindOne(ctx, bson.D{{Key: "_id", Value: numberedID(organisation, imported, number)}}).Decode(&r)
	if errors.Is(err, driver.ErrNoDocuments) {
		err = ErrNotFound
	}
	return r.reject(), err
}

// CorrectReject implements Documents.
func (s *Mongo) CorrectReject(ctx context.Context, _ pgx.Tx, organisation, imported uuid.UUID, r Reject) error {
	res, err := s.rejects.UpdateOne(ctx, bson.D{{Key: "_id", Value: numberedID(organisation, imported, r.Number)}, {Key: "replayed", Value: false}},
		bson.D{{Key: "$set", Value: bson.D{{Key: "cells", Value: string(r.Cells)}, {Key: "corrected", Value: true}}}})
	if err == nil && res.MatchedCount == 0 {
		err = ErrChanged
	}
	return err
}
