package lifecycle

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"
)

// Signal is one attempt to stop a child: the signal, and how long it may take to have effect.
type Signal struct {
	Number syscall.Signal `json:"number"`
	Wait   time.Duration  `json:"wait"`
}

// User is the user a child runs as. Nil means the user of mshub.
type User struct {
	UID uint32 `json:"uid"`
	GID uint32 `json:"gid"`
}

func (u *User) credential() *syscall.Credential {
	if u == nil {
		return nil
	}
	return &syscall.Credential{Uid: u.UID, Gid: u.GID}
}

// ChildConfig describes a program to run.
type ChildConfig struct {
	Name string // as it appears in the log and in errors
	Path string // the executable, absolute
	Args []string
	Env  []string // all of its environment; nothing is inherited
	Dir  string   // working directory; "/" if empty
	User *User

	// Signals stop the child's process group, in this order; SIGKILL follows if none had effect.
	Signals []Signal

	// Hold is a file the guard keeps open until the child has ended: a Lock.
	Hold *Lock

	// Remove lists paths that the guard deletes after the child has ended, however that came about.
	Remove []string

	Log      *slog.Logger // receives what the child prints, a line a record
	LogLevel slog.Level
}

// Child is a running program that cannot outlive this one. Its methods may be called concurrently.
type Child struct {
	name string
	pid  int
	tail *tail

	signals  []Signal
	lifeline *os.File // closing it makes the guard stop the child
	guard    *exec.Cmd
	close    sync.Once
	stopping chan struct{}

	done chan struct{}
	err  error // valid once done is closed
}

// StartChild starts the program through a guard and returns as soon as it runs, ready or not.
// The context bounds the start alone; Stop ends the child.
func StartChild(ctx context.Context, cfg ChildConfig) (*Child, error) {
	if !guarded.Load() {
		return nil, fmt.Errorf("start %s: this program does not call lifecycle.MaybeGuard first thing in main", cfg.Name)
	}
	guard, err := guardCommand(cfg.Name)
	if err != nil {
		return nil, err
	}
	lifelineRead, lifeline, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", cfg.Name, err)
	}
	status, statusWrite, err := os.Pipe()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("start %s: %w", cfg.Name, err), lifelineRead.Close(), lifeline.Close())
	}
	guard.ExtraFiles = []*os.File{lifelineRead, statusWrite}
	if cfg.Hold != nil {
		guard.ExtraFiles = append(guard.ExtraFiles, cfg.Hold.file)
	}
	c := &Child{
		name:     cfg.Name,
		tail:     &tail{log: cfg.Log.With("child", cfg.Name), level: cfg.LogLevel},
		signals:  cfg.Signals,
		lifeline: lifeline,
		guard:    guard,
		stopping: make(chan struct{}),
		done:     make(chan struct{}),
	}
	guard.Stdout, guard.Stderr = c.tail, c.tail
	err = guard.Start()
	_ = lifelineRead.Close()
	_ = statusWrite.Close()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("start the guard of %s: %w", cfg.Name, err), lifeline.Close(), status.Close())
	}

	order, err := json.Marshal(guardOrder{
		Path: cfg.Path, Args: cfg.Args, Env: cfg.Env, Dir: orRoot(cfg.Dir),
		User: cfg.User, Signals: cfg.Signals, Remove: cfg.Remove,
	})
	if err == nil {
		_, err = lifeline.Write(append(order, '\n'))
	}
	if err != nil {
		c.closeLifeline()
		return nil, errors.Join(fmt.Errorf("start %s: %w", cfg.Name, err), guard.Wait(), status.Close())
	}

	started := make(chan error, 1)
	go c.watch(status, started)
	select {
	case err := <-started:
		if err != nil {
			<-c.done
			return nil, fmt.Errorf("start %s: %w", cfg.Name, err)
		}
		return c, nil
	case <-ctx.Done():
		_ = c.Stop(context.WithoutCancel(ctx))
		return nil, fmt.Errorf("start %s: %w", cfg.Name, context.Cause(ctx))
	}
}

func orRoot(dir string) string {
	if dir == "" {
		return "/"
	}
	return dir
}

// watch reads the guard's reports and waits for its end.
func (c *Child) watch(status *os.File, started chan<- error) {
	defer close(c.done)
	defer func() { _ = status.Close() }()
	reports := json.NewDecoder(bufio.NewReader(status))

	var first, last guardStatus
	err := reports.Decode(&first)
	switch {
	case errors.Is(err, io.EOF):
		err = errors.New("its guard ended before it began")
	case err == nil && first.Error != "":
		err = errors.New(first.Error)
	}
	if err != nil {
		c.closeLifeline()
		_ = c.guard.Wait()
		c.err = err
		started <- err
		return
	}
	c.pid = first.PID
	started <- nil

	reported := reports.Decode(&last) == nil
	_ = c.guard.Wait()
	if !reported { // the guard itself was killed
		takeDown(c.pid, c.signals, c.gone)
		last.Ended = "its guard was killed"
	}
	select {
	case <-c.stopping:
	default:
		c.err = &EndedError{Name: c.name, How: last.Ended, Tail: c.tail.String()}
	}
	c.closeLifeline()
}

// gone polls whether the child's group is empty, for the one case in which nobody waits for it.
func (c *Child) gone(wait time.Duration) bool {
	for end := time.Now().Add(wait); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if errors.Is(syscall.Kill(-c.pid, 0), syscall.ESRCH) {
			return true
		}
	}
	return false
}

// PID is the child's process id, which is its process group's too.
func (c *Child) PID() int { return c.pid }

// Tail returns the last lines the child printed.
func (c *Child) Tail() string { return c.tail.String() }

// Done is closed when the child and its guard have ended.
func (c *Child) Done() <-chan struct{} { return c.done }

// Err is nil while the child runs and after Stop; otherwise an *EndedError that says how it ended.
func (c *Child) Err() error {
	select {
	case <-c.done:
		return c.err
	default:
		return nil
	}
}

// Stop runs down the configured signals and returns when the child has ended. It may be called more than once.
// If the context ends first, the child is killed.
func (c *Child) Stop(ctx context.Context) error {
	c.closeLifeline()
	select {
	case <-c.done:
		return nil
	case <-ctx.Done():
	}
	_ = syscall.Kill(-c.pid, syscall.SIGKILL)
	<-c.done
	return fmt.Errorf("stop %s: killed, because it had not ended in time: %w", c.name, context.Cause(ctx))
}

func (c *Child) closeLifeline() {
	c.close.Do(func() {
		close(c.stopping)
		_ = c.lifeline.Close()
	})
}

// EndedError tells that a child ended though nobody had asked it to.
type EndedError struct {
	Name string
	How  string // "exit status 1", "signal: killed"
	Tail string // the last lines it printed
}

func (e *EndedError) Error() string {
	if e.Tail == "" {
		return fmt.Sprintf("%s ended by itself (%s)", e.Name, e.How)
	}
	return fmt.Sprintf("%s ended by itself (%s); its last words:\n%s", e.Name, e.How, e.Tail)
}
