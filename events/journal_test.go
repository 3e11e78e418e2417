package events_test

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"connectrpc.com/connect"
	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"
	"pgregory.net/rapid"

	"github.com/microservicehub/mshub/events"
	"github.com/microservicehub/mshub/events/v1"
	"github.com/microservicehub/mshub/internal/postgres"
	"github.com/microservicehub/mshub/internal/testenv"
)

// journal is a run's journal in a database of the test's own.
type journal struct {
	t                 testing.TB
	db                *postgres.DB
	organisation, run uuid.UUID
}

func newJournal(t testing.TB, db *postgres.DB) *journal {
	t.Helper()
	j := &journal{t: t, db: db, organisation: uuid.New(), run: uuid.New()}
	j.append(events.Entry{ID: "run.started", Event: &eventsv1.Event{Kind: events.RunStarted}})
	return j
}

func (j *journal) try(e events.Entry) (seq int64, fresh bool, err error) {
	e.Organisation, e.Run = j.organisation, j.run
	err = j.db.Tx(j.t.Context(), j.organisation, func(tx pgx.Tx) (err error) {
		seq, fresh, err = events.Append(j.t.Context(), tx, e)
		return err
	})
	return seq, fresh, err
}

func (j *journal) append(e events.Entry) (seq int64, fresh bool) {
	j.t.Helper()
	seq, fresh, err := j.try(e)
	if err != nil {
		j.t.Fatal(err)
	}
	return seq, fresh
}

// step appends an event of a step, its id made of its parts.
func (j *journal) step(kind, step string, item, attempt int32, progress *eventsv1.Progress) (seq int64, fresh bool) {
	j.t.Helper()
	return j.append(events.Entry{
		ID:         events.EventID(step, item, attempt, kind),
		Event:      &eventsv1.Event{Kind: kind, Step: step, Item: item, Attempt: attempt},
		Progress:   progress,
		ProgressID: fmt.Sprintf("%s/%d/call", step, item),
	})
}

func (j *journal) head() events.RunHead {
	j.t.Helper()
	var head events.RunHead
	err := j.db.Tx(j.t.Context(), j.organisation, func(tx pgx.Tx) (err error) {
		head, err = events.Head(j.t.Context(), tx, j.run)
		return err
	})
	if err != nil {
		j.t.Fatal(err)
	}
	return head
}

func (j *journal) read(organisation uuid.UUID, after int64, limit int) (list []*eventsv1.Event, top int64) {
	j.t.Helper()
	err := j.db.Tx(j.t.Context(), organisation, func(tx pgx.Tx) (err error) {
		list, top, err = events.Read(j.t.Context(), tx, j.run, after, limit)
		return err
	})
	if err != nil {
		j.t.Fatal(err)
	}
	return list, top
}

func TestAppendFillsInWhatTheJournalKnows(t *testing.T) {
	t.Parallel()
	j := newJournal(t, testenv.Postgres(t, events.Schema()))
	j.append(events.Entry{
		ID:       "a",
		Event:    &eventsv1.Event{Kind: events.StepStarted, Step: "load", Attempt: 1, Message: "hello", Seq: 99, State: "nonsense"},
		Progress: &eventsv1.Progress{Total: 10, Unit: "rows"},
	})
	list, top := j.read(j.organisation, 1, 10)
	want := []*eventsv1.Event{{
		Run: events.RunName(j.run), Seq: 2, Kind: events.StepStarted, Step: "load", Attempt: 1, Message: "hello",
		State: "RUNNING", Progress: &eventsv1.Progress{Total: 10, Unit: "rows"},
	}}
	if diff := cmp.Diff(want, list, protocmp.Transform(), protocmp.IgnoreMessages(&timestamppb.Timestamp{})); diff != "" || top != 2 {
		t.Errorf("top %d, events (-want +got):\n%s", top, diff)
	}
	if list[0].GetTime() == nil {
		t.Error("the event has no time")
	}
}

