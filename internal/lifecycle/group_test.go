package lifecycle

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// diary records what units do, in order.
type diary struct{ entries []string }

func (d *diary) unit(name string, start, stop error) Unit {
	return Unit{
		Name:  name,
		Start: func(context.Context) error { d.entries = append(d.entries, "start "+name); return start },
		Stop:  func(context.Context) error { d.entries = append(d.entries, "stop "+name); return stop },
	}
}

func TestGroupStartsInOrderAndStopsInReverse(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	for name, test := range map[string]struct {
		second error // of the second unit's start
		end    func(g *Group, cancel context.CancelFunc)
		want   []string
		err    error
	}{
		"the context ends": {
			end:  func(_ *Group, cancel context.CancelFunc) { cancel() },
			want: []string{"start a", "start b", "start c", "stop c", "stop b", "stop a"},
		},
		"something fails": {
			end: func(g *Group, _ context.CancelFunc) {
				g.Fail(broken)
				g.Fail(errors.New("and that broke something else"))
			},
			want: []string{"start a", "start b", "start c", "stop c", "stop b", "stop a"},
			err:  broken,
		},
		"a start fails": {
			second: broken,
			want:   []string{"start a", "start b", "stop a"},
			err:    broken,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			var d diary
			g := NewGroup(slog.New(slog.DiscardHandler))
			g.Add(d.unit("a", nil, nil))
			g.Add(d.unit("b", test.second, nil))
			last := d.unit("c", nil, nil)
			start := last.Start
			last.Start = func(ctx context.Context) error {
				defer test.end(g, cancel)
				return start(ctx)
			}
			g.Add(last)
			if err := g.Run(ctx); !errors.Is(err, test.err) {
				t.Errorf("Run = %v, want %v", err, test.err)
			}
			if diff := cmp.Diff(test.want, d.entries); diff != "" {
				t.Errorf("what happened (-want +got):\n%s", diff)
			}
		})
	}
}

func TestGroupToleratesStopWithoutStartAndTwice(t *testing.T) {
	t.Parallel()
	var d diary
	g := NewGroup(slog.New(slog.DiscardHandler))
	g.Add(d.unit("a", nil, nil))
	g.Stop()
	g.Stop()
	if err := g.Run(t.Context()); err != nil || len(d.entries) > 0 {
		t.Errorf("Run after Stop = %v, did %v; want nothing", err, d.entries)
	}
}

func TestGroupCutsAStopThatHangs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		g := NewGroup(slog.New(slog.DiscardHandler))
		running, stopRunning := context.WithCancel(context.Background())
		defer stopRunning()
		g.Add(Unit{
			Name:        "stuck",
			StopTimeout: 3 * time.Second,
			Stop:        func(ctx context.Context) error { <-ctx.Done(); return context.Cause(ctx) },
		})
		g.Go("loop", func(ctx context.Context) error { <-running.Done(); return nil })
		began := time.Now()
		done := make(chan error)
		go func() { done <- g.Run(context.WithoutCancel(ctx)) }()
		synctest.Wait()
		go g.Stop()
		err := <-done
		if took := time.Since(began); took != StopTimeoutDefault+3*time.Second {
			t.Errorf("stopping took %s", took)
		}
		if err == nil || !strings.Contains(err.Error(), "stop stuck: not stopped within 3s") || !strings.Contains(err.Error(), "stop loop") {
			t.Errorf("Run = %v; want the names of what hung", err)
		}
	})
}

func TestGroupFailsWhenALoopEnds(t *testing.T) {
	t.Parallel()
	g := NewGroup(slog.New(slog.DiscardHandler))
	g.Go("loop", func(context.Context) error { return nil })
	if err := g.Run(t.Context()); err == nil || err.Error() != "loop ended by itself" {
		t.Errorf("Run = %v", err)
	}
}

// fake is a process that dies after a time or when it is stopped.
type fake struct {
	ctx   context.Context
	stop  context.CancelFunc
	timer *time.Timer
}

var errDied = errors.New("its last words")

func dieAfter(d time.Duration) *fake {
	ctx, die := context.WithCancelCause(context.Background())
	return &fake{ctx: ctx, stop: func() { die(nil) }, timer: time.AfterFunc(d, func() { die(errDied) })}
}

func (f *fake) Done() <-chan struct{} { return f.ctx.Done() }

func (f *fake) Err() error {
	if errors.Is(context.Cause(f.ctx), errDied) {
		return errDied
	}
	return nil
}

func (f *fake) Stop(context.Context) error {
	f.timer.Stop()
	f.stop()
	return nil
}

func TestSupervisorPausesLongerEachTimeAndGivesUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var starts []time.Duration
		began := time.Now()
		s, err := Supervise(t.Context(), SupervisorConfig{
			Name: "temporal", Log: slog.New(slog.DiscardHandler), Tries: 4, Pause: time.Second, PauseMax: 4 * time.Second,
			Start: func(context.Context) (Process, error) {
				starts = append(starts, time.Since(began))
				if len(starts) == 3 {
					return nil, errors.New("it did not even start") // counts like a death
				}
				return dieAfter(0), nil
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		<-s.Done()
		want := []time.Duration{0, 1 * time.Second, 3 * time.Second, 7 * time.Second, 11 * time.Second}
		if diff := cmp.Diff(want, starts); diff != "" {
			t.Errorf("starts (-want +got):\n%s", diff)
		}
		if err := s.Err(); err == nil || !strings.Contains(err.Error(), "temporal ended 5 times in a row") || !strings.Contains(err.Error(), "its last words") {
			t.Errorf("Err = %v", err)
		}
	})
}

func TestSupervisorForgetsOldFailures(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		starts := 0
		s, err := Supervise(t.Context(), SupervisorConfig{
			Name: "temporal", Log: slog.New(slog.DiscardHandler), Tries: 1, Pause: time.Second, Settled: time.Minute,
			Start: func(context.Context) (Process, error) { starts++; return dieAfter(time.Hour), nil },
		})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(10*time.Hour + time.Minute)
		synctest.Wait()
		if starts != 11 || s.Err() != nil {
			t.Errorf("%d starts, %v; want 11 and no error", starts, s.Err())
		}
		for range 2 {
			if err := s.Stop(t.Context()); err != nil {
				t.Error(err)
			}
		}
		if err := s.Err(); err != nil {
			t.Errorf("Err after Stop = %v", err)
		}
	})
}
