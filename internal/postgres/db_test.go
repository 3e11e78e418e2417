package postgres_test

import (
	"context"
	"log/slog"
	"os"
	"testing"

	"connectrpc.com/connect"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/microservicehub/mshub/internal/auth"
	"github.com/microservicehub/mshub/internal/postgres"
	"github.com/microservicehub/mshub/internal/rpc"
	"github.com/microservicehub/mshub/internal/testenv"
)

func TestMain(m *testing.M) { os.Exit(testenv.Main(m)) }

// A person's statements end before the patience of all others does; what runs and the house itself do takes its time.
func TestPatience(t *testing.T) {
	t.Parallel()
	db := testenv.Postgres(t)
	for _, c := range []struct {
		kind auth.Kind
		want string
	}{{auth.User, "15s"}, {auth.Run, "0"}, {auth.Client, "15s"}, {auth.Service, "0"}, {auth.Anonymous, "0"}} {
		ctx := auth.With(t.Context(), auth.Caller{Kind: c.kind})
		var got, global string
		show := func(into *string) func(pgx.Tx) error {
			return func(tx pgx.Tx) error { return tx.QueryRow(ctx, "SHOW statement_timeout").Scan(into) }
		}
		if err := db.Tx(ctx, uuid.New(), show(&got)); err != nil || got != c.want {
			t.Errorf("kind %d: %q, %v; want %q", c.kind, got, err, c.want)
		}
		if err := db.System(ctx, show(&global)); err != nil || global != "0" {
			t.Errorf("a duty of the house, called by kind %d: %q, %v", c.kind, global, err)
		}
	}
	person := auth.With(t.Context(), auth.Caller{Kind: auth.User})
	var got string
	err := db.Tx(postgres.Unhurried(person), uuid.New(), func(tx pgx.Tx) error { return tx.QueryRow(person, "SHOW statement_timeout").Scan(&got) })
	if err != nil || got != "0" {
		t.Errorf("a person's call that has to read everything: %q, %v", got, err)
	}
	err = db.Tx(person, uuid.New(), func(tx pgx.Tx) error {
		if _, err := tx.Exec(person, "SET LOCAL statement_timeout = '10ms'"); err != nil {
			return err
		}
		_, err := tx.Exec(person, "SELECT pg_sleep(600)")
		return err
	})
	err = rpc.Public(context.Background(), slog.New(slog.DiscardHandler), "", err)
	if connect.CodeOf(err) != connect.CodeDeadlineExceeded || rpc.ReasonOf(err) != "DEADLINE" {
		t.Errorf("a statement that takes too long: %v", err)
	}
}
