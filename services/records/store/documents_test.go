package store

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/microservicehub/mshub/internal/filter"
	"github.com/microservicehub/mshub/internal/postgres"
	"github.com/microservicehub/mshub/internal/testenv"
	"github.com/microservicehub/mshub/services/records/schema"
)

func TestMain(m *testing.M) { os.Exit(testenv.Main(m)) }

// home is a store under test; homes_test.go makes one of each kind.
type home struct {
	Documents
	db    *postgres.DB
	mongo bool
	// interrupted runs f on a store that fails right after its nth write; false if f made fewer writes.
	interrupted func(t *testing.T, n int, f func(ctx context.Context) error) bool
	// meanwhile does something when the server has answered the nth write command, before the store hears of it; MongoDB alone.
	meanwhile func(n int, do func())
	// plan makes what the ledger needs to know of an import.
	plan func(t *testing.T, shelf Shelf, imported uuid.UUID, rows ...int)
}

// suite is what every store must do.
var suite = map[string]func(t *testing.T, h home){
	"Changes": testChanges, "Filters": testFilters, "Order": testOrder, "Tenants": testTenants,
	"Chunks": testChunks, "Interruptions": testInterruptions, "Deletion": testDeletion, "Ranges": testRanges,
	"Undo": testUndo, "Replays": testReplays,
}

func newShelf(t *testing.T) Shelf {
	t.Helper()
	def, err := structpb.NewStruct(map[string]any{"type": "object", "properties": map[string]any{
		"id":     map[string]any{"type": "integer"},
		"text":   map[string]any{"type": "string"},
		"number": map[string]any{"type": "number"},
		"flag":   map[string]any{"type": "boolean"},
		"day":    map[string]any{"type": "string", "format": "date"},
		"at":     map[string]any{"type": "string", "format": "date-time"},
		"a.$b c": map[string]any{"type": "string"},
	}})
	if err != nil {
		t.Fatal(err)
	}
	s, err := schema.Parse(def, []string{"id"})
	if err != nil {
		t.Fatal(err)
	}
	return Shelf{Organisation: uuid.New(), Dataset: uuid.New(), Schema: s}
}

// document makes one from JSON; its id is derived from the key.
func document(t *testing.T, shelf Shelf, text string) Document {
	t.Helper()
	in := &structpb.Struct{}
	if err := in.UnmarshalJSON([]byte(text)); err != nil {
		t.Fatal(err)
	}
	values, err := shelf.Schema.Values(in, "data")
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now().Truncate(time.Microsecond)
	return Document{ID: shelf.Schema.KeyID(values), Revision: 1, Data: shelf.Schema.Document(values), CreateTime: now, UpdateTime: now}
}

// fill inserts documents.
func fill(t *testing.T, h home, shelf Shelf, texts ...string) []Document {
	t.Helper()
	var documents []Document
	for _, text := range texts {
		d := document(t, shelf, text)
		if err := h.in(t, shelf, func(tx pgx.Tx) error { return h.Insert(t.Context(), tx, shelf, d) }); err != nil {
			t.Fatal(err)
		}
		documents = append(documents, d)
	}
	return documents
}

func (h home) in(t *testing.T, shelf Shelf, f func(tx pgx.Tx) error) error {
	t.Helper()
	return h.db.Tx(t.Context(), shelf.Organisation, f)
}

// same compares JSON, because a store may add white space.
func same(a, b []byte) bool {
	var x, y any
	return json.Unmarshal(a, &x) == nil && json.Unmarshal(b, &y) == nil && cmp.Equal(x, y)
}

func testChanges(t *testing.T, h home) {
	shelf, ctx := newShelf(t), t.Context()
	if empty, err := h.Empty(ctx, shelf); err != nil || !empty {
		t.Fatalf("a new shelf: empty %v, %v", empty, err)
	}
	text := `{"id":1,"text":"\"\\\n\u0001ä😀","number":-1.5e-7,"flag":true,"day":"2013-01-31","at":"2013-01-31T10:00:00.123456Z","a.$b c":"%"}`
	d := fill(t, h, shelf, text)[0]
	if err := h.in(t, shelf, func(tx pgx.Tx) error { return h.Insert(ctx, tx, shelf, d) }); !errors.Is(err, ErrExists) {
		t.Errorf("inserting twice: %v", err)
	}
	got, err := h.Get(ctx, shelf, d.ID)
	if err != nil || !same(got.Data, d.Data) || got.Revision != 1 || !got.CreateTime.Equal(d.CreateTime) {
		t.Fatalf("got %s %+v, %v; want %s", got.Data, got, err, d.Data)
	}
	changed := document(t, shelf, `{"id":1,"text":"new"}`)
	changed.UpdateTime = d.CreateTime.Add(time.Hour)
	replace := func() error {
		return h.in(t, shelf, func(tx pgx.Tx) error { return h.Replace(ctx, tx, shelf, changed) })
	}
	if err := replace(); err != nil {
		t.Fatal(err)
	}
	if err := replace(); !errors.Is(err, ErrChanged) {
		t.Errorf("replacing an old revision: %v", err)
	}
	if got, err := h.Get(ctx, shelf, d.ID); err != nil || !same(got.Data, changed.Data) || got.Revision != 2 || !got.UpdateTime.Equal(changed.UpdateTime) || !got.CreateTime.Equal(d.CreateTime) {
		t.Errorf("got %s %+v, %v", got.Data, got, err)
	}
	remove := func() error {
		return h.in(t, shelf, func(tx pgx.Tx) error { return h.Delete(ctx, tx, shelf, d.ID) })
	}
	if err := remove(); err != nil {
		t.Fatal(err)
	}
	if err := remove(); !errors.Is(err, ErrNotFound) {
		t.Errorf("deleting twice: %v", err)
	}
	if _, err := h.Get(ctx, shelf, d.ID); !errors.Is(err, ErrNotFound) {
		t.Errorf("getting what is deleted: %v", err)
	}
}

