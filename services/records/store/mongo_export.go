package store

import (
	"context"
	"errors"

	"github.com/google/uuid"
	"go.mongodb.org/mongo-driver/v2/bson"
	driver "go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/microservicehub/mshub/internal/filter"
)

// Walk implements Documents. Documents come in batches, each as it is when its batch is read.
func (s *Mongo) Walk(ctx context.Context, shelf Shelf, r Range, f func(data []byte) error) error {
	where, err := filter.BSON(r.Filter, mongoColumns(shelf))
	if err != nil {
		return err
	}
	part := bson.D{{Key: "_id", Value: bson.D{
		{Key: "$gt", Value: binaryID(shelf.Organisation, shelf.Dataset, r.After)},
		{Key: "$lte", Value: binaryID(shelf.Organisation, shelf.Dataset, r.Until)},
	}}}
	cursor, err := s.records.Find(ctx, bson.D{{Key: "$and", Value: bson.A{part, where}}}, options.Find().SetSort(bson.D{{Key: "_id", Value: 1}}))
	if err != nil {
		return err
	}
	defer func() { _ = cursor.Close(context.WithoutCancel(ctx)) }()
	for cursor.Next(ctx) {
		var k kept
		if err := cursor.Decode(&k); err != nil {
			return err
		}
		d, err := k.document(shelf.Schema)
		if err != nil {
			return err
		}
		if err := f(d.Data); err != nil {
			return err
		}
	}
	return cursor.Err()
}

// Behind implements Documents.
func (s *Mongo) Behind(ctx context.Context, shelf Shelf, after uuid.UUID, n int) (uuid.UUID, bool, error) {
	var found struct {
		ID bson.Binary `bson:"_id"`
	}
	rest := bson.D{{Key: "_id", Value: bson.D{
		{Key: "$gt", Value: binaryID(shelf.Organisation, shelf.Dataset, after)},
		{Key: "$lte", Value: binaryID(shelf.Organisation, shelf.Dataset, uuid.Max)},
	}}}
	err := s.records.FindOne(ctx, rest, options.FindOne().SetSort(bson.D{{Key: "_id", Value: 1}}).SetSkip(int64(n-1)).SetProjection(bson.D{{Key: "_id", Value: 1}})).Decode(&found)
	if errors.Is(err, driver.ErrNoDocuments) {
		return uuid.Nil, false, nil
	}
	if err != nil || len(found.ID.Data) != 48 {
		return uuid.Nil, false, err
	}
	return uuid.UUID(found.ID.Data[32:]), true, nil
}
