package main

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"go.temporal.io/sdk/client"
)

const (
	overheadSamples  = 5
	overheadRuns     = 500
	overheadStarters = 16
)

// measureOverhead runs a process of one step, from StartRun (token, rule, validation, row, journal) to its written end.
// The peer is a workflow of one activity by the plain SDK, on the same Temporal server, with as many starters, the same
// workers' options and the same way of waiting. They take turns.
func measureOverhead(ctx context.Context) ([]Figure, error) {
	o, err := newOneStep(ctx)
	if err != nil {
		return nil, err
	}
	defer o.close()
	if _, _, err := load(ctx, overheadRuns/5, o.run); err != nil { // warms both up
		return nil, err
	}
	if _, _, err := load(ctx, overheadRuns/5, o.plain); err != nil {
		return nil, err
	}
	var ours, theirs, ourDelay, theirDelay []float64
	for range overheadSamples {
		rate, delay, err := load(ctx, overheadRuns, o.run)
		if err != nil {
			return nil, err
		}
		ours, ourDelay = append(ours, rate), append(ourDelay, delay)
		if rate, delay, err = load(ctx, overheadRuns, o.plain); err != nil {
			return nil, err
		}
		theirs, theirDelay = append(theirs, rate), append(theirDelay, delay)
	}
	const peer = "plain Temporal SDK"
	return []Figure{
		figure("runs of a one-step process, 16 at once", "runs/s", "ratio >= 0.9 (next)", ours, peer, theirs),
		figure("half of these runs end within (p50)", "ms", "-", ourDelay, peer, theirDelay),
	}, nil
}

// load calls one n times, overheadStarters at once: calls a second, and the median duration of a call in milliseconds.
func load(ctx context.Context, n int, one func(ctx context.Context) error) (rate, median float64, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	durations := make([]float64, n)
	var next atomic.Int64
	var starters sync.WaitGroup
	began := time.Now()
	for range overheadStarters {
		starters.Go(func() {
			for i := next.Add(1); i <= int64(n) && ctx.Err() == nil; i = next.Add(1) {
				start := time.Now()
				if err := one(ctx); err != nil {
					cancel(err)
					return
				}
				durations[i-1] = float64(time.Since(start).Microseconds()) / 1000
			}
		})
	}
	starters.Wait()
	if err := context.Cause(ctx); err != nil {
		return 0, 0, err
	}
	return float64(n) / time.Since(began).Seconds(), spread("", durations).Median, nil
}

// plain is the peer's run.
func (o *oneStep) plain(ctx context.Context) error {
	run, err := o.peer.ExecuteWorkflow(ctx, client.StartWorkflowOptions{
		ID: uuid.NewString(), TaskQueue: plainQueue, EnableEagerStart: true,
	}, plainWorkflow, input)
	if err != nil {
		return err
	}
	return run.Get(ctx, nil)
}
