package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/microservicehub/mshub/internal/lifecycle"
	"github.com/microservicehub/mshub/internal/redis"
)

// celery is a peer: a program of bench/peers in a Python environment of its own, with a real redis-server and a database.
type celery struct {
	python string
	dir    string
	env    []string
	conn   *pgx.Conn
	close  func()
}

// peerDatabase is the peer's, on the PostgreSQL of the house under measurement.
const peerDatabase = "peer"

// newCelery prepares the program in bench/peers/NAME on the database server at the given address.
func newCelery(ctx context.Context, name, database string) (*celery, error) {
	dir, err := filepath.Abs(filepath.Join("bench", "peers", name))
	if err != nil {
		return nil, err
	}
	python, err := pythonFor(ctx, filepath.Join(dir, "requirements.txt"))
	if err != nil {
		return nil, err
	}
	server, err := pgx.Connect(ctx, database)
	if err != nil {
		return nil, err
	}
	err = perform(ctx, server, "CREATE DATABASE "+peerDatabase)
	_ = server.Close(ctx)
	if err != nil {
		return nil, err
	}
	config, err := pgx.ParseConfig(database)
	if err != nil {
		return nil, err
	}
	config.Database = peerDatabase
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return nil, err
	}
	address, stop, err := startRedis(ctx)
	if err != nil {
		_ = conn.Close(ctx)
		return nil, err
	}
	c := &celery{python: python, dir: dir, conn: conn}
	c.env = append(os.Environ(), "PYTHONDONTWRITEBYTECODE=1", "PYTHONWARNINGS=ignore", "REDIS_URL="+address,
		"PGHOST="+config.Host, "PGPORT="+strconv.Itoa(int(config.Port)), "PGUSER="+config.User, "PGDATABASE="+peerDatabase)
	c.close = func() { _ = conn.Close(context.WithoutCancel(ctx)); stop() }
	return c, nil
}

// run runs a script of the peer, which prints one line of JSON.
func (c *celery) run(ctx context.Context, answer any, script string, args ...string) error {
	cmd := exec.CommandContext(ctx, c.python, append([]string{script}, args...)...)
	cmd.Dir, cmd.Env, cmd.Stderr = c.dir, c.env, os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("%s: %w", script, err)
	}
	return json.Unmarshal(out, answer)
}

// worker starts `celery worker` with so many processes; it is ready once the broker can ask it.
func (c *celery) worker(name string, processes int) (*exec.Cmd, error) {
	cmd := exec.Command(c.python, "-m", "celery", "--app", "app", "--quiet", "worker", "--hostname", name+"@bench",
		"--concurrency", strconv.Itoa(processes), "--loglevel", "ERROR")
	cmd.Dir, cmd.Env, cmd.Stderr = c.dir, c.env, os.Stderr
	cmd.SysProcAttr = group()
	return cmd, cmd.Start()
}

// end asks a worker to end, as a service manager would.
func end(cmd *exec.Cmd) {
	_ = cmd.Process.Signal(syscall.SIGTERM)
	timer := time.AfterFunc(10*time.Second, func() { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) })
	defer timer.Stop()
	_ = cmd.Wait()
}

// pythonFor returns the interpreter of an environment with exactly these packages. It is made once for each list of them,
// in the user's cache.
func pythonFor(ctx context.Context, requirements string) (string, error) {
	list, err := os.ReadFile(requirements)
	if err != nil {
		return "", err
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(list)
	dir := filepath.Join(cache, "mshub", "bench-python-"+hex.EncodeToString(sum[:6]))
	python := filepath.Join(dir, "bin", "python")
	complete := filepath.Join(dir, "complete")
	if _, err := os.Stat(complete); err == nil {
		return python, nil
	}
	fmt.Fprintf(os.Stderr, "making a Python environment in %s\n", dir)
	for _, command := range [][]string{
		{"python3", "-m", "venv", "--clear", dir},
		{python, "-m", "pip", "install", "--quiet", "--no-deps", "--requirement", requirements},
		{python, "-m", "pip", "check", "--quiet"},
	} {
		if out, err := exec.CommandContext(ctx, command[0], command[1:]...).CombinedOutput(); err != nil {
			return "", fmt.Errorf("%v: %w\n%s", command, err, bytes.TrimSpace(out))
		}
	}
	return python, os.WriteFile(complete, nil, 0o644)
}

// startRedis starts a redis-server on a free port, with the settings that it has by itself but for snapshots.
func startRedis(ctx context.Context) (address string, stop func(), err error) {
	program, err := exec.LookPath("redis-server")
	if err != nil {
		return "", nil, errors.New("no redis-server on PATH; install it (apt-get install redis-server)")
	}
	dir, err := os.MkdirTemp("", "mshub-bench-redis-")
	if err != nil {
		return "", nil, err
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, errors.Join(err, os.RemoveAll(dir))
	}
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	_ = listener.Close()
	child, err := lifecycle.StartChild(ctx, lifecycle.ChildConfig{
		Name: "redis-server", Path: program,
		Args:    []string{"--port", port, "--bind", "127.0.0.1", "--dir", dir, "--save", "", "--daemonize", "no", "--loglevel", "warning"},
		Signals: []lifecycle.Signal{{Number: syscall.SIGTERM, Wait: 5 * time.Second}},
		Remove:  []string{dir},
		Log:     slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return "", nil, errors.Join(err, os.RemoveAll(dir))
	}
	stop = func() { _ = child.Stop(context.WithoutCancel(ctx)) }
	address = "redis://127.0.0.1:" + port + "/0"
	for {
		client, err := redis.Open(ctx, address)
		if err == nil {
			return address, stop, client.Close()
		}
		select {
		case <-child.Done():
			return "", nil, child.Err()
		case <-ctx.Done():
			stop()
			return "", nil, err
		case <-time.After(20 * time.Millisecond):
		}
	}
}