func TestAppendRefuses(t *testing.T) {
	t.Parallel()
	j := newJournal(t, testenv.Postgres(t, events.Schema()))
	stranger := &journal{t: t, db: j.db, organisation: uuid.New(), run: j.run}
	for name, c := range map[string]struct {
		journal *journal
		entry   events.Entry
		want    connect.Code
	}{
		"an unknown kind":            {j, events.Entry{ID: "a", Event: &eventsv1.Event{Kind: "run.vanished"}}, connect.CodeInvalidArgument},
		"no id":                      {j, events.Entry{Event: &eventsv1.Event{Kind: events.RunRunning}}, connect.CodeInvalidArgument},
		"another organisation":       {stranger, events.Entry{ID: "a", Event: &eventsv1.Event{Kind: events.RunRunning}}, connect.CodeNotFound},
		"another organisation's run": {stranger, events.Entry{ID: "a", Event: &eventsv1.Event{Kind: events.RunStarted}}, connect.CodeNotFound},
		"a run that never started":   {&journal{t: t, db: j.db, organisation: j.organisation, run: uuid.New()}, events.Entry{ID: "a", Event: &eventsv1.Event{Kind: events.RunRunning}}, connect.CodeNotFound},
	} {
		if _, _, err := c.journal.try(c.entry); connect.CodeOf(err) != c.want {
			t.Errorf("%s: got %v, want %v", name, err, c.want)
		}
	}
	if list, top := j.read(stranger.organisation, 0, 10); len(list) != 0 || top != 0 {
		t.Errorf("another organisation reads %d events up to %d", len(list), top)
	}
}

func TestAppendAgainChangesNothing(t *testing.T) {
	t.Parallel()
	j := newJournal(t, testenv.Postgres(t, events.Schema()))
	done := &eventsv1.Progress{Done: 5}
	first, fresh := j.step(events.StepSucceeded, "load", 0, 1, done)
	j.step(events.StepStarted, "save", 0, 1, nil)
	again, freshAgain := j.step(events.StepSucceeded, "load", 0, 1, done)
	if first != again || !fresh || freshAgain {
		t.Errorf("first %d %v, again %d %v", first, fresh, again, freshAgain)
	}
	if head := j.head(); head.Seq != 3 || head.Progress.GetDone() != 5 {
		t.Errorf("head %+v", head)
	}
}

// A worker that dies between the journal and its answer to Temporal makes the activity succeed twice.
func TestProgressCountsOncePerCall(t *testing.T) {
	t.Parallel()
	j := newJournal(t, testenv.Postgres(t, events.Schema()))
	j.step(events.StepSucceeded, "load", 1, 1, &eventsv1.Progress{Done: 5, Total: 20, Unit: "rows"})
	if _, fresh := j.step(events.StepSucceeded, "load", 1, 2, &eventsv1.Progress{Done: 5}); !fresh {
		t.Error("the second attempt's success is missing: its step would look as if it were still running")
	}
	j.step(events.StepSucceeded, "load", 2, 1, &eventsv1.Progress{Done: 7})
	want := &eventsv1.Progress{Done: 12, Total: 20, Unit: "rows"}
	if diff := cmp.Diff(want, j.head().Progress, protocmp.Transform()); diff != "" {
		t.Error(diff)
	}
}

func TestTicksAreReplacedAndTakenAway(t *testing.T) {
	t.Parallel()
	j := newJournal(t, testenv.Postgres(t, events.Schema()))
	tick := func(n int32, item int32, done int64) bool {
		_, fresh := j.append(events.Entry{
			ID:       events.EventID("load", item, n, events.StepProgress),
			Event:    &eventsv1.Event{Kind: events.StepProgress, Step: "load", Item: item, Attempt: 1},
			Progress: &eventsv1.Progress{Done: done}, ProgressID: fmt.Sprintf("load/%d/call", item),
		})
		return fresh
	}
	expect := func(what string, done int64) {
		t.Helper()
		if got := j.head().Progress.GetDone(); got != done {
			t.Errorf("%s: done %d, want %d", what, got, done)
		}
	}
	if !tick(1, 1, 3) {
		t.Error("the first tick is no event")
	}
	if tick(2, 1, 4) {
		t.Error("a tick within a tenth of a second is an event")
	}
	tick(1, 2, 10)
	expect("two activities under way", 14)
	j.step(events.StepSucceeded, "load", 1, 1, &eventsv1.Progress{Done: 8})
	expect("one finished", 18)
	tick(3, 1, 5)
	expect("a tick after the end", 18)
	j.step(events.StepStarted, "load", 2, 2, nil)
	expect("the other starts over", 8)
}

