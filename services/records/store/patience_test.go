package store

import (
	"context"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/google/uuid"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/microservicehub/mshub/internal/auth"
	"github.com/microservicehub/mshub/internal/mongo"
	"github.com/microservicehub/mshub/internal/postgres"
	"github.com/microservicehub/mshub/internal/rpc"
	"github.com/microservicehub/mshub/internal/testenv"
)

// A person's read ends before the patience of all others does, also in MongoDB; what runs do takes its time.
func TestMongoPatience(t *testing.T) {
	t.Parallel()
	db, err := mongo.Open(t.Context(), testenv.Mongo(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close(context.Background()) })
	s, err := NewMongo(t.Context(), db)
	if err != nil {
		t.Fatal(err)
	}
	person := auth.With(t.Context(), auth.Caller{Kind: auth.User})
	if limit, hurried := s.patience(person); limit != 15*time.Second || !hurried {
		t.Errorf("as in PostgreSQL: %s, %v", limit, hurried)
	}
	shelf, limit := newShelf(t), time.Nanosecond
	s.patience = func(ctx context.Context) (time.Duration, bool) {
		_, hurried := postgres.Patience(ctx)
		return limit, hurried
	}
	if err := s.Insert(t.Context(), nil, shelf, document(t, shelf, `{"id":1}`)); err != nil {
		t.Fatal(err)
	}
	reads := map[string]func(ctx context.Context) error{
		"list":  func(ctx context.Context) error { _, err := s.List(ctx, shelf, Query{Limit: 10}); return err },
		"count": func(ctx context.Context) error { _, err := s.Count(ctx, shelf, nil); return err },
		"rejects": func(ctx context.Context) error {
			_, err := s.Rejects(ctx, shelf.Organisation, uuid.New(), 0, 10, false)
			return err
		},
	}
	for name, read := range reads {
		if err := read(person); connect.CodeOf(err) != connect.CodeDeadlineExceeded || rpc.ReasonOf(err) != "DEADLINE" {
			t.Errorf("%s of a person: %v", name, err)
		}
		if err := read(auth.With(t.Context(), auth.Caller{Kind: auth.Run})); err != nil {
			t.Errorf("%s of a run: %v", name, err)
		}
	}

	// The server gives up as well: what nobody waits for does not go on.
	var slow []any
	for i := range 2000 {
		slow = append(slow, bson.D{{Key: "_id", Value: i}})
	}
	if _, err := s.records.InsertMany(t.Context(), slow); err != nil {
		t.Fatal(err)
	}
	limit = 300 * time.Millisecond
	err = s.hurried(person, func(ctx context.Context) error {
		_, err := s.records.Find(ctx, bson.D{{Key: "$where", Value: "sleep(100)"}})
		return err
	})
	if connect.CodeOf(err) != connect.CodeDeadlineExceeded || rpc.ReasonOf(err) != "DEADLINE" {
		t.Errorf("a read that takes three minutes: %v", err)
	}
	sleeping := bson.D{{Key: "ns", Value: db.Name() + ".records"}, {Key: "command.find", Value: "records"}}
	for began := time.Now(); ; {
		cursor, err := db.Client().Database("admin").RunCommandCursor(t.Context(), bson.D{
			{Key: "aggregate", Value: 1}, {Key: "cursor", Value: bson.D{}},
			{Key: "pipeline", Value: bson.A{bson.D{{Key: "$currentOp", Value: bson.D{}}}, bson.D{{Key: "$match", Value: sleeping}}}},
		})
		if err != nil {
			t.Fatal(err)
		}
		var left []bson.M
		if err := cursor.All(t.Context(), &left); err != nil {
			t.Fatal(err)
		}
		if len(left) == 0 {
			break
		}
		if time.Since(began) > time.Minute {
			t.Fatalf("a minute later the server still reads: %v", left)
		}
	}
}
