package store

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// chunkOf makes a chunk of documents given as JSON, in lines 2, 3, …; every "!" is a reject.
func chunkOf(t *testing.T, shelf Shelf, imported uuid.UUID, number int32, texts ...string) Chunk {
	t.Helper()
	c := Chunk{Import: imported, Number: number}
	for i, text := range texts {
		line := int64(number)*100 + int64(i)
		if text == "!" {
			c.Rejects = append(c.Rejects, Reject{Number: line, Line: line, Faults: []Fault{{"id", "x,\"y\"", "is not a whole number"}, {"flag", "?", "is not true or false"}}, Cells: []byte(`{"id": "x,\"y\""}`)})
			continue
		}
		d := document(t, shelf, text)
		from := len(c.Data)
		c.Data = append(c.Data, d.Data...)
		c.Rows = append(c.Rows, Row{ID: d.ID, Number: line, Line: line, From: int32(from), To: int32(len(c.Data))})
	}
	c.Cells = func(r Row) []byte { return fmt.Appendf(nil, `{"line": "%d"}`, r.Line) }
	return c
}

// write a chunk as the service does.
func (h home) write(ctx context.Context, shelf Shelf, c Chunk) (counts Counts, err error) {
	err = h.db.Tx(ctx, shelf.Organisation, func(tx pgx.Tx) error {
		counts, err = h.WriteChunk(ctx, tx, shelf, c)
		return err
	})
	return counts, err
}

func (h home) takeBack(ctx context.Context, shelf Shelf, c Chunk) error {
	return h.db.Tx(ctx, shelf.Organisation, func(tx pgx.Tx) error { return h.UndoChunk(ctx, tx, shelf, c) })
}

