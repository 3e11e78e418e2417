package lifecycle

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// parentVariable makes this test program a parent to be killed: it starts the shell script in it as a child, prints the
// child's process id, and waits.
const parentVariable = "LIFECYCLE_TEST_PARENT"

func TestMain(m *testing.M) {
	MaybeGuard()
	if script := os.Getenv(parentVariable); script != "" {
		beParent(script)
	}
	os.Exit(m.Run())
}

func beParent(script string) {
	lock, err := AcquireLock(os.Getenv("LIFECYCLE_TEST_DIR"), 0)
	if err == nil {
		cfg := shell(script)
		cfg.Hold = lock
		cfg.Remove = []string{filepath.Join(os.Getenv("LIFECYCLE_TEST_DIR"), "scratch")}
		var child *Child
		if child, err = StartChild(context.Background(), cfg); err == nil {
			fmt.Println(child.PID())
			select {}
		}
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// shell is a child that runs a script.
func shell(script string) ChildConfig {
	return ChildConfig{
		Name: "script",
		Path: "/bin/sh",
		Args: []string{"-c", script},
		Env:  []string{"PATH=/usr/local/bin:/usr/bin:/bin"},
		Signals: []Signal{
			{syscall.SIGINT, 2 * time.Second},
			{syscall.SIGQUIT, 100 * time.Millisecond},
		},
		Log: slog.New(slog.DiscardHandler),
	}
}

// until polls for something another process does.
func until(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !holds(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within 20 s: %s", what)
		}
	}
}

func gone(pid int) func() bool {
	return func() bool { return errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) }
}

func TestKilledParentLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	for name, script := range map[string]string{
		"a child that ends when asked":    `sleep 1000 & trap 'echo INT >said; kill $!; exit 0' INT; echo ready >ready; wait`,
		"a child that ignores everybody":  `trap '' INT QUIT TERM; echo INT >said; echo ready >ready; while :; do sleep 1000; done`,
		"a child that talks all the time": `trap 'echo INT >said; exit 0' INT; echo ready >ready; while :; do echo words; done`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			if err := os.Mkdir(filepath.Join(dir, "scratch"), 0o700); err != nil {
				t.Fatal(err)
			}
			parent := exec.Command(os.Args[0])
			parent.Env = append(os.Environ(), parentVariable+"=cd "+dir+"; "+script, "LIFECYCLE_TEST_DIR="+dir)
			parent.Stderr = os.Stderr
			out, err := parent.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := parent.Start(); err != nil {
				t.Fatal(err)
			}
			line, err := bufio.NewReader(out).ReadString('\n')
			if err != nil {
				t.Fatal(err)
			}
			child, err := strconv.Atoi(strings.TrimSpace(line))
			if err != nil {
				t.Fatal(err)
			}
			until(t, "the child is ready", func() bool { _, err := os.Stat(filepath.Join(dir, "ready")); return err == nil })

			if _, err := AcquireLock(dir, time.Second); err == nil {
				t.Error("the directory can be locked twice")
			} else if in := new(InUseError); !errors.As(err, &in) || in.Owner.PID != parent.Process.Pid {
				t.Errorf("error %q does not name process %d", err, parent.Process.Pid)
			}

			if err := parent.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			_ = parent.Wait()
			lock, err := AcquireLock(dir, 20*time.Second) // comes free when the guard ends, which is after the child
			if err != nil {
				t.Fatal(err)
			}
			if err := lock.Release(); err != nil {
				t.Error(err)
			}
			until(t, "the child's process group has gone", gone(-child))
			if said, _ := os.ReadFile(filepath.Join(dir, "said")); string(said) != "INT\n" {
				t.Errorf("the child said %q, want that it got the first signal", said)
			}
			if _, err := os.Stat(filepath.Join(dir, "scratch")); !os.IsNotExist(err) {
				t.Error("the guard did not remove what it was told to")
			}
		})
	}
}

func TestChildThatEndsByItself(t *testing.T) {
	t.Parallel()
	child, err := StartChild(t.Context(), shell(`echo one; echo two >&2; exit 3`))
	if err != nil {
		t.Fatal(err)
	}
	<-child.Done()
	ended := new(EndedError)
	if !errors.As(child.Err(), &ended) || ended.How != "exit status 3" || ended.Tail != "one\ntwo" {
		t.Errorf("Err = %v", child.Err())
	}
	if err := child.Stop(t.Context()); err != nil {
		t.Errorf("Stop of an ended child = %v", err)
	}
}

func TestStopTwice(t *testing.T) {
	t.Parallel()
	child, err := StartChild(t.Context(), shell(`exec sleep 1000`))
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := child.Stop(t.Context()); err != nil {
			t.Error(err)
		}
	}
	if err := child.Err(); err != nil {
		t.Errorf("Err after Stop = %v, want nil", err)
	}
	if !gone(child.PID())() {
		t.Error("it lives")
	}
}

func TestKilledGuardTakesTheChildAlong(t *testing.T) {
	t.Parallel()
	child, err := StartChild(t.Context(), shell(`exec sleep 1000`))
	if err != nil {
		t.Fatal(err)
	}
	if err := child.guard.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-child.Done()
	if child.Err() == nil {
		t.Error("Err = nil, want that it ended by itself")
	}
	until(t, "the child has ended", gone(child.PID()))
}

func TestChildOfAnotherUser(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("only root can start a child as somebody else")
	}
	cfg := shell(`id -u; exec sleep 1000`)
	cfg.User = &User{UID: 65534, GID: 65534}
	child, err := StartChild(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	until(t, "it says who it is", func() bool { return child.Tail() == "65534" })
	if err := child.Stop(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestProgramThatIsNotThere(t *testing.T) {
	t.Parallel()
	cfg := shell("")
	cfg.Path = "/nowhere/program"
	if _, err := StartChild(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), "/nowhere/program") {
		t.Errorf("error %v does not name the program", err)
	}
}
