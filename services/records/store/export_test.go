package store

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/microservicehub/mshub/internal/filter"
)

// testRanges: ranges cut behind every n-th document hold each document once, in the order of ids.
func testRanges(t *testing.T, h home) {
	shelf := newShelf(t)
	fill(t, h, shelf, `{"id":1}`, `{"id":2}`, `{"id":3}`, `{"id":4}`, `{"id":5}`)
	other := newShelf(t)
	fill(t, h, other, `{"id":1}`)
	all, err := h.List(t.Context(), shelf, Query{Limit: 10})
	if err != nil || len(all) != 5 {
		t.Fatal(all, err)
	}
	for n, want := range map[int]int{1: 6, 2: 3, 3: 2, 5: 2, 6: 1} { // a border behind the last document leaves an empty range
		var got []uuid.UUID
		ranges, after := 0, uuid.Nil
		for more := true; more; ranges++ {
			border, found, err := h.Behind(t.Context(), shelf, after, n)
			if err != nil {
				t.Fatal(err)
			}
			if more = found; !found {
				border = uuid.Max
			}
			seen := 0
			err = h.Walk(t.Context(), shelf, Range{After: after, Until: border}, func(data []byte) error {
				for _, d := range all {
					if same(d.Data, data) {
						got = append(got, d.ID)
					}
				}
				seen++
				return nil
			})
			if err != nil || seen > n {
				t.Fatal(seen, err)
			}
			after = border
		}
		ids := make([]uuid.UUID, 0, len(all))
		for _, d := range all {
			ids = append(ids, d.ID)
		}
		if diff := cmp.Diff(ids, got); diff != "" || ranges != want {
			t.Errorf("cut behind every %d: %d ranges\n%s", n, ranges, diff)
		}
	}
	expr, err := filter.Parse("id>=4")
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	if err := h.Walk(t.Context(), shelf, Range{Until: uuid.Max, Filter: expr}, func([]byte) error { seen++; return nil }); err != nil || seen != 2 {
		t.Errorf("%d documents, %v", seen, err)
	}
	stop := errors.New("enough")
	if err := h.Walk(t.Context(), shelf, Range{Until: uuid.Max}, func([]byte) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("the caller's error: %v", err)
	}
}
