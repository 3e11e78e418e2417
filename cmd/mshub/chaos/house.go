package main

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/microservicehub/mshub/internal/lifecycle"
)

// house is mshub as a production runs it: roles split into processes, on engines that die by themselves.
type house struct {
	bin, dir   string
	env        []string
	edge, core string // base addresses
	roles      map[string]*role
}

// role is one `mshub serve`, started again whenever it ends, as an orchestrator would.
type role struct {
	name, roles, listen, ops string
	house                    *house
	log                      *slog.Logger
	file                     *os.File

	away    atomic.Int64 // nanoseconds that a killed process stays away
	stopped atomic.Bool
	ended   chan struct{}

	mu    sync.Mutex
	child *lifecycle.Child
	// surprises are ends that nobody ordered, with the last words.
	surprises []string
}

// split says which roles share a process.
var split = map[string]string{
	"edge":     "authserver,identity,notify,gateway,live,web",
	"core":     "runs,records,files,audit",
	"worker-1": "worker,worker-batch",
	"worker-2": "worker,worker-batch",
}

func startHouse(ctx context.Context, bin, dir string, e *engines, smtp string) (*house, error) {
	h := &house{bin: bin, dir: dir, roles: map[string]*role{}}
	for name, roles := range split {
		r := &role{name: name, roles: roles, house: h, ended: make(chan struct{})}
		var err error
		if r.listen, err = freeAddress(); err != nil {
			return nil, err
		}
		r.listen = strings.Replace(r.listen, "127.0.0.1", "localhost", 1)
		if r.ops, err = freeAddress(); err != nil {
			return nil, err
		}
		if r.file, err = os.Create(filepath.Join(dir, name+".log")); err != nil {
			return nil, err
		}
		r.log = slog.New(slog.NewTextHandler(r.file, &slog.HandlerOptions{Level: slog.LevelDebug}))
		h.roles[name] = r
	}
	h.edge, h.core = "http://"+h.roles["edge"].listen, "http://"+h.roles["core"].listen
	secret := make([]byte, 32)
	_, _ = rand.Read(secret)
	h.env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME"),
		"DATABASE_URL=" + e.postgres.URL(), "REDIS_URL=" + e.redisURL(), "TEMPORAL_ADDRESS=" + e.temporal.Address(),
		"SMTP_URL=smtp://" + smtp, "MSHUB_SECRET_KEYS=" + base64.StdEncoding.EncodeToString(secret),
		"MSHUB_PUBLIC_URL=" + h.edge, "MSHUB_FILES_URL=" + h.core, "MSHUB_AUTH_JWKS_URL=" + h.edge + "/oauth2/jwks",
		"MSHUB_FILES_BUCKET=file://" + dir + "/files", "MSHUB_RECORDS_BUCKET=file://" + dir + "/records",
		"MSHUB_PEERS_IDENTITY=" + h.edge, "MSHUB_PEERS_NOTIFY=" + h.edge, "MSHUB_PEERS_AUTHSERVER=" + h.edge,
		"MSHUB_PEERS_RUNS=" + h.core, "MSHUB_PEERS_RECORDS=" + h.core, "MSHUB_PEERS_FILES=" + h.core, "MSHUB_PEERS_AUDIT=" + h.core,
		"MSHUB_DATABASE_CONNS=12",
		"MSHUB_NOTIFY_WEBHOOK_ALLOW=127.0.0.0/8", "MSHUB_NOTIFY_WEBHOOK_BACKOFF=1s,1s,2s,2s,5s,5s,10s,10s,10s,10s,10s,10s",
	}
	if e.mongo != nil {
		h.env = append(h.env, "MONGODB_URI="+e.mongo.url())
	}
	if out, err := h.command(ctx, "migrate").CombinedOutput(); err != nil {
		return nil, fmt.Errorf("migrate: %w\n%s", err, out)
	}
	for _, r := range h.roles {
		if err := r.start(ctx); err != nil {
			return h, err
		}
		go r.keep()
	}
	return h, h.ready(ctx)
}

func (h *house) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, h.bin, args...)
	cmd.Env = slices.Concat(h.env, []string{"MSHUB_URL=" + h.edge})
	return cmd
}

// ready waits until every role says so.
func (h *house) ready(ctx context.Context) error {
	for name, r := range h.roles {
		for last := "no answer"; ; {
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+r.ops+"/readyz", nil)
			if err != nil {
				return err
			}
			if res, err := http.DefaultClient.Do(req); err == nil {
				text, _ := io.ReadAll(io.LimitReader(res.Body, 1<<12))
				_ = res.Body.Close()
				if res.StatusCode == http.StatusOK {
					break
				}
				last = string(text)
			}
			if ctx.Err() != nil {
				return fmt.Errorf("%s is not ready: %s; see %s", name, last, r.file.Name())
			}
			wait(ctx, 100*time.Millisecond)
		}
	}
	return nil
}

func (h *house) stop(ctx context.Context) {
	var stopping sync.WaitGroup
	for _, r := range h.roles {
		r.stopped.Store(true)
		if child := r.current(); child != nil {
			stopping.Go(func() {
				_ = child.Stop(ctx)
				<-r.ended
				_ = r.file.Close()
			})
		}
	}
	stopping.Wait()
}

func (r *role) start(ctx context.Context) error {
	child, err := lifecycle.StartChild(ctx, lifecycle.ChildConfig{
		Name: r.name, Path: r.house.bin, Args: []string{"serve", "--roles", r.roles},
		Env:     append([]string{"MSHUB_LISTEN=" + r.listen, "MSHUB_OPS_LISTEN=" + r.ops, "MSHUB_DATA=" + r.house.dir}, r.house.env...),
		Signals: []lifecycle.Signal{{Number: syscall.SIGTERM, Wait: 15 * time.Second}},
		Log:     r.log,
	})
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.child = child
	return nil
}

func (r *role) current() *lifecycle.Child {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.child
}

// keep starts the process again after each end until the house stops.
func (r *role) keep() {
	defer close(r.ended)
	for {
		child := r.current()
		<-child.Done()
		if r.stopped.Load() {
			return
		}
		away := time.Duration(r.away.Swap(0))
		if away == 0 {
			away = time.Second
			r.mu.Lock()
			r.surprises = append(r.surprises, child.Err().Error())
			r.mu.Unlock()
		}
		time.Sleep(away)
		for r.start(context.Background()) != nil {
			time.Sleep(time.Second)
		}
	}
}

// kill is SIGKILL; the process comes back after lasts.
func (r *role) kill(lasts time.Duration) error {
	child := r.current()
	r.away.Store(int64(max(lasts, time.Millisecond)))
	return syscall.Kill(child.PID(), syscall.SIGKILL)
}

// freeze stops a process where it stands and lets it go on later.
func freezeProcess(ctx context.Context, pid int, lasts time.Duration) error {
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		return err
	}
	wait(ctx, lasts)
	return syscall.Kill(pid, syscall.SIGCONT)
}