func testFilters(t *testing.T, h home) {
	shelf := newShelf(t)
	fill(t, h, shelf,
		`{"id":1,"text":"Alpha 50%","number":1,"flag":true,"day":"2013-01-01","at":"2013-01-01T10:00:00Z","a.$b c":"x"}`,
		`{"id":2,"text":"beta","number":1.5,"flag":false,"day":"2013-01-02","at":"2013-01-01T10:00:00.5Z"}`,
		`{"id":3,"text":"","number":-2,"at":"2013-01-01T11:00:00+02:00"}`,
		`{"id":4}`,
	)
	for text, want := range map[string]string{
		``: "1234", `id=2`: "2", `id!=2`: "134", `id>=2 AND id<4`: "23", `id=1 OR id=4`: "14", `NOT id=2`: "134",
		`number>1`: "2", `number>=1`: "12", `number<1.5`: "13", `number!=1`: "234", `NOT number>1`: "134", `number=null`: "4", `number!=null`: "123", `number:*`: "123",
		`flag=true`: "1", `flag!=true`: "234", `NOT flag=true`: "234", `flag=false`: "2",
		`text="beta"`: "2", `text:"ALPHA"`: "1", `text:"50%"`: "1", `text:"5_"`: "", `text:"."`: "", `text=""`: "3", `text=null`: "4", `text>"a"`: "2", `text<"b"`: "13",
		`day=2013-01-01`: "1", `day>2013-01-01`: "2",
		`at=2013-01-01T10:00:00Z`: "1", `at>2013-01-01T10:00:00Z`: "2", `at<2013-01-01T10:00:00Z`: "3", `at<=2013-01-01T12:00:00+02:00`: "13", `at=2013-01-01T09:00:00Z`: "3",
		`at>=2013-01-01T10:00:00.5Z`: "2", `at<2013-01-01T10:00:00.4Z`: "13", `at>2012-12-31`: "123",
		`"a.$b c"=x`: "1", `"a.$b c"=null`: "234",
		`id>1 AND (text=null OR number<0)`: "34", `NOT (id=1 OR id=2)`: "34", `-text:*`: "4",
	} {
		e, err := filter.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		list, err := h.List(t.Context(), shelf, Query{Filter: e, OrderBy: "id", Limit: 10})
		if got := numbers(t, list); err != nil || got != want {
			t.Errorf("%s: got %s, %v; want %s", text, got, err, want)
		}
		if n, err := h.Count(t.Context(), shelf, e); err != nil || n != int64(len(want)) {
			t.Errorf("%s: counted %d, %v; want %d", text, n, err, len(want))
		}
	}
}

// numbers joins the ids of documents.
func numbers(t *testing.T, list []Document) string {
	t.Helper()
	var b strings.Builder
	for _, d := range list {
		var data struct{ ID int }
		if err := json.Unmarshal(d.Data, &data); err != nil {
			t.Fatal(err)
		}
		fmt.Fprint(&b, data.ID)
	}
	return b.String()
}

