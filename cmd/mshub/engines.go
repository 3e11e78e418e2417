package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"github.com/microservicehub/mshub/internal/config"
	"github.com/microservicehub/mshub/internal/lifecycle"
	"github.com/microservicehub/mshub/internal/postgres"
	"github.com/microservicehub/mshub/internal/postgres/cluster"
	"github.com/microservicehub/mshub/internal/redis"
	"github.com/microservicehub/mshub/internal/temporal"
	runs "github.com/microservicehub/mshub/services/runs/store"
)

// engines are what `up` brings along: each is started only if no address of a real one is configured. When all have
// started, the settings hold every address, and the rest of the house can't tell the difference.
type engines struct {
	set     *settings
	dir     string
	lock    *lifecycle.Lock
	abandon bool
	log     *slog.Logger
	// died ends the house when an engine was restarted in vain.
	died func(lifecycle.Watched)

	postgres *lifecycle.Supervisor
	temporal *temporal.DevServer
	redis    *redis.Embedded
}

// start brings them up side by side; PostgreSQL is migrated as soon as it answers.
func (e *engines) start(ctx context.Context) error {
	migrated := make(chan struct{})
	group, starting := errgroup.WithContext(ctx)
	group.Go(func() error {
		defer close(migrated)
		if err := e.startPostgres(starting); err != nil {
			return err
		}
		return e.migrate(starting)
	})
	group.Go(func() error { return e.startTemporal(starting, migrated) })
	group.Go(e.startRedis)
	return group.Wait()
}

func (e *engines) startPostgres(ctx context.Context) error {
	if e.set.DatabaseURL != "" {
		return nil
	}
	// A crash of the server (a kill, no memory) is no loss: it recovers from its log, and the pools connect again.
	started, err := lifecycle.Supervise(ctx, lifecycle.SupervisorConfig{
		Name: "PostgreSQL", Log: e.log,
		Start: func(ctx context.Context) (lifecycle.Process, error) {
			server, err := cluster.Start(ctx, cluster.Config{
				Dir: filepath.Join(e.dir, "postgres"), Binaries: os.Getenv("MSHUB_POSTGRES_BIN"), Hold: e.lock, Log: e.log,
			})
			if err != nil {
				return nil, err
			}
			if url := config.Secret(server.URL()); e.set.DatabaseURL == "" {
				e.set.DatabaseURL = url
			} else if e.set.DatabaseURL != url {
				return nil, errors.Join(errors.New("PostgreSQL came back at another address"), server.Stop(ctx))
			}
			return server, nil
		},
	})
	if err != nil {
		return err
	}
	e.postgres = started
	e.died(started)
	return nil
}

func (e *engines) migrate(ctx context.Context) error {
	return migrate(ctx, e.set)
}

func (e *engines) startTemporal(ctx context.Context, migrated <-chan struct{}) error {
	if e.set.TemporalAddress != "" {
		return nil
	}
	started, err := temporal.StartDevServer(ctx, temporal.DevServerConfig{
		Binary: os.Getenv("MSHUB_TEMPORAL_BIN"), Dir: filepath.Join(e.dir, "temporal"), UIListen: e.set.TemporalUIListen,
		OpenRuns: func(ctx context.Context) ([]string, error) {
			select {
			case <-migrated:
				return e.openRuns(ctx)
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		},
		Abandon: e.abandon, Hold: e.lock, Log: e.log,
	})
	if err != nil {
		return err
	}
	e.temporal = started
	e.set.TemporalAddress = started.Address()
	e.died(started)
	return nil
}

// openRuns names the runs that a new Temporal could not go on with.
func (e *engines) openRuns(ctx context.Context) ([]string, error) {
	db, err := postgres.Open(ctx, e.set.DatabaseURL.Reveal(), 1)
	if err != nil {
		return nil, err
	}
	defer db.Close()
	var open []string
	err = db.System(ctx, func(tx pgx.Tx) error {
		ids, err := runs.New().OpenRuns(ctx, tx)
		for _, id := range ids {
			open = append(open, "runs/"+id.String())
		}
		return err
	})
	return open, err
}

func (e *engines) startRedis() error {
	if e.set.RedisURL != "" {
		return nil
	}
	started, err := redis.StartEmbedded()
	if err != nil {
		return fmt.Errorf("redis: %w", err)
	}
	e.redis = started
	e.set.RedisURL = config.Secret(started.URL())
	return nil
}

// stop is the last act of the house: workers and servers have stopped before.
func (e *engines) stop(ctx context.Context) error {
	if e.redis != nil {
		e.redis.Close()
	}
	var stopping errgroup.Group
	if e.temporal != nil {
		stopping.Go(func() error { return e.temporal.Stop(ctx) })
	}
	if e.postgres != nil {
		stopping.Go(func() error { return e.postgres.Stop(ctx) })
	}
	return stopping.Wait()
}

// enginesTimeout covers the first start of all: initdb, and Temporal's schema, on a slow machine.
const enginesTimeout = 2 * time.Minute
