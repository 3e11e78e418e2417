package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// coldLimit is when a cold start is given up.
const coldLimit = 15 * time.Minute

// measureCold clones this checkout's commit and runs `make run` in it with every cache empty (Go's two, npm's, the
// product's own), as on a machine on which nothing was ever built. What is already installed beside them is used: Go, Node,
// make, PostgreSQL's binaries.
func measureCold(ctx context.Context, _ sizes) ([]Figure, error) {
	dir, err := os.MkdirTemp("", "mshub-cold-")
	if err != nil {
		return nil, err
	}
	defer forceRemove(dir)
	if err := os.Chmod(dir, 0o755); err != nil { // PostgreSQL's user reads the guard from here
		return nil, err
	}
	clone := filepath.Join(dir, "clone")
	if out, err := exec.CommandContext(ctx, "git", "clone", "--quiet", ".", clone).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("git clone: %w: %s", err, out)
	}
	seconds, err := coldStart(ctx, dir, clone)
	if err != nil {
		return nil, err
	}
	return []Figure{figure("cold `make run`, all caches empty, to the ready line", "s", "median < 360", []float64{seconds}, "", nil)}, nil
}

// coldStart returns the seconds from `make run` to the ready line, then stops the house.
func coldStart(ctx context.Context, dir, clone string) (float64, error) {
	ctx, cancel := context.WithTimeout(ctx, coldLimit)
	defer cancel()
	cmd := exec.Command("make", "run")
	cmd.Dir = clone
	cmd.Env = append(os.Environ(),
		"GOCACHE="+filepath.Join(dir, "go-build"), "GOMODCACHE="+filepath.Join(dir, "go-mod"), "XDG_CACHE_HOME="+filepath.Join(dir, "cache"),
		"npm_config_cache="+filepath.Join(dir, "npm"), "MSHUB_DATA="+filepath.Join(dir, "data"),
		"MSHUB_LISTEN=127.0.0.1:0", "MSHUB_OPS_LISTEN=127.0.0.1:0", "MSHUB_TEMPORAL_UI_LISTEN=127.0.0.1:0", "MSHUB_TEMPORAL_BIN=")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return 0, err
	}
	cmd.Stderr = cmd.Stdout
	begin := time.Now()
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	stop := context.AfterFunc(ctx, func() { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGINT) })
	defer stop()
	seconds, said := 0.0, ""
	for lines := bufio.NewScanner(out); lines.Scan(); {
		line := lines.Text()
		if strings.Contains(line, "ready on http") && seconds == 0 {
			seconds = time.Since(begin).Seconds()
			_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGINT)
		}
		if !strings.Contains(line, "downloading") {
			said = line
		}
	}
	err = cmd.Wait()
	if seconds == 0 {
		return 0, fmt.Errorf("no ready line after %s: %w; the last words were %q", time.Since(begin).Round(time.Second), err, said)
	}
	return seconds, nil
}

// forceRemove deletes a folder with Go's module cache in it, which is read-only.
func forceRemove(dir string) {
	_ = filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			_ = os.Chmod(path, 0o755)
		}
		return nil
	})
	_ = os.RemoveAll(dir)
}
