package cluster

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// endLeftover deals with postmaster.pid. A server that still works on the directory belonged to an mshub whose guard was
// killed too, for the caller holds the lock of the directory: it is stopped. A number that by now belongs to some other
// process, as happens in restarted containers, would keep PostgreSQL from starting: the file is removed.
func endLeftover(ctx context.Context, dir string, log *slog.Logger) error {
	path := filepath.Join(dir, "postmaster.pid")
	pid, err := firstNumber(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if !serves(ctx, pid, dir) {
		return os.Remove(path)
	}
	log.Warn("stopping a PostgreSQL server that an earlier mshub left behind", "pid", pid)
	for _, s := range []syscall.Signal{syscall.SIGINT, syscall.SIGQUIT} {
		if err := syscall.Kill(pid, s); err != nil && !errors.Is(err, syscall.ESRCH) {
			return fmt.Errorf("stop the PostgreSQL server %d that an earlier mshub left behind in %s: %w", pid, dir, err)
		}
		for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
			if errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
				return nil
			}
			if err := ctx.Err(); err != nil {
				return err
			}
		}
	}
	return fmt.Errorf("the PostgreSQL server %d that an earlier mshub left behind in %s does not stop", pid, dir)
}

func firstNumber(path string) (int, error) {
	file, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer func() { _ = file.Close() }()
	lines := bufio.NewScanner(file)
	lines.Scan()
	pid, _ := strconv.Atoi(strings.TrimSpace(lines.Text())) // a file cut short by a crash names no process
	return pid, lines.Err()
}

// serves says whether the process is a PostgreSQL server working on dir, which is its working directory.
func serves(ctx context.Context, pid int, dir string) bool {
	if pid <= 1 || errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
		return false
	}
	if runtime.GOOS == "linux" {
		cwd, err := os.Readlink(fmt.Sprintf("/proc/%d/cwd", pid))
		resolved, resolveErr := filepath.EvalSymlinks(dir)
		return err == nil && resolveErr == nil && cwd == resolved
	}
	out, err := exec.CommandContext(ctx, "ps", "-o", "comm=", "-p", strconv.Itoa(pid)).Output()
	return err == nil && strings.Contains(filepath.Base(strings.TrimSpace(string(out))), program)
}