func TestStates(t *testing.T) {
	t.Parallel()
	db := testenv.Postgres(t, events.Schema())
	for _, c := range []struct {
		kinds []string
		want  string
	}{
		{nil, "STARTING"},
		{[]string{events.StepStarted}, "RUNNING"},
		{[]string{events.StepStarted, events.StepWaiting}, "WAITING"},
		{[]string{events.StepWaiting, events.StepSucceeded}, "RUNNING"},
		{[]string{events.RunPaused, events.StepSucceeded}, "PAUSED"},
		{[]string{events.RunPaused, events.RunResumed}, "RUNNING"},
		{[]string{events.RunCompensating, events.StepStarted}, "COMPENSATING"},
		{[]string{events.RunCompensating, events.StepCompensated, events.RunCancelled}, "CANCELLED"},
		{[]string{events.RunCompleted, events.StepStarted, events.RunFailed}, "COMPLETED"},
		{[]string{events.RunLost, events.StepStarted}, "LOST"},
		{[]string{events.RunLost, events.RunCompleted}, "COMPLETED"},
	} {
		j := newJournal(t, db)
		for i, kind := range c.kinds {
			j.append(events.Entry{ID: fmt.Sprint(i), Event: &eventsv1.Event{Kind: kind, Step: "a"}})
		}
		if got := j.head().State; got != c.want {
			t.Errorf("after %v the state is %s, want %s", c.kinds, got, c.want)
		}
	}
	j := newJournal(t, db)
	j.append(events.Entry{ID: "q", Event: &eventsv1.Event{Kind: events.RunWaiting}, State: "QUEUED"})
	if got := j.head().State; got != "QUEUED" {
		t.Errorf("the entry's own state is lost: %s", got)
	}
}

// Whatever several writers do at once, with repetitions, roll-backs and strangers in between, the journal is 1..n.
func TestJournalHasNoGaps(t *testing.T) {
	t.Parallel()
	db := testenv.Postgres(t, events.Schema())
	rapid.Check(t, func(rt *rapid.T) {
		j := newJournal(t, db)
		writers := rapid.IntRange(2, 4).Draw(rt, "writers")
		plans := make([][]int, writers)
		distinct := map[int]bool{}
		for w := range plans {
			plans[w] = rapid.SliceOfN(rapid.IntRange(-3, 12), 1, 10).Draw(rt, "ids") // negative: rolled back
			for _, id := range plans[w] {
				if id >= 0 {
					distinct[id] = true
				}
			}
		}
		var group sync.WaitGroup
		for _, plan := range plans {
			group.Go(func() {
				for _, id := range plan {
					rollback := errors.New("rolled back")
					err := db.Tx(t.Context(), j.organisation, func(tx pgx.Tx) error {
						_, _, err := events.Append(t.Context(), tx, events.Entry{
							Organisation: j.organisation, Run: j.run, ID: fmt.Sprint("e", id),
							Event: &eventsv1.Event{Kind: events.StepStarted, Step: "s"}, Progress: &eventsv1.Progress{Done: 1},
						})
						if err == nil && id < 0 {
							return rollback
						}
						return err
					})
					if err != nil && !errors.Is(err, rollback) {
						t.Error(err)
					}
				}
			})
		}
		group.Wait()
		list, top := j.read(j.organisation, 0, 1000)
		for i, event := range list {
			if event.GetSeq() != int64(i+1) {
				rt.Fatalf("place %d holds seq %d", i+1, event.GetSeq())
			}
		}
		if len(list) != len(distinct)+1 || top != int64(len(list)) {
			rt.Fatalf("%d events up to %d of %d written", len(list), top, len(distinct)+1)
		}
		if done := list[len(list)-1].GetProgress().GetDone(); done != int64(len(distinct)) {
			rt.Fatalf("progress %d of %d", done, len(distinct))
		}
	})
}

