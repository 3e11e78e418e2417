package store

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"go.mongodb.org/mongo-driver/v2/bson"
	driver "go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/microservicehub/mshub/internal/filter"
	"github.com/microservicehub/mshub/internal/mongo"
	"github.com/microservicehub/mshub/internal/postgres"
	"github.com/microservicehub/mshub/internal/rpc"
)

// Mongo keeps documents in MongoDB: all datasets in one collection, the ledger and the rejected rows of imports beside it,
// so that they commit together. On a standalone server, which has no transactions, documents are written first and carry
// the import's name, so that a repeated chunk comes to the same counts.
type Mongo struct {
	db      *mongo.DB
	records *driver.Collection
	ledger  *driver.Collection
	rejects *driver.Collection
	undo    *driver.Collection
	// patience is how long a read of a call may take, see postgres.Patience.
	patience func(ctx context.Context) (time.Duration, bool)
}

// NewMongo makes the store and its collections.
func NewMongo(ctx context.Context, db *mongo.DB) (*Mongo, error) {
	s := &Mongo{
		db: db, records: db.Collection("records"), ledger: db.Collection("importLedger"), rejects: db.Collection("importRejects"),
		undo: db.Collection("importUndo"), patience: postgres.Patience,
	}
	for _, c := range []*driver.Collection{s.records, s.ledger, s.rejects, s.undo} {
		var exists driver.CommandError
		if err := db.CreateCollection(ctx, c.Name()); err != nil && (!errors.As(err, &exists) || exists.Name != "NamespaceExists") {
			return nil, err
		}
	}
	return s, nil
}

var _ Documents = (*Mongo)(nil)

// hurried reads for no longer than a person waits. The server is told how long that is, and ends what takes longer.
func (s *Mongo) hurried(ctx context.Context, read func(ctx context.Context) error) error {
	limit, hurried := s.patience(ctx)
	if !hurried {
		return read(ctx)
	}
	bounded, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	err := read(bounded)
	if err != nil && ctx.Err() == nil && driver.IsTimeout(err) {
		return rpc.Slow()
	}
	return err
}

// one is the _id of a document.
func one(shelf Shelf, id uuid.UUID) bson.D {
	return bson.D{{Key: "_id", Value: binaryID(shelf.Organisation, shelf.Dataset, id)}}
}

// all is the range of a shelf.
func all(shelf Shelf) bson.D {
	return bson.D{{Key: "_id", Value: within(shelf.Organisation, shelf.Dataset, 16)}}
}

// Get implements Documents.
func (s *Mongo) Get(ctx context.Context, shelf Shelf, id uuid.UUID) (Document, error) {
	var k kept
	err := s.records.FindOne(ctx, one(shelf, id)).Decode(&k)
	if errors.Is(err, driver.ErrNoDocuments) {
		return Document{}, ErrNotFound
	}
	if err != nil {
		return Document{}, err
	}
	return k.document(shelf.Schema)
}

// List implements Documents.
func (s *Mongo) List(ctx context.Context, shelf Shelf, q Query) ([]Document, error) {
	where, err := filter.BSON(q.Filter, mongoColumns(shelf))
	if err != nil {
		return nil, err
	}
	conditions := bson.A{all(shelf), where}
	order := bson.D{{Key: "_id", Value: 1}}
	if q.OrderBy != "" {
		direction := 1
		if q.Descending {
			direction = -1
		}
		order = bson.D{{Key: fieldData + "." + escapeName(q.OrderBy), Value: direction}, {Key: "_id", Value: 1}}
	}
	if q.After != nil {
		conditions = append(conditions, after(shelf, q))
	}
	var found []kept
	err = s.hurried(ctx, func(ctx context.Context) error {
		cursor, err := s.records.Find(ctx, bson.D{{Key: "$and", Value: conditions}},
			options.Find().SetSort(order).SetLimit(int64(q.Limit)).SetAllowDiskUse(true))
		if err != nil {
			return err
		}
		return cursor.All(ctx, &found)
	})
	if err != nil {
		return nil, err
	}
	documents := make([]Document, 0, len(found))
	for _, k := range found {
		d, err := k.document(shelf.Schema)
		if err != nil {
			return nil, err
		}
		documents = append(documents, d)
	}
	return documents, nil
}

