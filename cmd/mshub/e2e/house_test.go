// Package e2e drives the built mshub as a child process with real clients only: a browser's forms, REST, Connect, gRPC,
// GraphQL, WebSocket, the command line. Nothing of the product's insides is called.
//
//	house_test.go      a house on a fresh data directory, started, killed, started again
//	person_test.go     a person in a browser: cookie jar, forms, the captured mail
//	api_test.go        a client of the API: token, REST calls
//	journey_test.go    points 1 to 7 of the promise, one test each
//	people_test.go     the processes about people: many at once, documents, two approvals, erasure, digest
//	operator_test.go   an operator's day: schedules, limits, thousands of runs at once, webhooks, exports, votes
//	badinput_test.go   what must be refused, and how
//	browser_test.go    the console in Chromium, which also takes the pictures of the README
package e2e

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// house is a running `mshub up`.
type house struct {
	t    *testing.T
	data string
	cmd  *exec.Cmd
	url  string
	// link is the first administrator's, if one was printed.
	link     string
	temporal string
	ops      string
	// env is what this house is set to beside the defaults of all.
	env []string

	mu  sync.Mutex
	log strings.Builder
}

// binary is bin/mshub, built by make.
func binary(t testing.TB) string {
	t.Helper()
	path := os.Getenv("MSHUB_BIN")
	if path == "" {
		path = "../../../bin/mshub"
	}
	path, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("%s is missing: run `make build` first", path)
	}
	return path
}

// start brings a house up on its data directory and waits for the ready line.
func start(t *testing.T, data string, env ...string) *house {
	t.Helper()
	h := &house{t: t, data: data, env: env}
	h.start()
	t.Cleanup(h.stop)
	return h
}

// fresh starts a house on a new directory that an engine running as another user may enter.
func fresh(t *testing.T, env ...string) *house {
	t.Helper()
	dir, err := os.MkdirTemp("", "mshub-e2e-")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return start(t, filepath.Join(dir, "data"), env...)
}

var printed = map[string]*regexp.Regexp{
	"ready":    regexp.MustCompile(`^ready on (http://\S+)$`),
	"temporal": regexp.MustCompile(`^\s*Temporal\s+(http://\S+)`),
	"ops":      regexp.MustCompile(`^\s*metrics\s+(http://\S+)/metrics`),
	"link":     regexp.MustCompile(`(http://\S+/verify\?link=\S+)`),
}

func (h *house) start() {
	h.t.Helper()
	address := "localhost:0"
	if h.url != "" { // the same port again, as people would expect after a restart
		address = strings.TrimPrefix(h.url, "http://")
	}
	h.cmd = exec.Command(binary(h.t), "up", "--data", h.data, "--listen", address)
	h.cmd.Env = append(os.Environ(), "MSHUB_OPS_LISTEN=127.0.0.1:0", "MSHUB_TEMPORAL_UI_LISTEN=127.0.0.1:0", "MSHUB_LOG_LEVEL=info")
	h.cmd.Env = append(h.cmd.Env, h.env...)
	h.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	out, err := h.cmd.StdoutPipe()
	if err != nil {
		h.t.Fatal(err)
	}
	h.cmd.Stderr = writerFunc(h.note)
	if err := h.cmd.Start(); err != nil {
		h.t.Fatal(err)
	}
	ready := make(chan struct{})
	go func() {
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			line := lines.Text()
			h.note([]byte(line + "\n"))
			h.mu.Lock()
			for what, pattern := range printed {
				if m := pattern.FindStringSubmatch(line); m != nil {
					switch what {
					case "ready":
						h.url = m[1]
					case "temporal":
						h.temporal = m[1]
					case "ops":
						h.ops = m[1]
					case "link":
						h.link = m[1]
					}
				}
			}
			last := strings.HasPrefix(line, "ready on ")
			h.mu.Unlock()
			if last {
				close(ready)
			}
		}
	}()
	select {
	case <-ready:
	case <-time.After(3 * time.Minute):
		h.kill()
		h.t.Fatalf("no ready line:\n%s", h.output())
	}
}

// kill is SIGKILL to mshub alone: its children must notice by themselves.
func (h *house) kill() {
	_ = h.cmd.Process.Kill()
	_, _ = h.cmd.Process.Wait()
}

func (h *house) stop() {
	if h.cmd.ProcessState != nil {
		return
	}
	_ = h.cmd.Process.Signal(syscall.SIGTERM)
	done := make(chan struct{})
	go func() { _ = h.cmd.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(20 * time.Second):
		h.t.Errorf("mshub did not stop within 20 s of SIGTERM")
		_ = h.cmd.Process.Kill()
	}
	if h.t.Failed() {
		h.t.Logf("mshub said:\n%s", h.output())
	}
}

func (h *house) note(p []byte) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.log.Write(p)
}

func (h *house) output() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.log.String()
}

// mshub runs a subcommand of the command line and returns its standard output.
func (h *house) mshub(env map[string]string, args ...string) (stdout string, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, binary(h.t), args...)
	cmd.Env = append(os.Environ(), "MSHUB_URL="+h.url, "MSHUB_DATA="+h.data)
	for k, v := range env {
		cmd.Env = append(cmd.Env, k+"="+v)
	}
	var out, errs strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		return out.String(), fmt.Errorf("mshub %s: %w\n%s", strings.Join(args, " "), err, errs.String())
	}
	return out.String(), nil
}

// children lists the processes that mshub started from this data directory, by command line.
func (h *house) children() []string {
	var found []string
	entries, err := os.ReadDir("/proc")
	if err != nil {
		h.t.Skip("no /proc here: children can't be counted")
	}
	for _, e := range entries {
		raw, err := os.ReadFile(filepath.Join("/proc", e.Name(), "cmdline"))
		if err != nil {
			continue
		}
		line := strings.ReplaceAll(string(raw), "\x00", " ")
		if strings.Contains(line, h.data) && !strings.Contains(line, "mshub up") {
			found = append(found, line)
		}
	}
	return found
}

// eventually asks until it is true; the condition is the synchronisation, the pause only spares the machine.
func eventually(t testing.TB, patience time.Duration, what string, f func() bool) {
	t.Helper()
	deadline := time.Now().Add(patience)
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	for !f() {
		if time.Now().After(deadline) {
			t.Fatalf("not within %s: %s", patience, what)
		}
		<-ticker.C
	}
}

func body(t testing.TB, res *http.Response) string {
	t.Helper()
	defer func() { _ = res.Body.Close() }()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

func decode(t testing.TB, raw string) map[string]any {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal([]byte(raw), &m); err != nil {
		t.Fatalf("not JSON: %v\n%s", err, raw)
	}
	return m
}

type writerFunc func(p []byte)

func (f writerFunc) Write(p []byte) (int, error) {
	f(p)
	return len(p), nil
}
