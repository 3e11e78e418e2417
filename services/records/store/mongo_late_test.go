package store

import (
	"context"
	"errors"
	"testing"

	"github.com/google/uuid"
	"go.mongodb.org/mongo-driver/v2/bson"
	driver "go.mongodb.org/mongo-driver/v2/mongo"
)

// A worker dies while a chunk is being written, and the import is undone. What the server still does for the dead one leaves no
// rows, at whichever moment the undo comes.
func TestMongoChunkThatComesAfterItsUndo(t *testing.T) {
	t.Parallel()
	h := mongoHome(t, true)
	s, ctx := h.Documents.(*Mongo), t.Context()
	setup := func(t *testing.T) (Shelf, func() Chunk, func() bool) {
		shelf, imported := newShelf(t), uuid.New()
		chunk := func() Chunk { return chunkOf(t, shelf, imported, 1, `{"id":1}`, `{"id":2}`, `!`) }
		bar := func() bool {
			written, err := s.BarChunk(ctx, shelf.Organisation, imported, 1)
			if err != nil {
				t.Error(err)
			}
			return written
		}
		return shelf, chunk, bar
	}
	empty := func(t *testing.T, shelf Shelf, imported uuid.UUID) {
		t.Helper()
		counts, chunks, err := s.ImportCounts(ctx, shelf.Organisation, imported)
		_, done, e := s.ChunkCounts(ctx, shelf.Organisation, imported, 1)
		if n := h.total(t, shelf); n != 0 || chunks != 0 || counts.Read != 0 || done || err != nil || e != nil {
			t.Errorf("%d rows stay; the ledger has %d chunks with %+v, %v, %v", n, chunks, counts, err, e)
		}
	}
	t.Run("before it began", func(t *testing.T) {
		shelf, chunk, bar := setup(t)
		for range 2 {
			if bar() {
				t.Error("nothing was written yet")
			}
		}
		if _, err := h.write(ctx, shelf, chunk()); !errors.Is(err, ErrBarred) {
			t.Errorf("the late chunk: %v", err)
		}
		empty(t, shelf, chunk().Import)
	})
	t.Run("within its transaction", func(t *testing.T) {
		shelf, chunk, bar := setup(t)
		dead := begin(t, s)
		if err := s.ledger.FindOne(dead, bson.D{{Key: "_id", Value: "none"}}).Err(); !errors.Is(err, driver.ErrNoDocuments) {
			t.Fatal(err) // from here on it sees the ledger as it is now
		}
		if bar() {
			t.Error("nothing was written yet")
		}
		if _, err := s.writeChunk(dead, shelf, chunk()); err == nil {
			t.Error("the transaction did not notice the undo")
		}
		if _, err := h.write(ctx, shelf, chunk()); !errors.Is(err, ErrBarred) {
			t.Errorf("a living worker, which tries again: %v", err)
		}
		empty(t, shelf, chunk().Import)
	})
	t.Run("while its commit is under way", func(t *testing.T) {
		shelf, chunk, bar := setup(t)
		dead := begin(t, s)
		if _, err := s.writeChunk(dead, shelf, chunk()); err != nil {
			t.Fatal(err)
		}
		barred := make(chan bool)
		go func() { barred <- bar() }()
		if err := driver.SessionFromContext(dead).CommitTransaction(ctx); err != nil {
			t.Error(err)
		}
		if written := <-barred; !written {
			t.Error("the chunk was written, but the undo does not see it")
		}
		if err := h.takeBack(ctx, shelf, chunk()); err != nil {
			t.Error(err)
		}
		if _, err := h.write(ctx, shelf, chunk()); !errors.Is(err, ErrBarred) {
			t.Errorf("a later attempt: %v", err)
		}
		empty(t, shelf, chunk().Import)
	})
}

// begin a transaction that nobody tries again.
func begin(t *testing.T, s *Mongo) context.Context {
	t.Helper()
	session, err := s.db.Client().StartSession()
	if err == nil {
		err = session.StartTransaction()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { session.EndSession(context.Background()) })
	return driver.NewSessionContext(t.Context(), session)
}

// Without transactions, who writes a chunk takes it back when it turns out that the import was undone meanwhile.
func TestMongoStandaloneChunkThatIsUndoneMeanwhile(t *testing.T) {
	t.Parallel()
	h := mongoHome(t, false)
	ctx := t.Context()
	for _, mode := range []Mode{Upsert, Insert, Delete} {
		for n, reached := 1, true; reached; n++ {
			shelf, imported := newShelf(t), uuid.New()
			fill(t, h, shelf, `{"id":1,"text":"old"}`, `{"id":2,"text":"same"}`)
			before := h.data(t, shelf)
			chunk := func() Chunk {
				c := chunkOf(t, shelf, imported, 1, `{"id":1,"text":"changed"}`, `{"id":2,"text":"same"}`, `{"id":3,"text":"new"}`, `!`)
				c.Mode = mode
				return c
			}
			reached = false
			h.meanwhile(n, func() {
				reached = true
				if written, err := h.BarChunk(ctx, shelf.Organisation, imported, 1); err != nil || !written {
					t.Errorf("a standalone server can't know that nothing was written: %v, %v", written, err)
				}
				if err := h.takeBack(ctx, shelf, chunk()); err != nil {
					t.Error(err)
				}
			})
			_, err := h.write(ctx, shelf, chunk())
			h.meanwhile(0, func() {})
			if !reached {
				if n < 3 || err != nil {
					t.Errorf("mode %v makes %d writes, %v", mode, n-1, err)
				}
				break
			}
			if _, again := h.write(ctx, shelf, chunk()); !errors.Is(again, ErrBarred) || err != nil && !errors.Is(err, ErrBarred) {
				t.Errorf("mode %v, undone after write %d: %v; then %v", mode, n, err, again)
			}
			if got := h.data(t, shelf); got != before {
				t.Errorf("mode %v, undone after write %d:\n got %s\nwant %s", mode, n, got, before)
			}
			if left, err := h.ForgetUndo(ctx, shelf.Organisation, imported, 100); err != nil || left != 0 {
				t.Errorf("mode %v, undone after write %d: %d old documents are left, %v", mode, n, left, err)
			}
		}
	}
}
