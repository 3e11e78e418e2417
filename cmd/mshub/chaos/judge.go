package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// invariant is a sentence that must be true when the dust has settled. check names each thing that makes it false, and says
// how many things it looked at.
type invariant struct {
	sentence string
	check    func(ctx context.Context, j *judge) (looked int, faults []string, err error)
}

var invariants = []invariant{
	{"every story went as the API promised", storiesWent},
	{"every accepted run is there once and has ended", runsEnded},
	{"every run ended as its story says", endsFit},
	{"rows in the target = rows of the file - rejects; of cancelled imports none, or what was kept", rowsArrived},
	{"a cancelled import over records left each as it was, or kept what its ledger says", overUndone},
	{"the ledger adds up", ledgerAddsUp},
	{"an export has every record that was imported", exportsWhole},
	{"each committed step was undone exactly once, and no other; again after each reset", undoneOnce},
	{"people are members exactly if their onboarding completed", membersFit},
	{"every task was decided once, and the same decision sent twice had one answer", decidedOnce},
	{"a command took effect once, however often it was sent under its key", obeyedOnce},
	{"a reset run asked anew, and went on by one decision", askedAnew},
	{"a parked step went on once for each command: it was done, or skipped with the reason", parkedOnce},
	{"a bulk command reached each run it named once, and lists those that refused", bulkReached},
	{"every retry made one run", retriedOnce},
	{"every mutation and every command has its audit row", audited},
	{"the audit chain verifies", chainVerifies},
	{"journals have no gap and no double", journalsWhole},
	{"viewers saw every event of a run once, in order", feedsWhole},
	{"every end was told to the webhook, under one id", endsTold},
	{"no process panicked or ended by itself", noSurprise},
}

// judge looks at the house with the eyes of the databases' owner.
type judge struct {
	db *pgx.Conn
	// documents is where records lie; nil: in PostgreSQL.
	documents *mongo.Client
	house     *house
	stage     *stage
}

func newJudge(ctx context.Context, e *engines, h *house, s *stage) (j *judge, err error) {
	j = &judge{house: h, stage: s}
	if j.db, err = pgx.Connect(ctx, e.postgres.URL()); err != nil || e.mongo == nil {
		return j, err
	}
	j.documents, err = mongo.Connect(options.Client().ApplyURI(e.mongo.url()))
	return j, err
}

func (j *judge) close(ctx context.Context) {
	_ = j.db.Close(ctx)
	if j.documents != nil {
		_ = j.documents.Disconnect(ctx)
	}
}

// id is what a row of the run's is found by.
func id(name string) string { return name[strings.LastIndex(name, "/")+1:] }

func (j *judge) stories(kinds ...storyKind) []*story {
	var some []*story
	for _, st := range j.stage.stories {
		for _, k := range kinds {
			if st.kind == k && st.run != "" {
				some = append(some, st)
			}
		}
	}
	return some
}

// lines is what a query says, a fault a row.
func (j *judge) lines(ctx context.Context, query string, args ...any) ([]string, error) {
	rows, err := j.db.Query(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}

func (j *judge) number(ctx context.Context, query string, args ...any) (n int, err error) {
	err = j.db.QueryRow(ctx, query, args...).Scan(&n)
	return n, err
}

var errBroken = errors.New("a promise was broken")

// quiet waits until nothing is under way any more: what stories caused beside their own run, such as webhooks, goes on
// after them. That it never ends is for the invariants to say.
func (j *judge) quiet(ctx context.Context) error {
	for ctx.Err() == nil {
		n, err := j.number(ctx, `SELECT (SELECT count(*) FROM runs.run WHERE ended_at IS NULL) + (SELECT count(*) FROM events.fact WHERE processed_at IS NULL OR fanned_at IS NULL)`)
		if err != nil {
			return err
		}
		if n == 0 {
			return nil
		}
		wait(ctx, pollInterval)
	}
	return nil
}

// verdict tells which promises were kept, and returns the sentences of the others with errBroken.
func (j *judge) verdict(ctx context.Context, out io.Writer) (broken []string, err error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	s := j.stage
	told := map[string]int{}
	for _, st := range s.stories {
		told[string(st.kind)+" -> "+st.state]++
	}
	for _, what := range sorted(told) {
		fmt.Fprintf(out, "  %4d  %s\n", told[what], what)
	}
	for _, what := range sorted(s.odd.count) {
		fmt.Fprintf(out, "  odd answer, %d times: %s\n", s.odd.count[what], what)
	}
	for _, i := range invariants {
		looked, faults, err := i.check(ctx, j)
		switch {
		case err != nil:
			return broken, fmt.Errorf("%s: %w", i.sentence, err)
		case len(faults) == 0:
			fmt.Fprintf(out, "ok    %s (%d)\n", i.sentence, looked)
			continue
		}
		broken = append(broken, i.sentence)
		fmt.Fprintf(out, "FAIL  %s (%d of %d)\n", i.sentence, len(faults), looked)
		for _, f := range faults[:min(len(faults), 10)] {
			fmt.Fprintln(out, "        "+f)
		}
	}
	if len(broken) > 0 {
		return broken, errBroken
	}
	return nil, nil
}

func sorted(counts map[string]int) []string {
	keys := make([]string, 0, len(counts))
	for k := range counts {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
