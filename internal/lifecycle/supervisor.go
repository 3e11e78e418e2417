package lifecycle

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

// Process is what a Supervisor keeps running.
type Process interface {
	Watched
	Stop(ctx context.Context) error
}

// SupervisorConfig says how to keep a process running.
type SupervisorConfig struct {
	Name  string
	Start func(ctx context.Context) (Process, error) // returns when the process is ready
	Log   *slog.Logger

	Pause    time.Duration // before the first restart; doubled each time up to PauseMax; 500 ms if zero
	PauseMax time.Duration // 15 s if zero
	Tries    int           // restarts in a row before it gives up; 6 if zero
	Settled  time.Duration // a process that ran this long is no quick failure any more; 1 min if zero
}

// Supervisor starts a process again whenever it ends by itself, and ends itself when that happens too often.
type Supervisor struct {
	cfg    SupervisorConfig
	cancel context.CancelFunc
	done   chan struct{}

	mu      sync.Mutex
	err     error
	current Process
}

// Supervise starts the process and returns when it is ready. An error of this first start is returned, not retried.
func Supervise(ctx context.Context, cfg SupervisorConfig) (*Supervisor, error) {
	cfg.Pause = orDefault(cfg.Pause, 500*time.Millisecond)
	cfg.PauseMax = orDefault(cfg.PauseMax, 15*time.Second)
	cfg.Settled = orDefault(cfg.Settled, time.Minute)
	if cfg.Tries == 0 {
		cfg.Tries = 6
	}
	process, err := cfg.Start(ctx)
	if err != nil {
		return nil, err
	}
	running, cancel := context.WithCancel(context.WithoutCancel(ctx))
	s := &Supervisor{cfg: cfg, cancel: cancel, done: make(chan struct{}), current: process}
	go s.keep(running, process)
	return s, nil
}

// Done is closed when the supervisor gave up or was stopped.
func (s *Supervisor) Done() <-chan struct{} { return s.done }

// Err tells why it gave up; nil while it runs and after Stop.
func (s *Supervisor) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// Current is the process started last, running or not.
func (s *Supervisor) Current() Process {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.current
}

// Stop ends the process and its supervision. It may be called more than once.
func (s *Supervisor) Stop(ctx context.Context) error {
	s.cancel()
	err := s.Current().Stop(ctx)
	<-s.done
	return err
}

func (s *Supervisor) keep(ctx context.Context, process Process) {
	defer close(s.done)
	defer s.cancel()
	began, failures := time.Now(), 0
	for {
		select {
		case <-process.Done():
		case <-ctx.Done():
			_ = process.Stop(context.WithoutCancel(ctx))
			return
		}
		cause := process.Err()
		if time.Since(began) >= s.cfg.Settled {
			failures = 0
		}
		for {
			if ctx.Err() != nil {
				return
			}
			failures++
			if failures > s.cfg.Tries {
				s.mu.Lock()
				s.err = fmt.Errorf("%s ended %d times in a row and is not started again: %w", s.cfg.Name, failures, cause)
				s.mu.Unlock()
				return
			}
			pause := min(s.cfg.Pause<<(failures-1), s.cfg.PauseMax)
			s.cfg.Log.Warn("ended by itself; starting it again", "child", s.cfg.Name, "try", failures, "of", s.cfg.Tries, "after", pause, "cause", cause)
			select {
			case <-time.After(pause):
			case <-ctx.Done():
				return
			}
			starting, cancel := context.WithTimeout(ctx, StartTimeoutDefault)
			began = time.Now()
			next, err := s.cfg.Start(starting)
			cancel()
			if err == nil {
				process = next
				s.mu.Lock()
				s.current = next
				s.mu.Unlock()
				break
			}
			cause = err
		}
	}
}
