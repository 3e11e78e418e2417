package testenv

import (
	"context"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/x/mongo/driver/connstring"
)

func TestMongoHasTransactions(t *testing.T) {
	t.Parallel()
	uri := Mongo(t)
	parsed, err := connstring.ParseAndValidate(uri)
	if err != nil {
		t.Fatal(err)
	}
	client, err := mongo.Connect(options.Client().ApplyURI(uri))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = client.Disconnect(context.Background()) }()
	notes := client.Database(parsed.Database).Collection("notes")
	session, err := client.StartSession()
	if err != nil {
		t.Fatal(err)
	}
	defer session.EndSession(t.Context())
	_, err = session.WithTransaction(t.Context(), func(ctx context.Context) (any, error) {
		return notes.InsertOne(ctx, bson.D{{Key: "text", Value: "mine"}})
	})
	if err != nil {
		t.Fatal(err)
	}
	if n, err := notes.CountDocuments(t.Context(), bson.D{}); err != nil || n != 1 {
		t.Errorf("%d notes, %v; want 1", n, err)
	}
}
