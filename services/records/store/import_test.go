package store

import (
	"context"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
)

// chunkOf makes a chunk of documents given as JSON, in lines 2, 3, …; every "!" is a reject.
func chunkOf(t *testing.T, shelf Shelf, imported uuid.UUID, number int32, texts ...string) Chunk {
	t.Helper()
	c := Chunk{Import: imported, Number: number}
	for i, text := range texts {
		line := int64(number)*100 + int64(i)
		if text == "!" {
			c.Rejects = append(c.Rejects, Reject{Line: line, Column: "id", Value: "x,\"y\"", Reason: "is not a whole number"})
			continue
		}
		d := document(t, shelf, text)
		from := len(c.Data)
		c.Data = append(c.Data, d.Data...)
		c.Rows = append(c.Rows, Row{ID: d.ID, Line: line, From: int32(from), To: int32(len(c.Data))})
	}
	return c
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
			got, err := h.WriteChunk(ctx, shelf, c)
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
	insertOnly := func(c *Chunk) { c.InsertOnly = true }
	step("fresh", fresh, Counts{Read: 3, Inserted: 2, Rejected: 1}, `{"id":1,"text":"a"}`, `!`, `{"id":2,"number":1}`)
	step("all new", nil, Counts{Read: 1, Inserted: 1}, `{"id":3}`)
	step("mixed", nil, Counts{Read: 4, Inserted: 1, Updated: 2, Unchanged: 1}, `{"id":1,"text":"b"}`, `{"id":2,"number":1}`, `{"id":3,"flag":false}`, `{"id":4}`)
	step("not so fresh", fresh, Counts{Read: 2, Inserted: 1, Unchanged: 1}, `{"id":4}`, `{"id":5}`)
	step("only rejects", nil, Counts{Read: 1, Rejected: 1}, `!`)
	step("insert only, fresh", func(c *Chunk) { c.InsertOnly, c.Fresh = true, true }, Counts{Read: 1, Inserted: 1}, `{"id":6}`)
	imported := step("insert only", insertOnly, Counts{Read: 4, Inserted: 1, Rejected: 3}, `{"id":1,"text":"c"}`, `!`, `{"id":7}`, `{"id":6}`)

	rejects, err := h.Rejects(ctx, shelf.Organisation, imported, 0, 100)
	want := []Reject{{100, "", "", ReasonExists}, {101, "id", "x,\"y\"", "is not a whole number"}, {103, "", "", ReasonExists}}
	if diff := cmp.Diff(want, rejects); diff != "" || err != nil {
		t.Errorf("rejects: %s, %v", diff, err)
	}
	if page, err := h.Rejects(ctx, shelf.Organisation, imported, 100, 1); err != nil || len(page) != 1 || page[0].Line != 101 {
		t.Errorf("a page of rejects: %v, %v", page, err)
	}
	if theirs, err := h.Rejects(ctx, uuid.New(), imported, 0, 100); err != nil || len(theirs) != 0 {
		t.Errorf("another organisation reads rejects: %v, %v", theirs, err)
	}
	if n := h.total(t, shelf); n != 7 {
		t.Errorf("%d documents, want 7", n)
	}
	if got, err := h.Get(ctx, shelf, document(t, shelf, `{"id":1}`).ID); err != nil || got.Revision != 2 || !same(got.Data, []byte(`{"id":1,"text":"b"}`)) {
		t.Errorf("an updated document: %d %s, %v", got.Revision, got.Data, err)
	}
	if err := h.ForgetImport(ctx, shelf.Organisation, imported); err != nil {
		t.Fatal(err)
	}
	if left, err := h.Rejects(ctx, shelf.Organisation, imported, 0, 100); err != nil || len(left) != 0 {
		t.Errorf("forgotten, but %v, %v", left, err)
	}
}

// Whatever write a chunk is interrupted after, repeating it ends in the same counts, documents and rejects as if nothing
// had happened.
func testInterruptions(t *testing.T, h home) {
	texts := []string{`{"id":1,"text":"changed"}`, `{"id":2,"text":"same"}`, `{"id":3,"text":"new"}`, `!`, `{"id":4}`}
	for _, insertOnly := range []bool{false, true} {
		var reference string
		for n := 0; ; n++ {
			shelf, imported := newShelf(t), uuid.New()
			fill(t, h, shelf, `{"id":1,"text":"old"}`, `{"id":2,"text":"same"}`)
			h.plan(t, shelf, imported, len(texts))
			write := func(ctx context.Context) error {
				c := chunkOf(t, shelf, imported, 1, texts...)
				c.InsertOnly = insertOnly
				_, err := h.WriteChunk(ctx, shelf, c)
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
				t.Errorf("insert only %v, interrupted after write %d:\n got %s\nwant %s", insertOnly, n, got, reference)
			}
			if !reached {
				if n < 3 {
					t.Errorf("only %d writes were interrupted", n-1)
				}
				break
			}
		}
	}
}

// state is everything an import leaves, as text.
func (h home) state(t *testing.T, shelf Shelf, imported uuid.UUID) string {
	t.Helper()
	counts, chunks, err := h.ImportCounts(t.Context(), shelf.Organisation, imported)
	if err != nil {
		t.Fatal(err)
	}
	rejects, err := h.Rejects(t.Context(), shelf.Organisation, imported, 0, 100)
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
