package testenv

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/microservicehub/mshub/internal/lifecycle"
	"github.com/microservicehub/mshub/internal/redis"
)

// redisNumbers is how many databases the shared server has: more than tests in a package.
const redisNumbers = 4096

var (
	redisEngine engine[*RedisServer]
	redisCount  atomic.Int64
)

// RedisServer is a real redis-server on a Unix socket.
type RedisServer struct {
	program string
	dir     string
	child   *lifecycle.Child
}

// Redis returns the URL of an empty database on the redis-server of this test process. Channels have no such numbers:
// what one test publishes every test may hear, so channel names must be unique, as those of a run are.
func Redis(t testing.TB) string {
	t.Helper()
	server := redisEngine.get(t, "Redis", func(ctx context.Context) (*RedisServer, func(context.Context) error, error) {
		server, err := startRedis(ctx)
		if err != nil {
			return nil, nil, err
		}
		return server, server.close, nil
	})
	return server.url(int(redisCount.Add(1) % redisNumbers))
}

// OwnRedis starts a redis-server for this test alone, to be stopped and started under it.
func OwnRedis(t testing.TB) *RedisServer {
	t.Helper()
	Redis(t) // skips if there is none
	server, err := startRedis(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return server
}

// URL is the server's address, the same after a restart.
func (s *RedisServer) URL() string { return s.url(0) }

// Stop kills the server, which forgets everything.
func (s *RedisServer) Stop(t testing.TB) {
	t.Helper()
	if err := s.child.Stop(context.Background()); err != nil {
		t.Fatal(err)
	}
}

// Start starts it again, empty.
func (s *RedisServer) Start(t testing.TB) {
	t.Helper()
	if err := s.start(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func startRedis(ctx context.Context) (*RedisServer, error) {
	program, err := exec.LookPath("redis-server")
	if err != nil {
		return nil, missing{errors.New("no redis-server on PATH; install it (apt-get install redis-server), or run make test, which does")}
	}
	dir, err := engineDir()
	if err != nil {
		return nil, err
	}
	s := &RedisServer{program: program, dir: dir}
	if err := s.start(ctx); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return s, nil
}

func (s *RedisServer) start(ctx context.Context) error {
	if err := os.MkdirAll(s.dir, 0o700); err != nil { // the guard of the one before removed it
		return err
	}
	child, err := lifecycle.StartChild(ctx, lifecycle.ChildConfig{
		Name: "redis-server",
		Path: s.program,
		Args: []string{
			"--port", "0", "--unixsocket", s.socket(), "--dir", s.dir, "--databases", strconv.Itoa(redisNumbers),
			"--save", "", "--appendonly", "no", "--daemonize", "no", "--loglevel", "warning",
		},
		Signals: []lifecycle.Signal{{Number: syscall.SIGTERM, Wait: 5 * time.Second}},
		Remove:  []string{s.dir},
		Log:     quiet(),
	})
	if err != nil {
		return err
	}
	s.child = child
	for {
		client, err := redis.Open(ctx, s.URL())
		if err == nil {
			return client.Close()
		}
		select {
		case <-child.Done():
			return child.Err()
		case <-ctx.Done():
			return errors.Join(err, child.Stop(context.WithoutCancel(ctx)))
		case <-time.After(5 * time.Millisecond):
		}
	}
}

func (s *RedisServer) socket() string { return filepath.Join(s.dir, "redis.sock") }

func (s *RedisServer) url(number int) string {
	return (&url.URL{Scheme: "unix", Path: s.socket(), RawQuery: fmt.Sprintf("db=%d", number)}).String()
}

func (s *RedisServer) close(ctx context.Context) error { return s.child.Stop(ctx) }
