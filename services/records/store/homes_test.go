package store

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"go.mongodb.org/mongo-driver/v2/event"
	driver "go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/microservicehub/mshub/internal/mongo"
	"github.com/microservicehub/mshub/internal/postgres"
	"github.com/microservicehub/mshub/internal/testenv"
	auditstore "github.com/microservicehub/mshub/services/audit/store"
)

func TestJSONB(t *testing.T) {
	t.Parallel()
	run(t, jsonbHome)
}

func TestMongo(t *testing.T) {
	t.Parallel()
	run(t, func(t *testing.T) home { return mongoHome(t, true) })
}

// A standalone server has no transactions; the replica set plays one by not using them.
func TestMongoStandalone(t *testing.T) {
	t.Parallel()
	run(t, func(t *testing.T) home { return mongoHome(t, false) })
}

func run(t *testing.T, open func(t *testing.T) home) {
	t.Helper()
	for name, test := range suite {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, open(t))
		})
	}
}

// jsonbHome interrupts by triggers that raise an error after a statement on one of the tables that a chunk writes.
func jsonbHome(t *testing.T) home {
	t.Helper()
	url := testenv.DatabaseURL(t, auditstore.Schema(), Schema())
	db, err := postgres.Open(t.Context(), url, 4)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	owner := func(t *testing.T, statement string) {
		t.Helper()
		conn, err := pgx.Connect(t.Context(), url)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = conn.Close(t.Context()) }()
		if _, err := conn.Exec(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	owner(t, "CREATE FUNCTION records.stop() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'interrupted'; END $$")
	s := NewJSONB(db)
	return home{
		Documents: s, db: db,
		interrupted: func(t *testing.T, n int, f func(context.Context) error) bool {
			t.Helper()
			tables := []string{"document", "import_reject", "import_chunk"}
			if n > len(tables) {
				return false
			}
			table := tables[n-1]
			owner(t, fmt.Sprintf("CREATE TRIGGER stop AFTER INSERT OR UPDATE OR DELETE ON records.%s FOR EACH STATEMENT EXECUTE FUNCTION records.stop()", table))
			defer owner(t, fmt.Sprintf("DROP TRIGGER stop ON records.%s", table))
			if err := f(t.Context()); err == nil {
				t.Errorf("the chunk did not notice a failure after writing %s", table)
			}
			return true
		},
		plan: func(t *testing.T, shelf Shelf, imported uuid.UUID, rows ...int) {
			t.Helper()
			p := InsertChunksParams{ImportID: imported}
			for i, n := range rows {
				p.Chunks, p.Rows = append(p.Chunks, int32(i)+1), append(p.Rows, int64(n))
				p.Starts, p.Lengths, p.FirstLines, p.FirstRows = append(p.Starts, 0), append(p.Lengths, 0), append(p.FirstLines, 1), append(p.FirstRows, 1)
				p.Duplicates = append(p.Duplicates, []byte{})
			}
			err := db.Tx(t.Context(), shelf.Organisation, func(tx pgx.Tx) error { return s.queries.InsertChunks(t.Context(), tx, p) })
			if err != nil {
				t.Fatal(err)
			}
		},
	}
}

// mongoHome interrupts by cancelling the caller's context when the server has answered the nth write command.
func mongoHome(t *testing.T, transactions bool) home {
	t.Helper()
	uri := testenv.Mongo(t)
	opened, err := mongo.Open(t.Context(), uri)
	if err != nil {
		t.Fatal(err)
	}
	if !opened.Transactions {
		t.Error("a replica set has transactions")
	}
	name := opened.Name()
	if err := opened.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	var left atomic.Int64 // writes until the interruption; below 1: none
	var stop atomic.Value
	count := func(_ context.Context, e *event.CommandSucceededEvent) {
		switch e.CommandName {
		case "insert", "update", "delete", "bulkWrite":
			if left.Add(-1) == 0 {
				stop.Load().(context.CancelFunc)()
			}
		}
	}
	client, err := driver.Connect(options.Client().ApplyURI(uri).SetMonitor(&event.CommandMonitor{Succeeded: count}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Disconnect(context.Background()) })
	s, err := NewMongo(t.Context(), &mongo.DB{Database: client.Database(name), Transactions: transactions})
	if err != nil {
		t.Fatal(err)
	}
	return home{
		Documents: s, db: testenv.Postgres(t, auditstore.Schema(), Schema()), mongo: true,
		interrupted: func(t *testing.T, n int, f func(context.Context) error) bool {
			t.Helper()
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			stop.Store(cancel)
			left.Store(int64(n))
			err := f(ctx)
			reached := left.Swap(0) <= 0
			if err != nil && !errors.Is(err, context.Canceled) {
				t.Errorf("interrupted after write %d: %v", n, err)
			}
			return reached
		},
		meanwhile: func(n int, do func()) {
			stop.Store(context.CancelFunc(do))
			left.Store(int64(n))
		},
		plan: func(*testing.T, Shelf, uuid.UUID, ...int) {},
	}
}
