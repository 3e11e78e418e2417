// Package mongo opens the document database of MONGODB_URI: MongoDB or what speaks its protocol (DocumentDB).
package mongo

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/mongo/readconcern"
	"go.mongodb.org/mongo-driver/v2/mongo/writeconcern"
	"go.mongodb.org/mongo-driver/v2/x/mongo/driver/connstring"
)

const (
	defaultDatabase = "mshub"
	selectTimeout   = 10 * time.Second
	// pause between two questions of whether a server that does not answer has come back.
	pause = 300 * time.Millisecond
)

// DB is the database that the address names, or "mshub".
type DB struct {
	*mongo.Database
	// Transactions is true on a replica set or through mongos; a standalone server has none.
	Transactions bool
}

// Open connects and asks the server what it is. The server may be starting at this very moment: it is asked until it answers
// or ctx ends. The caller closes the database.
func Open(ctx context.Context, uri string) (*DB, error) {
	parsed, err := connstring.ParseAndValidate(uri)
	if err != nil {
		return nil, errors.New("MONGODB_URI: not a MongoDB address; give mongodb://[user:password@]host:port/database") // the parser's error may repeat the password
	}
	client, err := mongo.Connect(options.Client().ApplyURI(uri).SetAppName("mshub").SetServerSelectionTimeout(selectTimeout).
		SetWriteConcern(writeconcern.Majority()).SetReadConcern(readconcern.Majority()))
	if err != nil {
		return nil, fmt.Errorf("MONGODB_URI: %w", err)
	}
	name := parsed.Database
	if name == "" {
		name = defaultDatabase
	}
	var hello struct {
		SetName string `bson:"setName"`
		Message string `bson:"msg"`
	}
	for {
		err := client.Database("admin").RunCommand(ctx, bson.D{{Key: "hello", Value: 1}}).Decode(&hello)
		if err == nil {
			break
		}
		if answer := (mongo.CommandError{}); ctx.Err() != nil || errors.As(err, &answer) {
			_ = client.Disconnect(context.WithoutCancel(ctx))
			return nil, fmt.Errorf("MongoDB does not answer: %w", err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
	}
	return &DB{client.Database(name), hello.SetName != "" || hello.Message == "isdbgrid"}, nil
}

// Close ends all connections.
func (db *DB) Close(ctx context.Context) error { return db.Client().Disconnect(ctx) }

// Ping says whether the server answers.
func (db *DB) Ping(ctx context.Context) error { return db.Client().Ping(ctx, nil) }
