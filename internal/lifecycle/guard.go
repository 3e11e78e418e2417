package lifecycle

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"sync/atomic"
	"syscall"
	"time"
)

// guardVariable marks an execution of this program as a guard. Its child never sees it.
const guardVariable = "MSHUB_GUARD"

// File descriptors that a guard inherits.
const (
	lifelineFD = 3 // read end: the order, then nothing until the parent has gone or wants the child stopped
	statusFD   = 4 // write end: one guardStatus when the child runs or could not be started, one when it has ended
	holdFD     = 5 // optional: a lock that must stay taken as long as the child may live
)

// guardOrder is what the parent asks of its guard: the first line on the lifeline.
type guardOrder struct {
	Path    string   `json:"path"`
	Args    []string `json:"args"`
	Env     []string `json:"env"`
	Dir     string   `json:"dir"`
	User    *User    `json:"user"`
	Signals []Signal `json:"signals"`
	Remove  []string `json:"remove"`
}

// guardStatus is what a guard reports.
type guardStatus struct {
	PID   int    `json:"pid,omitempty"`   // the child runs
	Error string `json:"error,omitempty"` // it could not be started
	Ended string `json:"ended,omitempty"` // it has ended, and how
}

// send fails when the parent has gone, and then nobody needs to know.
func (s guardStatus) send(to *os.File) {
	if text, err := json.Marshal(s); err == nil {
		_, _ = to.Write(append(text, '\n'))
	}
}

// guarded tells StartChild that this program can be its own guard; without it a child would be this program again.
var guarded atomic.Bool

// MaybeGuard turns this execution into a guard if a parent asked for one, and then never returns.
// Call it first thing in main, before flags are read or anything is started.
func MaybeGuard() {
	if os.Getenv(guardVariable) == "" {
		guarded.Store(true)
		return
	}
	os.Exit(runGuard())
}

// runGuard starts the ordered child and sees to its end. It survives every signal that can be caught: only the parent decides.
func runGuard() int {
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT)
	for fd := lifelineFD; fd <= holdFD; fd++ {
		syscall.CloseOnExec(fd) // the child must hold neither the lock nor the status pipe
	}
	lifeline := os.NewFile(lifelineFD, "lifeline")
	status := os.NewFile(statusFD, "status")

	reader := bufio.NewReader(lifeline)
	var order guardOrder
	line, err := reader.ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(line, &order)
	}
	if err != nil {
		return 1 // the parent died before it said what to start
	}
	defer func() {
		for _, path := range order.Remove {
			_ = os.RemoveAll(path)
		}
	}()

	// A parent death signal acts when the thread that started the child ends; this one lives as long as the guard.
	runtime.LockOSThread()
	output := make(chan struct{})
	child, err := startGuarded(order, output)
	if err != nil {
		guardStatus{Error: err.Error()}.send(status)
		return 1
	}
	guardStatus{PID: child.Process.Pid}.send(status)

	ended := make(chan struct{})
	go func() {
		_ = child.Wait()
		close(ended)
	}()
	orphaned := make(chan struct{})
	go func() {
		_, _ = io.Copy(io.Discard, reader)
		close(orphaned)
	}()

	select {
	case <-ended:
	case <-orphaned:
		takeDown(child.Process.Pid, order.Signals, func(wait time.Duration) bool {
			select {
			case <-ended:
				return true
			case <-time.After(wait):
				return false
			}
		})
		<-ended
	}
	_ = syscall.Kill(-child.Process.Pid, syscall.SIGKILL) // whatever it left behind in its group
	select {
	case <-output:
	case <-time.After(time.Second): // a grandchild of another group may hold the pipe for longer than that
	}
	guardStatus{Ended: child.ProcessState.String()}.send(status)
	return 0
}

// startGuarded starts the child as leader of its own process group, its output copied to the guard's.
// The copy is what keeps a child from dying of a broken pipe before it was asked to stop: the guard drains it to the end.
func startGuarded(order guardOrder, output chan<- struct{}) (*exec.Cmd, error) {
	read, write, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(order.Path, order.Args...) //nolint:noctx // it is ended by signals in order, never by a context
	cmd.Env, cmd.Dir = order.Env, order.Dir
	cmd.Stdout, cmd.Stderr = write, write
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Credential: order.User.credential()}
	dieWithGuard(cmd.SysProcAttr, order.Signals)
	err = cmd.Start()
	_ = write.Close()
	if err != nil {
		_ = read.Close()
		return nil, err
	}
	go func() {
		defer close(output)
		buffer := make([]byte, 16<<10)
		for {
			n, err := read.Read(buffer)
			_, _ = os.Stdout.Write(buffer[:n]) // fails once the parent has gone; reading goes on
			if err != nil {
				return
			}
		}
	}()
	return cmd, nil
}

// takeDown sends each signal in turn, waiting as long as it allows, and at last SIGKILL.
func takeDown(group int, signals []Signal, gone func(wait time.Duration) bool) {
	for _, s := range signals {
		_ = syscall.Kill(-group, s.Number)
		if gone(s.Wait) {
			return
		}
	}
	_ = syscall.Kill(-group, syscall.SIGKILL)
}

// guardCommand prepares this executable to run as the guard of the named child.
func guardCommand(name string) (*exec.Cmd, error) {
	path := "/proc/self/exe" // right even after the file was replaced by a newer one
	if runtime.GOOS != "linux" {
		var err error
		if path, err = os.Executable(); err != nil {
			return nil, fmt.Errorf("find this program to guard %s: %w", name, err)
		}
	}
	cmd := exec.Command(path)               //nolint:noctx // it outlives whoever started it, on purpose
	cmd.Args = []string{"guard of " + name} // its own name, so that `pkill mshub` leaves it to do its duty
	cmd.Env = append(os.Environ(), guardVariable+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // out of reach of the terminal's Ctrl-C
	return cmd, nil
}
