package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/microservicehub/mshub/internal/lifecycle"
)

const (
	mongoDatabase = "mshub"
	replicaSet    = "chaos"
	mongoPatience = time.Minute
)

// mongod keeps the records under -store mongo: the one member of a replica set, because transactions need one.
type mongod struct {
	program, dir, address string
	log                   *slog.Logger
	child                 *lifecycle.Child
}

func startMongod(ctx context.Context, dir string, log *slog.Logger) (*mongod, error) {
	program, err := exec.LookPath("mongod")
	if err != nil {
		out, err := exec.CommandContext(ctx, "tools/mongod.sh").Output()
		if err != nil {
			return nil, fmt.Errorf("no mongod on PATH, and none could be fetched: %w", err)
		}
		program = strings.TrimSpace(string(out))
	}
	m := &mongod{program: program, dir: filepath.Join(dir, "mongo"), log: log}
	if err := os.MkdirAll(m.dir, 0o700); err != nil {
		return nil, err
	}
	if m.address, err = freeAddress(); err != nil {
		return nil, err
	}
	if err := m.spawn(ctx); err != nil {
		return nil, err
	}
	return m, errors.Join(m.initiate(ctx), m.primary(ctx))
}

func (m *mongod) spawn(ctx context.Context) (err error) {
	host, port, err := net.SplitHostPort(m.address)
	if err != nil {
		return err
	}
	m.child, err = lifecycle.StartChild(ctx, lifecycle.ChildConfig{
		Name: "mongod", Path: m.program,
		Args: []string{
			"--dbpath", m.dir, "--bind_ip", host, "--port", port, "--nounixsocket", "--replSet", replicaSet,
			"--wiredTigerCacheSizeGB", "0.25", "--oplogSize", "256", "--setParameter", "diagnosticDataCollectionEnabled=false",
		},
		Signals: []lifecycle.Signal{{Number: syscall.SIGTERM, Wait: 20 * time.Second}},
		Log:     m.log, LogLevel: slog.LevelDebug,
	})
	return err
}

// url is what mshub is given.
func (m *mongod) url() string {
	return "mongodb://" + m.address + "/" + mongoDatabase + "?replicaSet=" + replicaSet
}

// initiate makes the server its replica set's one member.
func (m *mongod) initiate(ctx context.Context) error {
	return withMongo(ctx, "mongodb://"+m.address+"/?directConnection=true", func(client *mongo.Client) error {
		return client.Database("admin").RunCommand(ctx, bson.D{{Key: "replSetInitiate", Value: bson.D{
			{Key: "_id", Value: replicaSet},
			{Key: "members", Value: bson.A{bson.D{{Key: "_id", Value: 0}, {Key: "host", Value: m.address}}}},
		}}}).Err()
	})
}

// primary waits until the server takes writes: the driver looks for the primary that long.
func (m *mongod) primary(ctx context.Context) error {
	return withMongo(ctx, m.url(), func(client *mongo.Client) error { return client.Ping(ctx, nil) })
}

// restart takes the server away and brings it back: in order, or by SIGKILL.
func (m *mongod) restart(ctx context.Context, k kind, lasts time.Duration) error {
	if err := takeDown(ctx, m.child, k); err != nil {
		return err
	}
	wait(ctx, lasts)
	ctx = context.WithoutCancel(ctx)
	if err := m.spawn(ctx); err != nil {
		return err
	}
	return m.primary(ctx)
}

func withMongo(ctx context.Context, url string, do func(*mongo.Client) error) error {
	client, err := mongo.Connect(options.Client().ApplyURI(url).SetServerSelectionTimeout(mongoPatience))
	if err != nil {
		return err
	}
	return errors.Join(do(client), client.Disconnect(context.WithoutCancel(ctx)))
}