func testChunks(t *testing.T, h home) {
	shelf, ctx := newShelf(t), t.Context()
	step := func(name string, change func(*Chunk), want Counts, texts ...string) uuid.UUID {
		t.Helper()
		imported := uuid.New()
		h.plan(t, shelf, imported, len(texts))
		for range 2 { // the second time the ledger answers
			c := chunkOf(t, shelf, imported, 1, texts...)
			if change != nil {
				change(&c)
			}
			got, err := h.write(ctx, shelf, c)
			if err != nil || got != want {
				t.Errorf("%s: got %+v, %v; want %+v", name, got, err, want)
			}
		}
		if got, done, err := h.ChunkCounts(ctx, shelf.Organisation, imported, 1); err != nil || !done || got != want {
			t.Errorf("%s: the ledger has %+v, %v, %v", name, got, done, err)
		}
		if got, chunks, err := h.ImportCounts(ctx, shelf.Organisation, imported); err != nil || chunks != 1 || got != want {
			t.Errorf("%s: the sum is %+v of %d, %v", name, got, chunks, err)
		}
		return imported
	}
	fresh := func(c *Chunk) { c.Fresh = true }
	insertOnly := func(c *Chunk) { c.Mode = Insert }
	step("fresh", fresh, Counts{Read: 3, Inserted: 2, Rejected: 1}, `{"id":1,"text":"a"}`, `!`, `{"id":2,"number":1}`)
	step("all new", nil, Counts{Read: 1, Inserted: 1}, `{"id":3}`)
	step("mixed", nil, Counts{Read: 4, Inserted: 1, Updated: 2, Unchanged: 1}, `{"id":1,"text":"b"}`, `{"id":2,"number":1}`, `{"id":3,"flag":false}`, `{"id":4}`)
	step("not so fresh", fresh, Counts{Read: 2, Inserted: 1, Unchanged: 1}, `{"id":4}`, `{"id":5}`)
	step("only rejects", nil, Counts{Read: 1, Rejected: 1}, `!`)
	step("insert only, fresh", func(c *Chunk) { c.Mode, c.Fresh = Insert, true }, Counts{Read: 1, Inserted: 1}, `{"id":6}`)
	imported := step("insert only", insertOnly, Counts{Read: 4, Inserted: 1, Rejected: 3}, `{"id":1,"text":"c"}`, `!`, `{"id":7}`, `{"id":6}`)

	step("delete", func(c *Chunk) { c.Mode = Delete }, Counts{Read: 3, Deleted: 1, Unchanged: 1, Rejected: 1}, `{"id":7}`, `{"id":99}`, `!`)
	step("delete among none", func(c *Chunk) { c.Mode = Delete }, Counts{Read: 1, Unchanged: 1}, `{"id":99}`)

	rejects, err := h.Rejects(ctx, shelf.Organisation, imported, 0, 100, false)
	want := []Reject{
		{Number: 100, Line: 100, Faults: []Fault{{Reason: ReasonExists}}, Cells: []byte(`{"line": "100"}`)},
		{Number: 101, Line: 101, Faults: []Fault{{"id", "x,\"y\"", "is not a whole number"}, {"flag", "?", "is not true or false"}}, Cells: []byte(`{"id": "x,\"y\""}`)},
		{Number: 103, Line: 103, Faults: []Fault{{Reason: ReasonExists}}, Cells: []byte(`{"line": "103"}`)},
	}
	if diff := cmp.Diff(want, rejects); diff != "" || err != nil {
		t.Errorf("rejects: %s, %v", diff, err)
	}
	if page, err := h.Rejects(ctx, shelf.Organisation, imported, 100, 1, true); err != nil || len(page) != 1 || page[0].Line != 101 {
		t.Errorf("a page of rejects: %v, %v", page, err)
	}
	if theirs, err := h.Rejects(ctx, uuid.New(), imported, 0, 100, false); err != nil || len(theirs) != 0 {
		t.Errorf("another organisation reads rejects: %v, %v", theirs, err)
	}
	if n := h.total(t, shelf); n != 6 {
		t.Errorf("%d documents, want 6", n)
	}
	if got, err := h.Get(ctx, shelf, document(t, shelf, `{"id":1}`).ID); err != nil || got.Revision != 2 || !same(got.Data, []byte(`{"id":1,"text":"b"}`)) {
		t.Errorf("an updated document: %d %s, %v", got.Revision, got.Data, err)
	}
	if err := h.ForgetImport(ctx, shelf.Organisation, imported); err != nil {
		t.Fatal(err)
	}
	if left, err := h.Rejects(ctx, shelf.Organisation, imported, 0, 100, false); err != nil || len(left) != 0 {
		t.Errorf("forgotten, but %v, %v", left, err)
	}
}

// Whatever write a chunk is interrupted after, repeating it ends in the same counts, documents and rejects as if nothing
// had happened.
func testInterruptions(t *testing.T, h home) {
	texts := []string{`{"id":1,"text":"changed"}`, `{"id":2,"text":"same"}`, `{"id":3,"text":"new"}`, `!`, `{"id":4}`}
	for mode, writes := range map[Mode]int{Upsert: 3, Insert: 3, Delete: 3} {
		var reference string
		for n := 0; ; n++ {
			shelf, imported := newShelf(t), uuid.New()
			fill(t, h, shelf, `{"id":1,"text":"old"}`, `{"id":2,"text":"same"}`)
			h.plan(t, shelf, imported, len(texts))
			write := func(ctx context.Context) error {
				c := chunkOf(t, shelf, imported, 1, texts...)
				c.Mode = mode
				_, err := h.write(ctx, shelf, c)
				return err
			}
			reached := n == 0 || h.interrupted(t, n, write)
			if err := write(t.Context()); err != nil {
				t.Fatal(err)
			}
			got := h.state(t, shelf, imported)
			if n == 0 {
				reference = got
			}
			if got != reference {
				t.Errorf("mode %v, interrupted after write %d:\n got %s\nwant %s", mode, n, got, reference)
			}
			if !reached {
				if n < writes {
					t.Errorf("mode %v: only %d writes were interrupted", mode, n-1)
				}
				break
			}
		}
	}
}

