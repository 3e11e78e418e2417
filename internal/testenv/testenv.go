// Package testenv gives tests real engines: the ones production runs on, private to the test process.
//
//	testenv.go    Main: what every TestMain calls; what happens when an engine is missing
//	postgres.go   Postgres: a database of the test's own, cloned from a migrated template
//	redis.go      Redis: a real redis-server
//	temporal.go   Temporal: a dev server in memory
//	mongo.go      Mongo: a one-node replica set, so that transactions work
//	s3.go         S3: a server that speaks S3
//	issuer.go     Issuer: tokens for any caller, and the verifier that trusts them; Serve: a handler over real HTTP
//	files.go      Dir: a directory that engines running as other users can reach; the cache of what tests fetch once
//
// A package that uses them has
//
//	func TestMain(m *testing.M) { os.Exit(testenv.Main(m)) }
//
// Engines start when the first test asks for them, one of each kind a test process, and end with it, also if it is killed.
// Tests run in parallel on them: each gets names of its own (a database, a Redis number, a task queue).
package testenv

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/microservicehub/mshub/internal/lifecycle"
	"github.com/microservicehub/mshub/internal/redis"
)

// Option changes what Main does.
type Option func(*settings)

type settings struct{ leaks bool }

// NoLeaks makes Main fail if a goroutine is left over when all tests have passed.
func NoLeaks(s *settings) { s.leaks = true }

var (
	inMain atomic.Bool

	enginesMu sync.Mutex
	engines   []func(ctx context.Context) error // stops of what was started, in order
)

// Main runs the tests, stops the engines they started and returns the exit code.
func Main(m *testing.M, opts ...Option) int {
	lifecycle.MaybeGuard()
	inMain.Store(true)
	redis.LogTo(quiet())
	var s settings
	for _, option := range opts {
		option(&s)
	}
	code := m.Run()

	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	enginesMu.Lock()
	defer enginesMu.Unlock()
	for _, stop := range slices.Backward(engines) {
		if err := stop(ctx); err != nil {
			fmt.Fprintln(os.Stderr, "testenv:", err)
			code = max(code, 1)
		}
	}
	if s.leaks && code == 0 {
		if err := goleak.Find(); err != nil {
			fmt.Fprintln(os.Stderr, "testenv:", err)
			code = 1
		}
	}
	return code
}

// missing says that an engine is not on this machine, as opposed to broken.
type missing struct{ error }

func (m missing) Unwrap() error { return m.error }

// engine is something a test process has once, started when the first test asks for it.
type engine[T any] struct {
	mu    sync.Mutex
	tried bool
	value T
	err   error
}

// get returns the engine, or ends the test: skipped if the engine is missing, failed if it is missing in CI or broken.
func (e *engine[T]) get(t testing.TB, name string, start func(ctx context.Context) (T, func(context.Context) error, error)) T {
	t.Helper()
	if !inMain.Load() {
		t.Fatal("testenv: this package needs: func TestMain(m *testing.M) { os.Exit(testenv.Main(m)) }")
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.tried {
		e.tried = true
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
		defer cancel()
		var stop func(context.Context) error
		e.value, stop, e.err = start(ctx)
		if e.err == nil {
			enginesMu.Lock()
			engines = append(engines, stop)
			enginesMu.Unlock()
		}
	}
	if e.err == nil {
		return e.value
	}
	if _, ok := e.err.(missing); ok && os.Getenv("CI") != "true" { //nolint:errorlint // only this layer makes it
		t.Skipf("testenv: %s: %v", name, e.err)
	}
	t.Fatalf("testenv: %s: %v", name, e.err)
	return e.value
}

// quiet is the log of engines: their words reach a test through errors alone.
func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }
