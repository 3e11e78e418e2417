package store

import (
	"bytes"
	"context"
	"errors"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"go.mongodb.org/mongo-driver/v2/bson"
	driver "go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// BarChunk implements Documents. The mark takes the place that the chunk's entry in the ledger would have: a transaction that
// is under way either commits before it, and is seen, or fails. On a standalone server there may be documents of a chunk that
// is not in the ledger: whoever writes it takes them back on meeting the mark; only what was sent by a process that dies before
// it meets it may come after an undo.
func (s *Mongo) BarChunk(ctx context.Context, organisation, imported uuid.UUID, chunk int32) (bool, error) {
	var before entry
	err := s.ledger.FindOneAndUpdate(ctx, bson.D{{Key: "_id", Value: numberedID(organisation, imported, int64(chunk))}},
		bson.D{{Key: "$setOnInsert", Value: bson.D{{Key: "undone", Value: true}}}}, options.FindOneAndUpdate().SetUpsert(true)).Decode(&before)
	if err != nil && !errors.Is(err, driver.ErrNoDocuments) {
		return false, err
	}
	return !s.db.Transactions || err == nil && !before.Undone, nil
}

// ofChunk is the range of the old documents that a chunk keeps.
func ofChunk(organisation uuid.UUID, c Chunk) bson.D {
	low, high := numberedID(organisation, c.Import, int64(c.Number)), numberedID(organisation, c.Import, int64(c.Number))
	low.Data, high.Data = append(low.Data, make([]byte, 16)...), append(high.Data, bytes.Repeat([]byte{0xff}, 16)...)
	return bson.D{{Key: "_id", Value: bson.D{{Key: "$gte", Value: low}, {Key: "$lte", Value: high}}}}
}

// UndoChunk implements Documents. Every step may be repeated; last the ledger's entry becomes the mark of BarChunk.
func (s *Mongo) UndoChunk(ctx context.Context, _ pgx.Tx, shelf Shelf, c Chunk) error {
	if !s.db.Transactions {
		return s.undoChunk(ctx, shelf, c)
	}
	session, err := s.db.Client().StartSession()
	if err != nil {
		return err
	}
	defer session.EndSession(context.WithoutCancel(ctx))
	_, err = session.WithTransaction(ctx, func(ctx context.Context) (any, error) { return nil, s.undoChunk(ctx, shelf, c) })
	return err
}

func (s *Mongo) undoChunk(ctx context.Context, shelf Shelf, c Chunk) error {
	if c.Mode != Delete && len(c.Rows) > 0 {
		list := make(bson.A, len(c.Rows))
		for i, r := range c.Rows {
			list[i] = binaryID(shelf.Organisation, shelf.Dataset, r.ID)
		}
		_, err := s.records.DeleteMany(ctx, bson.D{
			{Key: "_id", Value: bson.D{{Key: "$in", Value: list}}},
			{Key: fieldImport, Value: bson.Binary{Data: c.Import[:]}}, {Key: fieldNew, Value: true},
		})
		if err != nil {
			return err
		}
	}
	cursor, err := s.undo.Find(ctx, ofChunk(shelf.Organisation, c))
	if err != nil {
		return err
	}
	var olds []struct {
		Old kept `bson:"old"`
	}
	if err := cursor.All(ctx, &olds); err != nil {
		return err
	}
	var puts []driver.WriteModel
	for _, o := range olds {
		puts = append(puts, restore(c, o.Old))
	}
	if len(puts) > 0 {
		if _, err := s.records.BulkWrite(ctx, puts, options.BulkWrite().SetOrdered(false)); err != nil {
			return err
		}
		if _, err := s.undo.DeleteMany(ctx, ofChunk(shelf.Organisation, c)); err != nil {
			return err
		}
	}
	if err := s.markReplayed(ctx, shelf.Organisation, c, nil, false); err != nil {
		return err
	}
	mark := entry{ID: numberedID(shelf.Organisation, c.Import, int64(c.Number)), Undone: true}
	_, err = s.ledger.ReplaceOne(ctx, bson.D{{Key: "_id", Value: mark.ID}}, mark, options.Replace().SetUpsert(true))
	return err
}

// restore puts an old document back, with a revision of its own: in place of what the import made of it, or where nothing
// is.
func restore(c Chunk, old kept) driver.WriteModel {
	id := bson.E{Key: "_id", Value: old.ID}
	set := bson.D{{Key: fieldData, Value: old.Data}, {Key: fieldCreated, Value: old.Created}, {Key: fieldUpdated, Value: old.Updated}}
	if c.Mode == Delete {
		return driver.NewUpdateOneModel().SetFilter(bson.D{id}).SetUpsert(true).
			SetUpdate(bson.D{{Key: "$setOnInsert", Value: append(set, bson.E{Key: fieldRevision, Value: old.Revision + 1})}})
	}
	return driver.NewUpdateOneModel().SetFilter(bson.D{id, {Key: fieldImport, Value: bson.Binary{Data: c.Import[:]}}, {Key: fieldRevision, Value: old.Revision + 1}}).
		SetUpdate(bson.D{
			{Key: "$set", Value: append(set, bson.E{Key: fieldRevision, Value: old.Revision + 2})},
			{Key: "$unset", Value: bson.D{{Key: fieldImport, Value: ""}, {Key: fieldNew, Value: ""}}},
		})
}

// ForgetUndo implements Documents.
func (s *Mongo) ForgetUndo(ctx context.Context, organisation, imported uuid.UUID, limit int) (int64, error) {
	cursor, err := s.undo.Find(ctx, bson.D{{Key: "_id", Value: within(organisation, imported, 24)}},
		options.Find().SetLimit(int64(limit)).SetProjection(bson.D{{Key: "_id", Value: 1}}))
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
	res, err := s.undo.DeleteMany(ctx, bson.D{{Key: "_id", Value: bson.D{{Key: "$in", Value: list}}}})
	if err != nil {
		return 0, err
	}
	return res.DeletedCount, nil
}
