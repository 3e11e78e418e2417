package runs

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
)

// A row that fails keeps no other waiting; who is stopped does no more.
func TestEachRow(t *testing.T) {
	t.Parallel()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	broken := errors.New("broken")
	var seen []int
	err := eachRow(ctx, []int{1, 2, 3, 4}, func(row int) error {
		seen = append(seen, row)
		if row < 3 {
			return broken
		}
		return nil
	})
	if !errors.Is(err, broken) || !strings.HasPrefix(err.Error(), "2 of 4 rows") || !slices.Equal(seen, []int{1, 2, 3, 4}) {
		t.Errorf("%v, seen %v", err, seen)
	}
	seen = nil
	err = eachRow(ctx, []int{1, 2}, func(row int) error {
		seen = append(seen, row)
		stop()
		return ctx.Err()
	})
	if !errors.Is(err, context.Canceled) || len(seen) != 1 {
		t.Errorf("stopped: %v, seen %v", err, seen)
	}
}