// after is the condition for documents behind a position; null is the least value, as MongoDB sorts it.
func after(shelf Shelf, q Query) bson.D {
	id := bson.E{Key: "_id", Value: bson.D{{Key: "$gt", Value: binaryID(shelf.Organisation, shelf.Dataset, q.After.ID)}}}
	if q.OrderBy == "" {
		return bson.D{id}
	}
	column, value := fieldData+"."+escapeName(q.OrderBy), q.After.Value
	if c := shelf.Schema.Columns[shelf.Schema.Index(q.OrderBy)]; value != nil && c.Kind.FilterType() == filter.Time {
		if text, ok := value.(string); ok {
			if t, err := time.Parse(time.RFC3339Nano, text); err == nil {
				value = filter.TimeText(t)
			}
		}
	}
	same := bson.D{{Key: column, Value: value}, id}
	beyond := bson.A{same}
	switch {
	case value == nil && !q.Descending:
		beyond = append(beyond, bson.D{{Key: column, Value: bson.D{{Key: "$ne", Value: nil}}}})
	case value != nil && q.Descending:
		beyond = append(beyond, bson.D{{Key: column, Value: bson.D{{Key: "$lt", Value: value}}}}, bson.D{{Key: column, Value: nil}})
	case value != nil:
		beyond = append(beyond, bson.D{{Key: column, Value: bson.D{{Key: "$gt", Value: value}}}})
	}
	return bson.D{{Key: "$or", Value: beyond}}
}

// Count implements Documents.
func (s *Mongo) Count(ctx context.Context, shelf Shelf, f filter.Expr) (int64, error) {
	where, err := filter.BSON(f, mongoColumns(shelf))
	if err != nil {
		return 0, err
	}
	var n int64
	err = s.hurried(ctx, func(ctx context.Context) (err error) {
		n, err = s.records.CountDocuments(ctx, bson.D{{Key: "$and", Value: bson.A{all(shelf), where}}})
		return err
	})
	return n, err
}

// Empty implements Documents.
func (s *Mongo) Empty(ctx context.Context, shelf Shelf) (bool, error) {
	err := s.records.FindOne(ctx, all(shelf), options.FindOne().SetProjection(bson.D{{Key: "_id", Value: 1}})).Err()
	if errors.Is(err, driver.ErrNoDocuments) {
		return true, nil
	}
	return false, err
}

// Insert implements Documents.
func (s *Mongo) Insert(ctx context.Context, _ pgx.Tx, shelf Shelf, d Document) error {
	d.Revision = 1
	raw, err := newEncoder(shelf.Schema).document(shelf, d, nil, false)
	if err != nil {
		return err
	}
	if _, err = s.records.InsertOne(ctx, raw); driver.IsDuplicateKeyError(err) {
		return ErrExists
	}
	return err
}

// Replace implements Documents.
func (s *Mongo) Replace(ctx context.Context, _ pgx.Tx, shelf Shelf, d Document) error {
	data, err := newEncoder(shelf.Schema).data(d.Data)
	if err != nil {
		return err
	}
	res, err := s.records.UpdateOne(ctx, append(one(shelf, d.ID), bson.E{Key: fieldRevision, Value: d.Revision}), bson.D{
		{Key: "$set", Value: bson.D{{Key: fieldData, Value: data}, {Key: fieldUpdated, Value: d.UpdateTime.UnixMicro()}}},
		{Key: "$inc", Value: bson.D{{Key: fieldRevision, Value: int32(1)}}},
		{Key: "$unset", Value: bson.D{{Key: fieldImport, Value: ""}, {Key: fieldNew, Value: ""}}},
	})
	if err == nil && res.MatchedCount == 0 {
		err = ErrChanged
	}
	return err
}

// Delete implements Documents.
func (s *Mongo) Delete(ctx context.Context, _ pgx.Tx, shelf Shelf, id uuid.UUID) error {
	res, err := s.records.DeleteOne(ctx, one(shelf, id))
	if err == nil && res.DeletedCount == 0 {
		err = ErrNotFound
	}
	return err
}

// DeleteSome implements Documents.
func (s *Mongo) DeleteSome(ctx context.Context, shelf Shelf, limit int) (int64, error) {
	cursor, err := s.records.Find(ctx, all(shelf), options.Find().SetLimit(int64(limit)).SetProjection(bson.D{{Key: "_id", Value: 1}}))
	if err != nil {
		return 0, err
	}
	var found []struct {
		ID bson.Binary `bson:"_id"`
	}
	if err := cursor.All(ctx, &found); err != nil || len(found) == 0 {
		return 0, err
	}
	list := make(bson.A, len(found))
	for i, f := range found {
		list[i] = f.ID
	}
	res, err := s.records.DeleteMany(ctx, bson.D{{Key: "_id", Value: bson.D{{Key: "$in", Value: list}}}})
	if err != nil {
		return 0, err
	}
	return res.DeletedCount, nil
}

func mongoColumns(shelf Shelf) map[string]filter.Column {
	return shelf.Schema.Filter("", fieldData+".", escapeName)
}
