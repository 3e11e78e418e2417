package testenv

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/microservicehub/mshub/internal/lifecycle"
)

const (
	replicaSet = "rs0"
	mongoPorts = 5 // tries to find a port that nobody takes before mongod does
)

var (
	mongoEngine engine[*mongoServer]
	mongoCount  atomic.Int64
)

// mongoServer is the server of this test process.
type mongoServer struct {
	uri    string // without a database
	prefix string // of all databases that this process makes
}

// Mongo returns the URI of a database of the test's own on a one-node replica set, so transactions work. The database is
// dropped after the test.
//
// The server is the one MONGODB_URI names, else a mongod on PATH, else one fetched into the user's cache.
func Mongo(t testing.TB) string {
	t.Helper()
	server := mongoEngine.get(t, "MongoDB", startMongo)
	name := fmt.Sprintf("%s%d", server.prefix, mongoCount.Add(1))
	uri, err := url.Parse(server.uri)
	if err != nil {
		t.Fatal("MONGODB_URI is no URI") // the parser's error would repeat the password
	}
	uri.Path = "/" + name
	if uri.User != nil && !uri.Query().Has("authSource") { // the users are not in the test's database
		query := uri.Query()
		query.Set("authSource", "admin")
		uri.RawQuery = query.Encode()
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		err := withMongo(ctx, server.uri, func(client *mongo.Client) error { return client.Database(name).Drop(ctx) })
		if err != nil {
			t.Error(err)
		}
	})
	return uri.String()
}

func startMongo(ctx context.Context) (*mongoServer, func(context.Context) error, error) {
	prefix := fmt.Sprintf("test_%d_%d_", os.Getpid(), time.Now().UnixMilli()%1e6)
	if given := os.Getenv("MONGODB_URI"); given != "" {
		return &mongoServer{given, prefix}, func(context.Context) error { return nil }, nil
	}
	program, err := findMongod(ctx)
	if err != nil {
		return nil, nil, missing{err}
	}
	for try := 1; ; try++ {
		uri, child, err := runMongod(ctx, program)
		if err == nil {
			return &mongoServer{uri, prefix}, child.Stop, nil
		}
		if taken := strings.Contains(err.Error(), "Address already in use"); !taken || try == mongoPorts {
			return nil, nil, err
		}
	}
}

// findMongod looks on PATH, then in the cache, which tools/mongod.sh fills.
func findMongod(ctx context.Context) (string, error) {
	if path, err := exec.LookPath("mongod"); err == nil {
		return path, nil
	}
	root, err := moduleRoot()
	if err != nil {
		return "", err
	}
	cmd := exec.CommandContext(ctx, filepath.Join(root, "tools/mongod.sh"))
	var complaint strings.Builder
	cmd.Stderr = &complaint
	path, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("no mongod on PATH, and none could be fetched: %s", strings.TrimSpace(complaint.String()))
	}
	return strings.TrimSpace(string(path)), nil
}

// runMongod starts the server and makes it the one member of a replica set.
func runMongod(ctx context.Context, program string) (string, *lifecycle.Child, error) {
	dir, err := engineDir()
	if err != nil {
		return "", nil, err
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, errors.Join(err, os.RemoveAll(dir))
	}
	address := listener.Addr().String()
	_, port, _ := net.SplitHostPort(address)
	if err := listener.Close(); err != nil {
		return "", nil, errors.Join(err, os.RemoveAll(dir))
	}
	child, err := lifecycle.StartChild(ctx, lifecycle.ChildConfig{
		Name: "mongod",
		Path: program,
		Args: []string{
			"--dbpath", dir, "--bind_ip", "127.0.0.1", "--port", port, "--nounixsocket", "--replSet", replicaSet,
			"--oplogSize", "64", "--wiredTigerCacheSizeGB", "0.25", "--setParameter", "diagnosticDataCollectionEnabled=false",
		},
		Signals: []lifecycle.Signal{{Number: syscall.SIGKILL, Wait: 5 * time.Second}}, // nothing in it is worth a clean end
		Remove:  []string{dir},
		Log:     quiet(),
	})
	if err != nil {
		return "", nil, errors.Join(err, os.RemoveAll(dir))
	}
	uri := "mongodb://" + address + "/?replicaSet=" + replicaSet
	if err := initiate(ctx, child, address, uri); err != nil {
		return "", nil, errors.Join(err, child.Stop(context.WithoutCancel(ctx)))
	}
	return uri, child, nil
}

// initiate makes the replica set and waits for its primary.
func initiate(ctx context.Context, child *lifecycle.Child, address, uri string) error {
	var last error
	for {
		last = withMongo(ctx, "mongodb://"+address+"/?directConnection=true", func(client *mongo.Client) error {
			return client.Database("admin").RunCommand(ctx, bson.D{{Key: "replSetInitiate", Value: bson.D{
				{Key: "_id", Value: replicaSet},
				{Key: "members", Value: bson.A{bson.D{{Key: "_id", Value: 0}, {Key: "host", Value: address}}}},
			}}}).Err()
		})
		if refused := new(mongo.CommandError); last == nil || errors.As(last, refused) && refused.Name == "AlreadyInitialized" {
			break
		}
		select {
		case <-child.Done():
			return child.Err()
		case <-ctx.Done():
			return errors.Join(context.Cause(ctx), last)
		case <-time.After(50 * time.Millisecond):
		}
	}
	return withMongo(ctx, uri, func(client *mongo.Client) error { return client.Ping(ctx, nil) })
}

func withMongo(ctx context.Context, uri string, f func(*mongo.Client) error) error {
	client, err := mongo.Connect(options.Client().ApplyURI(uri).SetServerSelectionTimeout(10 * time.Second))
	if err != nil {
		return err
	}
	return errors.Join(f(client), client.Disconnect(ctx))
}

// moduleRoot is the directory of go.mod above the test's working directory.
func moduleRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for ; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", errors.New("this test does not run inside the product's checkout")
		}
	}
}
