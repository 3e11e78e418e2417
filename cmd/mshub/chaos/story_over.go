package main

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
)

// changedName is what an import over records writes.
const changedName = "changed"

// tellOver imports records, and then a second file over them, which is cancelled on the way: it updates the second half of
// them and adds as many, or deletes the second half. Undone, it leaves each record as it was.
func (s *stage) tellOver(ctx context.Context, st *story, random *rand.Rand) error {
	st.rows = 2 * (500 + random.IntN(10_000))
	st.mode = []string{"UPSERT", "DELETE"}[random.IntN(2)]
	first := s.enlist(st.number, importBase, st.key+"-first")
	first.rows, first.mode = st.rows, "UPSERT"
	if err := s.dataset(ctx, first); err != nil {
		return err
	}
	if err := s.load(ctx, first, random, numbered(1, st.rows, "first")); err != nil {
		return err
	}
	if err := s.end(ctx, first); err != nil || first.state != "COMPLETED" {
		return err // endsFit says so
	}
	st.dataset = first.dataset
	if err := s.load(ctx, st, random, numbered(st.rows/2+1, st.rows, changedName)); err != nil {
		return err
	}
	if err := s.cancelImport(ctx, st, random); err != nil {
		return err
	}
	return s.end(ctx, st)
}

// numbered is a CSV file of rows with the ids from a number on.
func numbered(from, rows int, name string) []byte {
	var b bytes.Buffer
	b.WriteString("id,name,amount\n")
	for row := from; row < from+rows; row++ {
		fmt.Fprintf(&b, "%d,%s,%d.5\n", row, name, row%1000)
	}
	return b.Bytes()
}