func testOrder(t *testing.T, h home) {
	shelf := newShelf(t)
	fill(t, h, shelf,
		`{"id":1,"text":"b","number":2,"flag":true,"at":"2013-01-01T10:00:00.5Z"}`, `{"id":2,"text":"B","number":10,"flag":false,"at":"2013-01-01T10:00:00Z"}`,
		`{"id":3,"text":"ä","number":-1,"at":"2013-01-01T09:59:59Z"}`, `{"id":4}`, `{"id":5,"text":"b","number":2}`, `{"id":6}`,
	)
	for _, c := range []struct {
		by         string
		descending bool
		want       string // runs of equal values in brackets may come in either order
	}{
		{"id", false, "123456"}, {"id", true, "654321"},
		{"text", false, "[46]2[15]3"}, {"text", true, "3[15]2[46]"},
		{"number", false, "[46]3[15]2"}, {"number", true, "2[15]3[46]"},
		{"flag", false, "[3456]21"}, {"flag", true, "12[3456]"},
		{"at", false, "[456]321"}, {"at", true, "123[456]"},
	} {
		whole, err := h.List(t.Context(), shelf, Query{OrderBy: c.by, Descending: c.descending, Limit: 100})
		got := numbers(t, whole)
		if err != nil || !fitsOrder(got, c.want) {
			t.Errorf("%s %v: got %s, %v; want %s", c.by, c.descending, got, err, c.want)
			continue
		}
		// Pages of every size give the same list.
		for size := 1; size < 6; size++ {
			var paged []Document
			for q := (Query{OrderBy: c.by, Descending: c.descending, Limit: size}); ; {
				page, err := h.List(t.Context(), shelf, q)
				if err != nil {
					t.Fatal(err)
				}
				if len(page) == 0 {
					break
				}
				paged = append(paged, page...)
				last := page[len(page)-1]
				var data map[string]any
				if err := json.Unmarshal(last.Data, &data); err != nil {
					t.Fatal(err)
				}
				q.After = &Position{Value: data[c.by], ID: last.ID}
			}
			if p := numbers(t, paged); p != got {
				t.Errorf("%s %v in pages of %d: %s, whole %s", c.by, c.descending, size, p, got)
			}
		}
	}
	byID, err := h.List(t.Context(), shelf, Query{Limit: 100})
	if err != nil || !slices.IsSortedFunc(byID, func(a, b Document) int { return bytes.Compare(a.ID[:], b.ID[:]) }) {
		t.Errorf("without an order the ids count: %v, %v", byID, err)
	}
	rest, err := h.List(t.Context(), shelf, Query{Limit: 100, After: &Position{ID: byID[2].ID}})
	if err != nil || len(rest) != 3 {
		t.Errorf("after the third of six: %d, %v", len(rest), err)
	}
}

func fitsOrder(got, want string) bool {
	for want != "" {
		group := want[:1]
		want = want[1:]
		if group == "[" {
			group, want, _ = strings.Cut(want, "]")
		}
		if len(got) < len(group) {
			return false
		}
		head := []byte(got[:len(group)])
		slices.Sort(head)
		if string(head) != group {
			return false
		}
		got = got[len(group):]
	}
	return got == ""
}

// Another organisation, and another dataset, see and change nothing: not even with the right ids.
func testTenants(t *testing.T, h home) {
	mine, ctx := newShelf(t), t.Context()
	d := fill(t, h, mine, `{"id":1,"text":"mine"}`)[0]
	foreign := mine
	foreign.Organisation = uuid.New()
	sibling := mine
	sibling.Dataset = uuid.New()
	for name, shelf := range map[string]Shelf{"organisation": foreign, "dataset": sibling} {
		if _, err := h.Get(ctx, shelf, d.ID); !errors.Is(err, ErrNotFound) {
			t.Errorf("%s: Get: %v", name, err)
		}
		if list, err := h.List(ctx, shelf, Query{Limit: 10}); err != nil || len(list) != 0 {
			t.Errorf("%s: List: %v, %v", name, list, err)
		}
		if n, err := h.Count(ctx, shelf, nil); err != nil || n != 0 {
			t.Errorf("%s: Count: %d, %v", name, n, err)
		}
		if empty, err := h.Empty(ctx, shelf); err != nil || !empty {
			t.Errorf("%s: Empty: %v, %v", name, empty, err)
		}
		if err := h.in(t, shelf, func(tx pgx.Tx) error { return h.Replace(ctx, tx, shelf, d) }); !errors.Is(err, ErrChanged) {
			t.Errorf("%s: Replace: %v", name, err)
		}
		if err := h.in(t, shelf, func(tx pgx.Tx) error { return h.Delete(ctx, tx, shelf, d.ID) }); !errors.Is(err, ErrNotFound) {
			t.Errorf("%s: Delete: %v", name, err)
		}
		if n, err := h.DeleteSome(ctx, shelf, 10); err != nil || n != 0 {
			t.Errorf("%s: DeleteSome: %d, %v", name, n, err)
		}
		imported := uuid.New()
		h.plan(t, shelf, imported, 1)
		counts, err := h.write(ctx, shelf, chunkOf(t, shelf, imported, 1, `{"id":1,"text":"theirs"}`))
		if err != nil || counts.Inserted != 1 {
			t.Errorf("%s: WriteChunk: %+v, %v", name, counts, err)
		}
		if counts, chunks, err := h.ImportCounts(ctx, mine.Organisation, imported); name == "organisation" && (err != nil || chunks != 0 || counts.Read != 0) {
			t.Errorf("%s: ImportCounts: %+v, %d, %v", name, counts, chunks, err)
		}
	}
	if got, err := h.Get(ctx, mine, d.ID); err != nil || !same(got.Data, d.Data) {
		t.Errorf("mine: %s, %v", got.Data, err)
	}
}

func testDeletion(t *testing.T, h home) {
	shelf := newShelf(t)
	fill(t, h, shelf, `{"id":1}`, `{"id":2}`, `{"id":3}`)
	for _, want := range []int64{2, 1, 0} {
		if n, err := h.DeleteSome(t.Context(), Shelf{Organisation: shelf.Organisation, Dataset: shelf.Dataset}, 2); err != nil || n != want {
			t.Errorf("deleted %d, %v; want %d", n, err, want)
		}
	}
}
