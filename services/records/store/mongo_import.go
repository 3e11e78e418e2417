package store

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"go.mongodb.org/mongo-driver/v2/bson"
	driver "go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// entry of the ledger, or the mark that the chunk was undone.
type entry struct {
	ID        bson.Binary `bson:"_id"` // organisation + import + chunk
	Read      int64       `bson:"read"`
	Inserted  int64       `bson:"inserted"`
	Updated   int64       `bson:"updated"`
	Unchanged int64       `bson:"unchanged"`
	Rejected  int64       `bson:"rejected"`
	Deleted   int64       `bson:"deleted"`
	Undone    bool        `bson:"undone,omitempty"`
}

func (e entry) counts() Counts {
	return Counts{e.Read, e.Inserted, e.Updated, e.Unchanged, e.Rejected, e.Deleted}
}

// attempts of a chunk that loses against another writer of the same records, outside a transaction.
const attempts = 5

// WriteChunk implements Documents: in one transaction, or, on a standalone server, documents first and the ledger last.
// There a chunk that is repeated recognises its own documents by the import they name.
func (s *Mongo) WriteChunk(ctx context.Context, _ pgx.Tx, shelf Shelf, c Chunk) (counts Counts, err error) {
	slices.SortFunc(c.Rows, func(a, b Row) int { return bytes.Compare(a.ID[:], b.ID[:]) })
	if !s.db.Transactions {
		for range attempts {
			if counts, err = s.writeChunk(ctx, shelf, c); !driver.IsDuplicateKeyError(err) {
				break
			}
			c.Fresh = false
		}
		return counts, err
	}
	session, err := s.db.Client().StartSession()
	if err != nil {
		return Counts{}, err
	}
	defer session.EndSession(context.WithoutCancel(ctx))
	for range 2 { // a fresh dataset that is not so fresh aborts the first transaction
		_, err = session.WithTransaction(ctx, func(ctx context.Context) (any, error) {
			counts, err = s.writeChunk(ctx, shelf, c)
			return nil, err
		})
		if !driver.IsDuplicateKeyError(err) {
			break
		}
		c.Fresh = false
	}
	return counts, err
}

func (s *Mongo) writeChunk(ctx context.Context, shelf Shelf, c Chunk) (Counts, error) {
	id := numberedID(shelf.Organisation, c.Import, int64(c.Number))
	var done entry
	err := s.ledger.FindOne(ctx, bson.D{{Key: "_id", Value: id}}).Decode(&done)
	switch {
	case err == nil && done.Undone && !s.db.Transactions: // an earlier try of this call may have left documents
		return Counts{}, errors.Join(ErrBarred, s.undoChunk(ctx, shelf, c))
	case err == nil && done.Undone:
		return Counts{}, ErrBarred
	case err == nil:
		return done.counts(), nil
	case !errors.Is(err, driver.ErrNoDocuments):
		return Counts{}, err
	}
	found := map[uuid.UUID]kept{}
	if !c.Fresh || !s.db.Transactions { // outside a transaction an earlier try may have left documents
		if found, err = s.find(ctx, shelf, c.Rows); err != nil {
			return Counts{}, err
		}
	}
	w := chunkWriter{store: s, shelf: shelf, chunk: c, encoder: newEncoder(shelf.Schema), now: time.Now(), counts: Counts{Read: int64(len(c.Rows) + len(c.Rejects))}}
	for _, row := range c.Rows {
		if err := w.row(row, found); err != nil {
			return Counts{}, err
		}
	}
	if err := w.flush(ctx); err != nil {
		return Counts{}, err
	}
	if err := s.markReplayed(ctx, shelf.Organisation, c, w.taken, true); err != nil {
		return Counts{}, err
	}
	k := w.counts
	_, err = s.ledger.InsertOne(ctx, entry{id, k.Read, k.Inserted, k.Updated, k.Unchanged, k.Rejected, k.Deleted, false})
	if driver.IsDuplicateKeyError(err) && !s.db.Transactions {
		err = w.takeBack(ctx, err)
	}
	return k, err
}