func TestReadPages(t *testing.T) {
	t.Parallel()
	j := newJournal(t, testenv.Postgres(t, events.Schema()))
	for i := range 9 {
		j.append(events.Entry{ID: fmt.Sprint(i), Event: &eventsv1.Event{Kind: events.StepStarted, Step: "s"}})
	}
	for _, c := range []struct {
		after, count int64
		limit        int
	}{{0, 4, 4}, {4, 4, 4}, {8, 2, 4}, {10, 0, 4}, {999, 0, 4}, {0, 10, 10}} {
		list, top := j.read(j.organisation, c.after, c.limit)
		if int64(len(list)) != c.count || top != 10 {
			t.Errorf("after %d: %d events, top %d", c.after, len(list), top)
		}
	}
}

func TestKindsAreSortedAndComplete(t *testing.T) {
	t.Parallel()
	kinds := events.Kinds()
	if !slices.IsSorted(kinds) || len(kinds) != 25 || !slices.Contains(kinds, events.RunLost) {
		t.Error(kinds)
	}
}

func TestParkedRunsWaitForTheirOperator(t *testing.T) {
	t.Parallel()
	j := newJournal(t, testenv.Postgres(t, events.Schema()))
	j.append(events.Entry{ID: "a", Event: &eventsv1.Event{Kind: events.StepStarted, Step: "load", Build: "abc"}})
	j.append(events.Entry{ID: "b", Event: &eventsv1.Event{Kind: events.RunParked, Step: "load"}})
	j.append(events.Entry{ID: "c", Event: &eventsv1.Event{Kind: events.StepSucceeded, Step: "other", Build: "abd"}})
	if head := j.head(); !head.Parked || head.State != "WAITING" || head.Build != "abd" {
		t.Errorf("parked: %+v", head)
	}
	for i, kind := range []string{events.RunUnparked, events.RunReset, events.RunCompensating, events.RunFailed} {
		j.append(events.Entry{ID: fmt.Sprint("parked", i), Event: &eventsv1.Event{Kind: events.RunParked}})
		j.append(events.Entry{ID: fmt.Sprint("ended", i), Event: &eventsv1.Event{Kind: kind}})
		if j.head().Parked {
			t.Errorf("still parked after %s", kind)
		}
	}
}

// What steps have counted is taken back once when they are to be done again, and counted anew then.
func TestResetTakesBackProgress(t *testing.T) {
	t.Parallel()
	j := newJournal(t, testenv.Postgres(t, events.Schema()))
	load := func(execution string) {
		for item := range int32(3) {
			j.append(events.Entry{
				ID: fmt.Sprint(execution, item), Event: &eventsv1.Event{Kind: events.StepSucceeded, Step: "load", Item: item + 1},
				Progress: &eventsv1.Progress{Done: 10, Total: 30, Unit: "rows"},
			})
		}
	}
	j.append(events.Entry{
		ID: "before", Event: &eventsv1.Event{Kind: events.StepSucceeded, Step: "read"}, Progress: &eventsv1.Progress{Done: 2, Total: 30},
	})
	load("first")
	for i, done := range []int64{2, 2} {
		reset := &eventsv1.Event{Kind: events.RunReset, Step: "load", Data: &structpb.Struct{Fields: map[string]*structpb.Value{
			"steps": structpb.NewListValue(&structpb.ListValue{Values: []*structpb.Value{structpb.NewStringValue("load")}}),
		}}}
		j.append(events.Entry{ID: fmt.Sprint("reset", i), Event: reset})
		if p := j.head().Progress; p.GetDone() != done {
			t.Errorf("after reset %d: %v", i, p)
		}
		load(fmt.Sprint("again", i))
		if p := j.head().Progress; p.GetDone() != 32 || p.GetTotal() != 30 {
			t.Errorf("done again: %v", p)
		}
	}
}
