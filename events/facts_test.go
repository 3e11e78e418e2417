package events_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/microservicehub/mshub/events"
	"github.com/microservicehub/mshub/events/v1"
	"github.com/microservicehub/mshub/internal/testenv"
)

func TestFacts(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	db := testenv.Postgres(t, events.Schema())
	organisation, run := uuid.New(), uuid.New()
	in(t, db.Tx(ctx, organisation, func(tx pgx.Tx) error {
		if err := events.PublishFact(ctx, tx, "identity.user.signed_up", map[string]any{"user": "users/1"}, uuid.Nil); err != nil {
			return err
		}
		return events.PublishFact(ctx, tx, "records.imported", &eventsv1.Progress{Done: 3}, run)
	}))

	// The first claimer's transaction is open: the second passes by what it holds.
	in(t, db.System(ctx, func(tx pgx.Tx) error {
		first := claim(t, ctx, tx, 1)
		if len(first) != 1 || first[0].Kind != "identity.user.signed_up" || first[0].Organisation != organisation ||
			first[0].Attempt != 1 || string(first[0].Payload) != `{"user": "users/1"}` {
			t.Errorf("claimed %+v", first)
		}
		return db.System(ctx, func(other pgx.Tx) error {
			second := claim(t, ctx, other, 10)
			if len(second) != 1 || second[0].Run != run || string(second[0].Payload) != `{"done": "3"}` {
				t.Errorf("claimed %+v", second)
			}
			if err := events.FailFact(ctx, other, second[0].ID, "nobody home"); err != nil {
				return err
			}
			return events.FinishFact(ctx, tx, first[0].ID)
		})
	}))

	// Finished ones never come back; the other one does when its lease is over.
	in(t, db.System(ctx, func(tx pgx.Tx) error {
		if early := claim(t, ctx, tx, 10); len(early) != 0 {
			t.Errorf("claimed under lease: %+v", early)
		}
		if _, err := tx.Exec(ctx, "UPDATE events.fact SET next_attempt_at = now()"); err != nil {
			return err
		}
		if late := claim(t, ctx, tx, 10); len(late) != 1 || late[0].Run != run || late[0].Attempt != 2 {
			t.Errorf("after the lease: %+v", late)
		}
		if _, err := tx.Exec(ctx, "UPDATE events.fact SET fanned_at = now()"); err != nil { // the webhooks were told
			return err
		}
		forgotten, err := events.ForgetFacts(ctx, tx, time.Now().Add(time.Hour), 10)
		if forgotten != 1 {
			t.Errorf("forgot %d facts", forgotten)
		}
		return err
	}))
}

// A fact belongs to the change: rolled back with it, and impossible outside of an organisation.
func TestFactsNeedTheirChange(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	db := testenv.Postgres(t, events.Schema())
	_ = db.Tx(ctx, uuid.New(), func(tx pgx.Tx) error {
		in(t, events.PublishFact(ctx, tx, "a.b.c", map[string]any{}, uuid.Nil))
		return context.Canceled
	})
	if err := db.Global(ctx, func(tx pgx.Tx) error {
		return events.PublishFact(ctx, tx, "a.b.c", map[string]any{}, uuid.Nil)
	}); err == nil {
		t.Error("a fact without an organisation")
	}
	in(t, db.System(ctx, func(tx pgx.Tx) error {
		if facts := claim(t, ctx, tx, 10); len(facts) != 0 {
			t.Errorf("claimed %+v", facts)
		}
		return nil
	}))
}

func claim(t *testing.T, ctx context.Context, tx pgx.Tx, limit int) []events.Fact {
	t.Helper()
	facts, err := events.ClaimFacts(ctx, tx, limit)
	in(t, err)
	return facts
}

// in ends the test for an error that has nothing to do with what it tests.
func in(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// Facts that the webhooks were told of are not told again; erasure blanks those that are done and name somebody.
func TestToldAndBlankedFacts(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	db := testenv.Postgres(t, events.Schema())
	organisation := uuid.New()
	in(t, db.Tx(ctx, organisation, func(tx pgx.Tx) error {
		for _, email := range []string{"Eve@example.com", "bob@example.com"} {
			if err := events.PublishFact(ctx, tx, events.FactUserSignedUp, map[string]any{"email": email}, uuid.Nil); err != nil {
				return err
			}
		}
		return events.PublishInside(ctx, tx, events.FactWebhookDue, map[string]any{"delivery": "x"})
	}))
	blank := func(want int64) {
		t.Helper()
		in(t, db.Tx(ctx, organisation, func(tx pgx.Tx) error {
			if n, err := events.BlankFacts(ctx, tx, "", "eve@EXAMPLE.com"); err != nil || n != want {
				t.Errorf("blanked %d facts, %v", n, err)
			}
			return nil
		}))
	}
	blank(0) // nobody was told yet
	in(t, db.System(ctx, func(tx pgx.Tx) error {
		untold, err := events.UntoldFacts(ctx, tx, 10)
		in(t, err)
		if len(untold) != 2 || untold[0].Organisation != organisation || untold[0].Kind != events.FactUserSignedUp {
			t.Errorf("untold: %+v", untold)
		}
		in(t, db.System(ctx, func(other pgx.Tx) error {
			if held, err := events.UntoldFacts(ctx, other, 10); err != nil || len(held) != 0 {
				t.Errorf("held by another node: %+v, %v", held, err)
			}
			return nil
		}))
		in(t, events.ToldFacts(ctx, tx, untold))
		claimed := claim(t, ctx, tx, 10)
		if len(claimed) != 3 {
			t.Errorf("claimed %+v", claimed)
		}
		return events.FinishFacts(ctx, tx, claimed)
	}))
	blank(1)
	in(t, db.System(ctx, func(tx pgx.Tx) error {
		if again, err := events.UntoldFacts(ctx, tx, 10); err != nil || len(again) != 0 {
			t.Errorf("told twice: %+v, %v", again, err)
		}
		forgotten, err := events.ForgetFacts(ctx, tx, time.Now().Add(time.Hour), 10)
		if forgotten != 3 {
			t.Errorf("forgot %d facts", forgotten)
		}
		return err
	}))
}
