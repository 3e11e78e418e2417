package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

const (
	// StartTimeoutDefault bounds the start of a unit that names no timeout.
	StartTimeoutDefault = 60 * time.Second
	// StopTimeoutDefault bounds the stop of a unit that names no timeout.
	StopTimeoutDefault = 5 * time.Second
)

// Unit is one thing to start and stop. Stop is called once at most and only after Start succeeded.
type Unit struct {
	Name  string
	Start func(ctx context.Context) error // returns when the unit is ready; nil if there is nothing to do
	Stop  func(ctx context.Context) error // returns when the unit has ended; nil if there is nothing to do

	StartTimeout time.Duration
	StopTimeout  time.Duration
}

// Group starts units in the order they were added and stops them in reverse.
// Fill it from one goroutine, then call Run; Stop and Fail may be called from any, before, during and after Run.
type Group struct {
	log   *slog.Logger
	units []Unit

	once  sync.Once
	ended chan struct{} // closed by the first Stop or Fail
	err   error         // what Fail said; valid once ended is closed

	finished chan struct{} // closed when Run returns
	running  sync.Once
}

// NewGroup returns an empty group.
func NewGroup(log *slog.Logger) *Group {
	return &Group{log: log, ended: make(chan struct{}), finished: make(chan struct{})}
}

// Add appends a unit.
func (g *Group) Add(u Unit) { g.units = append(g.units, u) }

// Go appends a unit that is one function: it is started in a goroutine of its own and stopped by ending its context.
// If it returns before that, the group fails with its error, or for lack of one with "ended by itself".
func (g *Group) Go(name string, run func(ctx context.Context) error) {
	var (
		cancel context.CancelFunc
		done   = make(chan struct{})
	)
	g.Add(Unit{
		Name: name,
		Start: func(ctx context.Context) error {
			var running context.Context
			running, cancel = context.WithCancel(context.WithoutCancel(ctx)) //nolint:gosec // Stop calls it
			go func() {
				defer close(done)
				err := run(running)
				switch {
				case running.Err() != nil: // it was asked to
				case err == nil:
					g.Fail(fmt.Errorf("%s ended by itself", name))
				default:
					g.Fail(fmt.Errorf("%s: %w", name, err))
				}
			}()
			return nil
		},
		Stop: func(ctx context.Context) error {
			cancel()
			select {
			case <-done:
				return nil
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		},
	})
}

// Watched is something that may end by itself: a Child, a Supervisor, a database cluster.
type Watched interface {
	Done() <-chan struct{}
	Err() error // nil if it was stopped
}

// Watch makes the group fail when w ends by itself. Call it in the unit's Start.
func (g *Group) Watch(w Watched) {
	go func() {
		select {
		case <-w.Done():
			if err := w.Err(); err != nil {
				g.Fail(err)
			}
		case <-g.finished:
		}
	}()
}

// Fail ends Run with the error. Only the first call, of Fail or Stop, counts.
func (g *Group) Fail(err error) {
	g.once.Do(func() {
		g.err = err
		close(g.ended)
	})
}

// Stop ends Run without an error and returns when everything has stopped.
// Before Run it makes Run return at once; a second call only waits.
func (g *Group) Stop() {
	g.Fail(nil)
	g.running.Do(func() { close(g.finished) })
	<-g.finished
}

// Run starts every unit, waits until the context ends or something fails, stops what was started in reverse order
// and returns the first fatal error, joined with those of stopping. It may be called once.
func (g *Group) Run(ctx context.Context) error {
	first := false
	g.running.Do(func() { first = true })
	if !first {
		return nil // stopped before it was started, or run a second time
	}
	defer close(g.finished)

	started, err := g.start(ctx)
	if err == nil {
		select {
		case <-ctx.Done():
		case <-g.ended:
			err = g.err
		}
	}
	g.Fail(nil) // what ends from here on was meant to
	return errors.Join(err, g.stop(context.WithoutCancel(ctx), started))
}

// start returns how many units were started.
func (g *Group) start(ctx context.Context) (int, error) {
	for i, u := range g.units {
		select {
		case <-g.ended:
			return i, g.err
		case <-ctx.Done():
			return i, nil
		default:
		}
		if u.Start == nil {
			continue
		}
		began := time.Now()
		timeout := orDefault(u.StartTimeout, StartTimeoutDefault)
		starting, cancel := context.WithTimeoutCause(ctx, timeout, fmt.Errorf("not ready within %s", timeout))
		err := u.Start(starting)
		cancel()
		if err != nil {
			if ctx.Err() != nil { // interrupted, not failed
				return i, nil //nolint:nilerr // whoever ended the context knows why
			}
			return i, fmt.Errorf("start %s: %w", u.Name, err)
		}
		g.log.Debug("started", "unit", u.Name, "took", time.Since(began))
	}
	return len(g.units), nil
}

func (g *Group) stop(ctx context.Context, started int) error {
	var errs []error
	for i := started - 1; i >= 0; i-- {
		u := g.units[i]
		if u.Stop == nil {
			continue
		}
		began := time.Now()
		timeout := orDefault(u.StopTimeout, StopTimeoutDefault)
		stopping, cancel := context.WithTimeoutCause(ctx, timeout, fmt.Errorf("not stopped within %s", timeout))
		if err := u.Stop(stopping); err != nil {
			errs = append(errs, fmt.Errorf("stop %s: %w", u.Name, err))
		}
		cancel()
		g.log.Debug("stopped", "unit", u.Name, "took", time.Since(began))
	}
	return errors.Join(errs...)
}

func orDefault(d, otherwise time.Duration) time.Duration {
	if d == 0 {
		return otherwise
	}
	return d
}