// takeBack undoes what this call has written, if it lost its place in the ledger because the chunk was undone meanwhile. The
// undo has forgotten what the chunk had kept for it, so that is kept again.
func (w *chunkWriter) takeBack(ctx context.Context, lost error) error {
	var there entry
	id := numberedID(w.shelf.Organisation, w.chunk.Import, int64(w.chunk.Number))
	if err := w.store.ledger.FindOne(ctx, bson.D{{Key: "_id", Value: id}}).Decode(&there); err != nil || !there.Undone {
		return lost
	}
	if len(w.olds) > 0 {
		if _, err := w.store.undo.BulkWrite(ctx, w.olds, options.BulkWrite().SetOrdered(false)); err != nil {
			return err
		}
	}
	return errors.Join(ErrBarred, w.store.undoChunk(ctx, w.shelf, w.chunk))
}

// find returns those of the rows' documents that exist.
func (s *Mongo) find(ctx context.Context, shelf Shelf, rows []Row) (map[uuid.UUID]kept, error) {
	list := make(bson.A, len(rows))
	for i, r := range rows {
		list[i] = binaryID(shelf.Organisation, shelf.Dataset, r.ID)
	}
	cursor, err := s.records.Find(ctx, bson.D{{Key: "_id", Value: bson.D{{Key: "$in", Value: list}}}})
	if err != nil {
		return nil, err
	}
	defer func() { _ = cursor.Close(ctx) }()
	found := map[uuid.UUID]kept{}
	for cursor.Next(ctx) {
		var k kept
		if err := cursor.Decode(&k); err != nil {
			return nil, err
		}
		k.Data = slices.Clone(k.Data) // the cursor reuses its buffer
		found[uuid.UUID(k.ID.Data[32:])] = k
	}
	return found, cursor.Err()
}

// chunkWriter sorts rows into new documents, changes and rejects, counting.
type chunkWriter struct {
	store   *Mongo
	shelf   Shelf
	chunk   Chunk
	encoder *encoder
	now     time.Time
	counts  Counts

	inserts []any
	updates []driver.WriteModel
	deletes bson.A
	olds    []driver.WriteModel // kept for an undo
	taken   []Row
}

func (w *chunkWriter) row(row Row, found map[uuid.UUID]kept) error {
	data := w.chunk.data(row)
	old, exists := found[row.ID]
	if w.chunk.Mode == Delete {
		if exists {
			w.keep(old)
			w.deletes = append(w.deletes, old.ID)
		}
		return nil
	}
	if !exists {
		d := Document{ID: row.ID, Revision: 1, Data: data, CreateTime: w.now, UpdateTime: w.now}
		raw, err := w.encoder.document(w.shelf, d, &w.chunk.Import, true)
		w.inserts, w.counts.Inserted = append(w.inserts, raw), w.counts.Inserted+1
		return err
	}
	if bytes.Equal(old.Import.Data, w.chunk.Import[:]) { // an earlier try of this chunk wrote it
		if old.New {
			w.counts.Inserted++
		} else {
			w.counts.Updated++
		}
		return nil
	}
	if w.chunk.Mode == Insert {
		w.taken = append(w.taken, row)
		return nil
	}
	before, err := old.document(w.shelf.Schema)
	if err != nil {
		return err
	}
	if bytes.Equal(before.Data, data) {
		w.counts.Unchanged++
		return nil
	}
	raw, err := w.encoder.data(data)
	if err != nil {
		return err
	}
	w.counts.Updated++
	w.keep(old)
	w.updates = append(w.updates, driver.NewUpdateOneModel().SetFilter(one(w.shelf, row.ID)).SetUpdate(bson.D{
		{Key: "$set", Value: bson.D{
			{Key: fieldData, Value: raw}, {Key: fieldUpdated, Value: w.now.UnixMicro()},
			{Key: fieldImport, Value: bson.Binary{Data: w.chunk.Import[:]}}, {Key: fieldNew, Value: false},
		}},
		{Key: "$inc", Value: bson.D{{Key: fieldRevision, Value: int32(1)}}},
	}))
	return nil
}

// keep an old document until the import is over. It is put in place by id, so a repeated chunk keeps the same one.
func (w *chunkWriter) keep(old kept) {
	id := numberedID(w.shelf.Organisation, w.chunk.Import, int64(w.chunk.Number))
	id.Data = append(id.Data, old.ID.Data[32:]...)
	w.olds = append(w.olds, driver.NewReplaceOneModel().SetFilter(bson.D{{Key: "_id", Value: id}}).
		SetReplacement(bson.D{{Key: "_id", Value: id}, {Key: "old", Value: old}}).SetUpsert(true))
}

