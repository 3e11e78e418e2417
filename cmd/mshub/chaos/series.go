package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
)

// mostSeeds is more than a night's worth; a typo shall not take a year.
const mostSeeds = 1000

// seedsOf reads "1-20", "1 2 3" or both mixed.
func seedsOf(text string) ([]uint64, error) {
	var seeds []uint64
	for _, field := range strings.FieldsFunc(text, func(r rune) bool { return r == ' ' || r == ',' }) {
		first, last, ranged := strings.Cut(field, "-")
		if !ranged {
			last = first
		}
		from, err := strconv.ParseUint(first, 10, 64)
		to, wrong := strconv.ParseUint(last, 10, 64)
		if err != nil || wrong != nil || from == 0 || to < from || to-from >= mostSeeds {
			return nil, fmt.Errorf("-seeds: %q is no seed and no range such as 1-20 (at most %d)", field, mostSeeds)
		}
		for seed := from; seed <= to; seed++ {
			seeds = append(seeds, seed)
		}
	}
	if len(seeds) == 0 || len(seeds) > mostSeeds {
		return nil, fmt.Errorf("-seeds: name 1 to %d seeds: 1-20, or \"1 2 3\"", mostSeeds)
	}
	return seeds, nil
}

// series tries one seed after another, each on engines of its own, and ends with a table. The words of a seed go to its own
// log, which stays with the processes' logs if a promise was broken.
func series(ctx context.Context, o settings, seeds []uint64, out io.Writer) error {
	var table strings.Builder
	rows := tabwriter.NewWriter(&table, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(rows, "seed\tfaults\tstories\tseconds\t\t")
	red, tried := 0, 0
	for _, seed := range seeds {
		if ctx.Err() != nil {
			break
		}
		o.seed = seed
		end, err := run(ctx, o, nil)
		tried++
		verdict := "ok"
		if err != nil {
			red++
			trouble, _, _ := strings.Cut(err.Error(), "\n") // the rest is in the log
			verdict = "FAIL  " + cmp.Or(strings.Join(end.broken, "; "), trouble) + "; see " + end.dir
		}
		fmt.Fprintf(out, "seed %d: %s\n", seed, verdict)
		fmt.Fprintf(rows, "%d\t%d\t%d\t%.0f\t  %s\n", seed, end.faults, end.stories, end.took.Seconds(), verdict)
	}
	if err := rows.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(out, "\n%s\n%d of %d seeds on %s, %g minutes each: every promise kept\n", table.String(), tried-red, len(seeds), o.store, o.minutes)
	switch {
	case red > 0:
		return errBroken
	case tried < len(seeds):
		return errors.New("interrupted")
	}
	return nil
}
