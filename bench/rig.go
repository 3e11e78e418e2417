package main

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/microservicehub/mshub/internal/postgres/cluster"
)

// rig is a house under measurement: the built binary on a fresh data directory, beside a PostgreSQL that the measurement
// can reach too.
type rig struct {
	dir      string
	database *cluster.Cluster
	env      []string
	cmd      *exec.Cmd
	url      string
	// ready is how long the ready line took.
	ready time.Duration
	// link is the first administrator's, printed while there is none.
	link string
	http *http.Client
	// request makes one that ends with the whole measurement, when it is interrupted.
	request func(method, url string, body io.Reader) (*http.Request, error)

	// token is how calls are signed: a machine client's (client) or a person's (signIn).
	token func() (string, error)
	mu    sync.Mutex // of the cached token
	cache string
	until time.Time
}

// newRig prepares a directory; ownDatabase starts a PostgreSQL with durability on, as in production.
func newRig(ctx context.Context, ownDatabase bool, env ...string) (*rig, error) {
	dir, err := os.MkdirTemp("", "mshub-bench-")
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		return nil, err
	}
	// Connections are kept, as a service that calls often keeps them; an upload of gigabytes may take its time.
	transport := &http.Transport{MaxIdleConnsPerHost: 256, ResponseHeaderTimeout: 10 * time.Minute}
	r := &rig{dir: dir, http: &http.Client{Transport: transport}, env: env}
	r.request = func(method, url string, body io.Reader) (*http.Request, error) {
		return http.NewRequestWithContext(ctx, method, url, body)
	}
	if ownDatabase {
		r.database, err = cluster.Start(ctx, cluster.Config{Dir: filepath.Join(dir, "postgres"), Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			return nil, errors.Join(err, os.RemoveAll(dir))
		}
		r.env = append(r.env, "DATABASE_URL="+r.database.URL())
	}
	return r, nil
}

// binary is what is measured: bin/mshub, unless MSHUB_BIN names another.
func binary() string { return cmp.Or(os.Getenv("MSHUB_BIN"), "bin/mshub") }

// up starts the house and waits for the ready line.
func (r *rig) up() error {
	r.cmd = exec.Command(binary(), "up", "--data", filepath.Join(r.dir, "data"), "--listen", "localhost:0")
	r.cmd.Env = append(os.Environ(), append([]string{"MSHUB_OPS_LISTEN=127.0.0.1:0", "MSHUB_TEMPORAL_UI_LISTEN=127.0.0.1:0", "MSHUB_LOG_LEVEL=warn"}, r.env...)...)
	r.cmd.Stderr = os.Stderr
	out, err := r.cmd.StdoutPipe()
	if err != nil {
		return err
	}
	started := time.Now()
	if err := r.cmd.Start(); err != nil {
		return err
	}
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if link := strings.TrimSpace(lines.Text()); strings.HasPrefix(link, "http") && strings.Contains(link, "/verify?link=") {
			r.link = link
		}
		if address, ok := strings.CutPrefix(lines.Text(), "ready on "); ok {
			r.url, r.ready = address, time.Since(started)
			go func() { _, _ = io.Copy(io.Discard, out) }()
			return nil
		}
	}
	return fmt.Errorf("mshub ended before it was ready: %w", r.cmd.Wait())
}

func (r *rig) down() {
	if r.cmd != nil && r.cmd.ProcessState == nil {
		_ = r.cmd.Process.Signal(syscall.SIGTERM)
		_ = r.cmd.Wait()
	}
}

func (r *rig) close() {
	r.down()
	if r.database != nil {
		_ = r.database.Stop(context.Background())
	}
	_ = os.RemoveAll(r.dir)
}

// client makes a machine client for the measurement.
func (r *rig) client(scope string) error {
	cmd := exec.Command(binary(), "admin", "client", "bench", "--scope", scope, "--json")
	cmd.Env = append(os.Environ(), "MSHUB_DATA="+filepath.Join(r.dir, "data"), "MSHUB_URL="+r.url)
	out, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("admin client: %w", err)
	}
	var made struct{ ClientID, ClientSecret string }
	if err := json.Unmarshal(out, &made); err != nil {
		return err
	}
	r.token = func() (string, error) { return r.machineToken(made.ClientID, made.ClientSecret) }
	return nil
}

func (r *rig) machineToken(id, secret string) (string, error) {
	req, err := r.request(http.MethodPost, r.url+"/oauth2/token", strings.NewReader("grant_type=client_credentials"))
	if err != nil {
		return "", err
	}
	req.SetBasicAuth(id, secret)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	var answer struct {
		AccessToken string `json:"access_token"`
	}
	err = r.do(req, &answer)
	return answer.AccessToken, err
}

// bearer is the token of now: they live five minutes and are asked for after four.
func (r *rig) bearer() (string, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if time.Now().Before(r.until) {
		return r.cache, nil
	}
	token, err := r.token()
	if err != nil {
		return "", err
	}
	r.cache, r.until = token, time.Now().Add(4*time.Minute)
	return token, nil
}

// call is one request of the API: in is sent as JSON, an io.Reader as the bytes it holds.
func (r *rig) call(method, path string, in, out any) error {
	var body io.Reader
	contentType := "application/json"
	switch in := in.(type) {
	case nil:
	case io.Reader:
		body, contentType = in, "application/octet-stream"
	default:
		raw, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = strings.NewReader(string(raw))
	}
	req, err := r.request(method, r.url+path, body)
	if err != nil {
		return err
	}
	token, err := r.bearer()
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Content-Type", contentType)
	return r.do(req, out)
}

func (r *rig) do(req *http.Request, out any) error {
	res, err := r.http.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("%s %s: %s %s", req.Method, req.URL.Path, res.Status, raw)
	}
	return json.Unmarshal(raw, out)
}

// run is what the measurements read of a run.
type run struct {
	Name      string          `json:"name"`
	State     string          `json:"state"`
	Result    json.RawMessage `json:"result"`
	StartTime time.Time       `json:"startTime"`
	EndTime   time.Time       `json:"endTime"`
	Error     json.RawMessage `json:"error"`
}

// finish starts a process and waits for its success.
func (r *rig) finish(process string, input any) (run, error) {
	var started run
	if err := r.call(http.MethodPost, "/v1/runs", map[string]any{"process": process, "input": input}, &started); err != nil {
		return started, err
	}
	return r.wait(started)
}

// wait sees a run to its success.
func (r *rig) wait(started run) (run, error) {
	for {
		if err := r.call(http.MethodGet, "/v1/"+started.Name, nil, &started); err != nil {
			return started, err
		}
		switch started.State {
		case "COMPLETED":
			return started, nil
		case "FAILED", "CANCELLED", "TERMINATED", "TIMED_OUT", "LOST":
			return started, fmt.Errorf("%s ended %s: %s", started.Name, started.State, started.Error)
		}
		time.Sleep(200 * time.Millisecond) // the run's own times count, so asking may be coarse
	}
}

// resident is the resident memory of a process in MiB.
func resident(pid int) (float64, error) {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(raw)) {
		if value, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			var kib float64
			_, err := fmt.Sscan(value, &kib)
			return kib / 1024, err
		}
	}
	return 0, errors.New("no VmRSS")
}