// flush writes old documents, then documents, then rejects. Rejects are put in place by number, so a repeated chunk writes
// the same ones.
func (w *chunkWriter) flush(ctx context.Context) error {
	if len(w.olds) > 0 {
		if _, err := w.store.undo.BulkWrite(ctx, w.olds, options.BulkWrite().SetOrdered(false)); err != nil {
			return err
		}
	}
	if w.chunk.Mode == Delete {
		if err := w.remove(ctx); err != nil {
			return err
		}
	}
	if len(w.inserts) > 0 {
		if _, err := w.store.records.InsertMany(ctx, w.inserts, options.InsertMany().SetOrdered(false)); err != nil {
			return err
		}
	}
	if len(w.updates) > 0 {
		if _, err := w.store.records.BulkWrite(ctx, w.updates, options.BulkWrite().SetOrdered(false)); err != nil {
			return err
		}
	}
	rejects := slices.Concat(w.chunk.Rejects, w.chunk.exists(w.taken))
	w.counts.Rejected = int64(len(rejects))
	if len(rejects) == 0 {
		return nil
	}
	puts := make([]driver.WriteModel, len(rejects))
	for i, r := range rejects {
		row := rejected{ID: numberedID(w.shelf.Organisation, w.chunk.Import, r.Number), Number: r.Number, Line: r.Line, Faults: r.Faults, Cells: string(r.Cells)}
		puts[i] = driver.NewReplaceOneModel().SetFilter(bson.D{{Key: "_id", Value: row.ID}}).SetReplacement(row).SetUpsert(true)
	}
	_, err := w.store.rejects.BulkWrite(ctx, puts, options.BulkWrite().SetOrdered(false))
	return err
}

// remove deletes documents. What an earlier try deleted is known by what was kept of it.
func (w *chunkWriter) remove(ctx context.Context) error {
	if len(w.deletes) > 0 {
		if _, err := w.store.records.DeleteMany(ctx, bson.D{{Key: "_id", Value: bson.D{{Key: "$in", Value: w.deletes}}}}); err != nil {
			return err
		}
	}
	n, err := w.store.undo.CountDocuments(ctx, ofChunk(w.shelf.Organisation, w.chunk))
	w.counts.Deleted, w.counts.Unchanged = n, int64(len(w.chunk.Rows))-n
	return err
}

// ChunkCounts implements Documents.
func (s *Mongo) ChunkCounts(ctx context.Context, organisation, imported uuid.UUID, chunk int32) (Counts, bool, error) {
	var e entry
	err := s.ledger.FindOne(ctx, bson.D{{Key: "_id", Value: numberedID(organisation, imported, int64(chunk))}}).Decode(&e)
	if errors.Is(err, driver.ErrNoDocuments) {
		return Counts{}, false, nil
	}
	return e.counts(), err == nil && !e.Undone, err
}

// ImportCounts implements Documents.
func (s *Mongo) ImportCounts(ctx context.Context, organisation, imported uuid.UUID) (sum Counts, chunks int64, err error) {
	cursor, err := s.ledger.Find(ctx, bson.D{{Key: "_id", Value: within(organisation, imported, 8)}, {Key: "undone", Value: nil}})
	if err != nil {
		return Counts{}, 0, err
	}
	var entries []entry
	if err := cursor.All(ctx, &entries); err != nil {
		return Counts{}, 0, err
	}
	for _, e := range entries {
		sum.Read += e.Read
		sum.Inserted += e.Inserted
		sum.Updated += e.Updated
		sum.Unchanged += e.Unchanged
		sum.Rejected += e.Rejected
		sum.Deleted += e.Deleted
	}
	return sum, int64(len(entries)), nil
}

// ForgetImport implements Documents.
func (s *Mongo) ForgetImport(ctx context.Context, organisation, imported uuid.UUID) error {
	for _, c := range []*driver.Collection{s.rejects, s.ledger} {
		if _, err := c.DeleteMany(ctx, bson.D{{Key: "_id", Value: within(organisation, imported, 8)}}); err != nil {
			return err
		}
	}
	_, err := s.undo.DeleteMany(ctx, bson.D{{Key: "_id", Value: within(organisation, imported, 24)}})
	return err
}
