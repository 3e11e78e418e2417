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
	"sync"
	"syscall"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/microservicehub/mshub/internal/lifecycle"
	"github.com/microservicehub/mshub/internal/postgres/cluster"
	"github.com/microservicehub/mshub/internal/redis"
	"github.com/microservicehub/mshub/internal/temporal"
)

// engines are private ones, of the same make as those of `mshub up`, but with a real redis-server, and a mongod if records
// are to lie in one.
type engines struct {
	dir string
	log *slog.Logger

	mu           sync.Mutex // one restart at a time
	postgres     *cluster.Cluster
	temporal     *temporal.DevServer
	redis        *lifecycle.Child
	redisAddress string
	mongo        *mongod // nil: records lie in PostgreSQL
}

// postgresTries bring a killed server back, a second apart: what is left of it may have a checkpoint to finish.
const postgresTries = 90

func startEngines(ctx context.Context, dir, store string, log *slog.Logger) (*engines, error) {
	e := &engines{dir: dir, log: log}
	program, err := exec.LookPath("redis-server")
	if err != nil {
		return nil, errors.New("no redis-server on PATH: install it (apt-get install redis-server)")
	}
	if e.redisAddress, err = freeAddress(); err != nil {
		return nil, err
	}
	if err := errors.Join(e.startPostgres(ctx), e.startRedis(ctx, program)); err != nil {
		return e, err
	}
	if store == storeMongo {
		if e.mongo, err = startMongod(ctx, dir, log); err != nil {
			return e, err
		}
	}
	// A file, so that a killed server comes back with what it had promised.
	e.temporal, err = temporal.StartDevServer(ctx, temporal.DevServerConfig{
		Binary: os.Getenv("MSHUB_TEMPORAL_BIN"), Dir: filepath.Join(dir, "temporal"), Log: log,
		OpenRuns: func(context.Context) ([]string, error) { return nil, nil },
	})
	return e, err
}

func (e *engines) startPostgres(ctx context.Context) (err error) {
	// Configured as `mshub up` has it: what was committed must outlive SIGKILL.
	e.postgres, err = cluster.Start(ctx, cluster.Config{Dir: filepath.Join(e.dir, "pg"), Binaries: os.Getenv("MSHUB_POSTGRES_BIN"), Log: e.log})
	return err
}

func (e *engines) startRedis(ctx context.Context, program string) error {
	host, port, err := net.SplitHostPort(e.redisAddress)
	if err != nil {
		return err
	}
	dir := filepath.Join(e.dir, "redis")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	e.redis, err = lifecycle.StartChild(ctx, lifecycle.ChildConfig{
		Name: "redis-server", Path: program,
		Args:    []string{"--bind", host, "--port", port, "--dir", dir, "--save", "", "--appendonly", "no", "--loglevel", "warning"},
		Signals: []lifecycle.Signal{{Number: syscall.SIGTERM, Wait: 5 * time.Second}},
		Log:     e.log, LogLevel: slog.LevelDebug,
	})
	if err != nil {
		return err
	}
	return e.redisAnswers(ctx)
}

func (e *engines) redisAnswers(ctx context.Context) error {
	for {
		patience, cancel := context.WithTimeout(ctx, time.Second)
		client, err := redis.Open(patience, e.redisURL())
		cancel()
		if err == nil {
			return client.Close()
		}
		select {
		case <-e.redis.Done():
			return e.redis.Err()
		case <-ctx.Done():
			return fmt.Errorf("redis-server does not answer: %w", err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func (e *engines) redisURL() string { return "redis://" + e.redisAddress }

// engine is a server in a process of its own.
type engine interface {
	PID() int
	Done() <-chan struct{}
	Stop(ctx context.Context) error
}

// takeDown ends an engine, in order or by SIGKILL, and returns when it has gone.
func takeDown(ctx context.Context, server engine, k kind) error {
	if k != kill {
		return server.Stop(ctx)
	}
	if err := syscall.Kill(server.PID(), syscall.SIGKILL); err != nil {
		return err
	}
	<-server.Done()
	return nil
}

// restartPostgres takes the server away and brings it back: in order, or by SIGKILL.
func (e *engines) restartPostgres(ctx context.Context, k kind, lasts time.Duration) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if err := takeDown(ctx, e.postgres, k); err != nil {
		return err
	}
	wait(ctx, lasts)
	ctx = context.WithoutCancel(ctx)
	for try := 1; ; try++ {
		err := e.startPostgres(ctx)
		if err == nil || try == postgresTries {
			return err
		}
		wait(ctx, time.Second) // the backends of a killed server end by themselves, on a busy machine a little later
	}
}

func (e *engines) restartMongo(ctx context.Context, k kind, lasts time.Duration) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.mongo.restart(ctx, k, lasts)
}

func (e *engines) restartRedis(ctx context.Context, lasts time.Duration) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if err := e.redis.Stop(ctx); err != nil {
		return err
	}
	wait(ctx, lasts)
	program, err := exec.LookPath("redis-server")
	if err != nil {
		return err
	}
	return e.startRedis(context.WithoutCancel(ctx), program)
}

func (e *engines) flushRedis(ctx context.Context) error {
	client := goredis.NewClient(&goredis.Options{Addr: e.redisAddress})
	defer func() { _ = client.Close() }()
	return client.FlushAll(ctx).Err()
}

func (e *engines) stop(ctx context.Context) {
	if e.temporal != nil {
		_ = e.temporal.Stop(ctx)
	}
	if e.redis != nil {
		_ = e.redis.Stop(ctx)
	}
	if e.mongo != nil {
		_ = e.mongo.child.Stop(ctx)
	}
	if e.postgres != nil {
		_ = e.postgres.Stop(ctx)
	}
}

// freeAddress is a port that was free a moment ago.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

func wait(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}
