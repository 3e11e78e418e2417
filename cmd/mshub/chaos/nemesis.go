package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"syscall"
	"time"
)

// nemesis carries out the plan, each fault at its time, and reports what it did. It returns when all that it took away is
// back.
func nemesis(ctx context.Context, faults []fault, h *house, e *engines, report io.Writer) error {
	began := time.Now()
	var (
		under    sync.WaitGroup
		mu       sync.Mutex
		failures []error
	)
	for _, f := range faults {
		wait(ctx, time.Until(began.Add(f.at)))
		if ctx.Err() != nil {
			break
		}
		fmt.Fprintf(report, "  %6.1fs  %s\n", time.Since(began).Seconds(), f)
		under.Go(func() {
			if err := strike(ctx, f, h, e); err != nil {
				mu.Lock()
				defer mu.Unlock()
				failures = append(failures, fmt.Errorf("%s: %w", f, err))
			}
		})
	}
	under.Wait()
	return errors.Join(failures...)
}

func strike(ctx context.Context, f fault, h *house, e *engines) error {
	switch f.victim {
	case "postgres":
		return e.restartPostgres(ctx, f.kind, f.lasts)
	case "mongod":
		if f.kind == freeze {
			return freezeProcess(ctx, e.mongo.child.PID(), f.lasts)
		}
		return e.restartMongo(ctx, f.kind, f.lasts)
	case "redis":
		if f.kind == flush {
			return e.flushRedis(ctx)
		}
		return e.restartRedis(ctx, f.lasts)
	case "temporal":
		if f.kind == freeze {
			return freezeProcess(ctx, e.temporal.PID(), f.lasts)
		}
		return syscall.Kill(e.temporal.PID(), syscall.SIGKILL)
	}
	r := h.roles[f.victim]
	if f.kind == freeze {
		return freezeProcess(ctx, r.current().PID(), f.lasts)
	}
	return r.kill(f.lasts)
}