// What a chunk wrote is taken back, wherever it or the undo itself was interrupted: all documents are as they were, but for
// those that somebody else has changed since.
func testUndo(t *testing.T, h home) {
	texts := []string{`{"id":1,"text":"changed"}`, `{"id":2,"text":"same"}`, `{"id":3,"text":"new"}`, `!`, `{"id":4}`, `{"id":5,"text":"changed"}`, `{"id":6}`}
	for _, mode := range []Mode{Upsert, Insert, Delete} {
		for n := 0; ; n++ {
			shelf, imported := newShelf(t), uuid.New()
			fill(t, h, shelf, `{"id":1,"text":"old"}`, `{"id":2,"text":"same"}`, `{"id":5,"text":"old"}`, `{"id":9}`)
			before := h.data(t, shelf)
			h.plan(t, shelf, imported, len(texts))
			chunk := func() Chunk {
				c := chunkOf(t, shelf, imported, 1, texts...)
				c.Mode = mode
				return c
			}
			write := func(ctx context.Context) error { _, err := h.write(ctx, shelf, chunk()); return err }
			undo := func(ctx context.Context) error { return h.takeBack(ctx, shelf, chunk()) }
			reached := false
			if n%2 == 1 { // an interrupted chunk is taken back, too
				reached = h.interrupted(t, n/2+1, write)
			} else if err := write(t.Context()); err != nil {
				t.Fatal(err)
			}
			if n%2 == 0 && n > 0 && h.mongo {
				reached = h.interrupted(t, n/2, undo)
			}
			for range 2 {
				if err := undo(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			if got := h.data(t, shelf); got != before {
				t.Errorf("mode %v, %d:\n got %s\nwant %s", mode, n, got, before)
			}
			if counts, chunks, err := h.ImportCounts(t.Context(), shelf.Organisation, imported); err != nil || chunks != 0 || counts.Read != 0 {
				t.Errorf("mode %v: the ledger has %+v, %v", mode, counts, err)
			}
			if left, err := h.ForgetUndo(t.Context(), shelf.Organisation, imported, 100); err != nil || left != 0 {
				t.Errorf("mode %v: %d old documents are left, %v", mode, left, err)
			}
			if n > 0 && !reached {
				break
			}
		}
	}
	// Somebody edits what the import made and what it changed, and makes anew what it deleted.
	shelf, imported := newShelf(t), uuid.New()
	fill(t, h, shelf, `{"id":1,"text":"old"}`, `{"id":2,"text":"old"}`)
	h.plan(t, shelf, imported, 3, 1)
	if _, err := h.write(t.Context(), shelf, chunkOf(t, shelf, imported, 1, `{"id":1,"text":"changed"}`, `{"id":3}`, `{"id":4}`)); err != nil {
		t.Fatal(err)
	}
	gone := chunkOf(t, shelf, imported, 2, `{"id":2}`)
	gone.Mode = Delete
	if _, err := h.write(t.Context(), shelf, gone); err != nil {
		t.Fatal(err)
	}
	for id, revision := range map[int]int32{1: 2, 3: 1} {
		d := document(t, shelf, fmt.Sprintf(`{"id":%d,"text":"edited"}`, id))
		d.Revision = revision
		if err := h.in(t, shelf, func(tx pgx.Tx) error { return h.Replace(t.Context(), tx, shelf, d) }); err != nil {
			t.Fatal(err)
		}
	}
	fill(t, h, shelf, `{"id":2,"text":"edited"}`)
	again := chunkOf(t, shelf, imported, 2, `{"id":2}`)
	again.Mode = Delete
	for _, c := range []Chunk{chunkOf(t, shelf, imported, 1, `{"id":1,"text":"changed"}`, `{"id":3}`, `{"id":4}`), again} {
		if err := h.takeBack(t.Context(), shelf, c); err != nil {
			t.Fatal(err)
		}
	}
	list, err := h.List(t.Context(), shelf, Query{OrderBy: "id", Limit: 10})
	if err != nil || numbers(t, list) != "123" {
		t.Errorf("left are %s, %v", numbers(t, list), err)
	}
	for _, d := range list {
		if !strings.Contains(string(d.Data), "edited") {
			t.Errorf("an edit is lost: %s", d.Data)
		}
	}
}

// Rows that are read again are marked where they were rejected, and unmarked when they are taken back.
func testReplays(t *testing.T, h home) {
	shelf, ctx := newShelf(t), t.Context()
	first, second := uuid.New(), uuid.New()
	h.plan(t, shelf, first, 3)
	h.plan(t, shelf, second, 2)
	if _, err := h.write(ctx, shelf, chunkOf(t, shelf, first, 1, `!`, `!`, `!`)); err != nil {
		t.Fatal(err)
	}
	reject, err := h.Reject(ctx, shelf.Organisation, first, 101)
	if err != nil {
		t.Fatal(err)
	}
	reject.Cells = []byte(`{"id": "7"}`)
	correct := func() error {
		return h.in(t, shelf, func(tx pgx.Tx) error { return h.CorrectReject(ctx, tx, shelf.Organisation, first, reject) })
	}
	if err := correct(); err != nil {
		t.Fatal(err)
	}
	if got, err := h.Reject(ctx, shelf.Organisation, first, 101); err != nil || !got.Corrected || got.Replayed || !same(got.Cells, reject.Cells) {
		t.Errorf("corrected: %+v, %v", got, err)
	}
	for _, organisation := range []uuid.UUID{uuid.New(), shelf.Organisation} {
		if _, err := h.Reject(ctx, organisation, second, 101); !errors.Is(err, ErrNotFound) {
			t.Errorf("another's reject: %v", err)
		}
	}
	replay := func() Chunk {
		c := chunkOf(t, shelf, second, 1, `!`, `{"id":7}`)
		c.ReplayOf = first
		return c
	}
	if _, err := h.write(ctx, shelf, replay()); err != nil {
		t.Fatal(err)
	}
	if open, err := h.Rejects(ctx, shelf.Organisation, first, 0, 10, true); err != nil || len(open) != 2 || open[0].Number != 100 {
		t.Errorf("open are %v, %v", open, err)
	}
	if err := correct(); !errors.Is(err, ErrChanged) {
		t.Errorf("correcting what was replayed: %v", err)
	}
	if err := h.takeBack(ctx, shelf, replay()); err != nil {
		t.Fatal(err)
	}
	if open, err := h.Rejects(ctx, shelf.Organisation, first, 0, 10, true); err != nil || len(open) != 3 {
		t.Errorf("taken back, open are %v, %v", open, err)
	}
}

// data are all documents without their revisions.
func (h home) data(t *testing.T, shelf Shelf) (text string) {
	t.Helper()
	list, err := h.List(t.Context(), shelf, Query{OrderBy: "id", Limit: 1000})
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range list {
		text += fmt.Sprintf("%s %s %s ", d.Data, d.CreateTime, d.UpdateTime)
	}
	return text
}

// state is everything an import leaves, as text.
func (h home) state(t *testing.T, shelf Shelf, imported uuid.UUID) string {
	t.Helper()
	counts, chunks, err := h.ImportCounts(t.Context(), shelf.Organisation, imported)
	if err != nil {
		t.Fatal(err)
	}
	rejects, err := h.Rejects(t.Context(), shelf.Organisation, imported, 0, 100, false)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%+v in %d; %v; %s", counts, chunks, rejects, h.contents(t, shelf))
}

// contents are all documents with their revisions.
func (h home) contents(t *testing.T, shelf Shelf) string {
	t.Helper()
	list, err := h.List(t.Context(), shelf, Query{OrderBy: "id", Limit: 1000})
	if err != nil {
		t.Fatal(err)
	}
	var text string
	for _, d := range list {
		text += fmt.Sprintf("%d %s ", d.Revision, d.Data)
	}
	return text
}

func (h home) total(t *testing.T, shelf Shelf) int64 {
	t.Helper()
	n, err := h.Count(t.Context(), shelf, nil)
	if err != nil {
		t.Fatal(err)
	}
	return n
}
