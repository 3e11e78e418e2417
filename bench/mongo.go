package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/microservicehub/mshub/internal/lifecycle"
)

const mongoDatabase = "mshub"

// measureImportMongo imports the file with the documents in MongoDB. The peer is the driver's unordered bulk insert of the
// same documents, read from the platform's collection, into a collection with the same indexes. Both begin with an empty
// collection on the same one-node replica set, acknowledged by the journal, and take turns.
func measureImportMongo(ctx context.Context, s sizes) ([]Figure, error) {
	uri, stop, err := startMongod(ctx)
	if err != nil {
		return nil, err
	}
	defer stop()
	client, err := mongo.Connect(options.Client().ApplyURI(uri))
	if err != nil {
		return nil, err
	}
	defer func() { _ = client.Disconnect(ctx) }()
	i, err := newImporter(ctx, flights, "MONGODB_URI="+uri)
	if err != nil {
		return nil, err
	}
	defer i.close()
	if _, err := i.once(); err != nil {
		return nil, err
	}
	database := client.Database(mongoDatabase)
	documents, peer := database.Collection("records"), database.Collection("peer")
	indexes, err := indexesOf(ctx, documents)
	if err != nil {
		return nil, err
	}
	rows, err := export(ctx, documents)
	if err != nil {
		return nil, err
	}
	var ours, theirs []float64
	for range s.samples {
		if err := errors.Join(renew(ctx, documents, indexes), peer.Drop(ctx)); err != nil {
			return nil, err
		}
		rate, err := i.once()
		if err != nil {
			return nil, err
		}
		ours = append(ours, rate)
		if err := errors.Join(renew(ctx, peer, indexes), documents.Drop(ctx)); err != nil {
			return nil, err
		}
		began := time.Now()
		result, err := peer.InsertMany(ctx, rows, options.InsertMany().SetOrdered(false))
		if err != nil {
			return nil, err
		}
		theirs = append(theirs, float64(len(result.InsertedIDs))/time.Since(began).Seconds())
	}
	return []Figure{
		figure("import of flights.csv.gz (336,776 rows) into MongoDB", "rows/s", goalOfCopy, ours, "unordered bulk inserts by the driver", theirs),
	}, nil
}

// export reads all documents, as they are stored.
func export(ctx context.Context, from *mongo.Collection) ([]bson.Raw, error) {
	cursor, err := from.Find(ctx, bson.D{})
	if err != nil {
		return nil, err
	}
	var rows []bson.Raw
	if err := cursor.All(ctx, &rows); err != nil {
		return nil, err
	}
	if int64(len(rows)) != flights.rows {
		return nil, fmt.Errorf("%s holds %d documents", from.Name(), len(rows))
	}
	return rows, nil
}

// indexesOf are a collection's own indexes; that of _id comes with any.
func indexesOf(ctx context.Context, collection *mongo.Collection) ([]mongo.IndexModel, error) {
	specifications, err := collection.Indexes().ListSpecifications(ctx)
	if err != nil {
		return nil, err
	}
	var models []mongo.IndexModel
	for _, s := range specifications {
		if s.Name == "_id_" {
			continue
		}
		o := options.Index().SetName(s.Name)
		if s.Unique != nil {
			o.SetUnique(*s.Unique)
		}
		models = append(models, mongo.IndexModel{Keys: s.KeysDocument, Options: o})
	}
	return models, nil
}

// renew makes a collection empty, with its indexes.
func renew(ctx context.Context, collection *mongo.Collection, indexes []mongo.IndexModel) error {
	if err := collection.Drop(ctx); err != nil {
		return err
	}
	if err := collection.Database().CreateCollection(ctx, collection.Name()); err != nil {
		return err
	}
	if len(indexes) == 0 {
		return nil
	}
	_, err := collection.Indexes().CreateMany(ctx, indexes)
	return err
}

// startMongod starts the mongod on PATH, else the one of tools/mongod.sh, as a replica set of one, because transactions
// need one.
func startMongod(ctx context.Context) (uri string, stop func(), err error) {
	program, err := exec.LookPath("mongod")
	if err != nil {
		out, err := exec.CommandContext(ctx, "tools/mongod.sh").Output()
		if err != nil {
			return "", nil, fmt.Errorf("no mongod on PATH, and none could be fetched: %w", err)
		}
		program = strings.TrimSpace(string(out))
	}
	dir, err := os.MkdirTemp("", "mshub-bench-mongod-")
	if err != nil {
		return "", nil, err
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, errors.Join(err, os.RemoveAll(dir))
	}
	address := listener.Addr().String()
	_, port, _ := net.SplitHostPort(address)
	_ = listener.Close()
	child, err := lifecycle.StartChild(ctx, lifecycle.ChildConfig{
		Name: "mongod", Path: program,
		Args:    []string{"--dbpath", dir, "--bind_ip", "127.0.0.1", "--port", port, "--nounixsocket", "--replSet", "bench", "--wiredTigerCacheSizeGB", "2"},
		Signals: []lifecycle.Signal{{Number: syscall.SIGTERM, Wait: 20 * time.Second}},
		Remove:  []string{dir},
		Log:     slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return "", nil, errors.Join(err, os.RemoveAll(dir))
	}
	stop = func() { _ = child.Stop(context.WithoutCancel(ctx)) }
	if err := initiate(ctx, address); err != nil {
		stop()
		return "", nil, err
	}
	return "mongodb://" + address + "/" + mongoDatabase + "?replicaSet=bench", stop, nil
}

// initiate makes the server its replica set's one member; the driver waits until it is primary.
func initiate(ctx context.Context, address string) error {
	client, err := mongo.Connect(options.Client().ApplyURI("mongodb://" + address + "/?directConnection=true"))
	if err != nil {
		return err
	}
	defer func() { _ = client.Disconnect(ctx) }()
	return client.Database("admin").RunCommand(ctx, bson.D{{Key: "replSetInitiate", Value: bson.D{
		{Key: "_id", Value: "bench"},
		{Key: "members", Value: bson.A{bson.D{{Key: "_id", Value: 0}, {Key: "host", Value: address}}}},
	}}}).Err()
}
