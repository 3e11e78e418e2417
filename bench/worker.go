package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"

	"connectrpc.com/connect"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/worker"

	"github.com/microservicehub/mshub/activities"
	identityact "github.com/microservicehub/mshub/activities/identity"
	runsact "github.com/microservicehub/mshub/activities/runs"
	"github.com/microservicehub/mshub/events"
	"github.com/microservicehub/mshub/internal/auth"
	"github.com/microservicehub/mshub/internal/rpc"
	"github.com/microservicehub/mshub/services/identity/v1/identityv1connect"
	"github.com/microservicehub/mshub/services/runs/v1/runsv1connect"
	"github.com/microservicehub/mshub/workflows/process"
)

// workerParts is what a worker is made of, wherever it runs.
type workerParts struct {
	temporal  client.Client
	database  string
	transport *http.Client
	base      string
	token     auth.TokenSource
	calls     connect.Interceptor
	log       *slog.Logger
	// places for activities; 0 = as many as the product's worker has.
	places int
}

// startWorker builds it as cmd/mshub does.
func startWorker(ctx context.Context, p workerParts) (stop func(), err error) {
	journal, _, closeJournal, err := openJournal(ctx, p.database, workerConns, p.log)
	if err != nil {
		return nil, err
	}
	options := process.WorkerOptions(process.QueueDefault)
	if p.places > 0 {
		options.MaxConcurrentActivityExecutionSize = p.places
	}
	options.Interceptors = []interceptor.WorkerInterceptor{
		activities.NewInterceptor(), events.NewInterceptor(journal, "bench"), process.NewInterceptor(definitions),
	}
	w := worker.New(p.temporal, process.QueueDefault, options)
	process.Register(w, process.QueueDefault, definitions)
	asRun := connect.WithInterceptors(append([]connect.Interceptor{p.calls, auth.Bearer(p.token, time.Now)}, activities.ClientInterceptors()...)...)
	w.RegisterActivity(identityact.New(identityv1connect.NewIdentityServiceClient(p.transport, p.base, asRun)))
	w.RegisterActivity(runsact.New(runsv1connect.NewRunsServiceClient(p.transport, p.base, asRun)))
	if err := w.Start(); err != nil {
		closeJournal()
		return nil, err
	}
	return func() { w.Stop(); closeJournal() }, nil
}

// work starts a worker in this process.
func (h *house) work(ctx context.Context) error {
	stop, err := startWorker(ctx, workerParts{
		temporal: h.temporal, database: h.rig.database.URL(), transport: rpc.InMemory(h.mux), base: issuerURL,
		token: h.issuer.worker, calls: h.calls, log: h.telemetry.Logger,
	})
	if err == nil {
		h.closing(stop)
	}
	return err
}

// workerVariable marks an execution of this program as a worker; it holds a workerOrder.
const workerVariable = "MSHUB_BENCH_WORKER"

type workerOrder struct {
	Temporal, Database, Base, Token string
	Places                          int
}

// maybeWorker turns this execution into a worker if a measurement asked for one, and then never returns.
func maybeWorker() {
	raw := os.Getenv(workerVariable)
	if raw == "" {
		return
	}
	var order workerOrder
	if err := errors.Join(json.Unmarshal([]byte(raw), &order), order.run()); err != nil {
		fmt.Fprintln(os.Stderr, "bench worker:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

func (o *workerOrder) run() error {
	ctx, cancel := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer cancel()
	telemetry, dialled, err := dial(ctx, o.Temporal)
	if err != nil {
		return err
	}
	defer dialled.Close()
	calls, err := telemetry.RPCTracing()
	if err != nil {
		return err
	}
	stop, err := startWorker(ctx, workerParts{
		temporal: dialled, database: o.Database, transport: rpc.HTTPClient(), base: o.Base, calls: calls, log: telemetry.Logger, places: o.Places,
		token: func(context.Context) (string, time.Time, error) { return o.Token, time.Now().Add(time.Hour), nil },
	})
	if err != nil {
		return err
	}
	fmt.Println("ready")
	<-ctx.Done()
	stop()
	return nil
}

// start runs a worker as a child process and returns when it is ready.
func (o *workerOrder) start() (*exec.Cmd, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	order, err := json.Marshal(o)
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(program)
	cmd.Env = append(os.Environ(), workerVariable+"="+string(order))
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = group()
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	if !bufio.NewScanner(out).Scan() {
		return nil, fmt.Errorf("a worker ended before it was ready: %w", cmd.Wait())
	}
	return cmd, nil
}

// batchOf reads "NAME/COUNT".
func batchOf(input string) (name string, count int32) {
	name, text, _ := strings.Cut(input, "/")
	n, err := strconv.ParseInt(text, 10, 32)
	if err != nil {
		return name, 0
	}
	return name, int32(n)
}

// group makes a child the leader of a process group of its own, which can be killed whole.
func group() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// kill is kill -9 to a child and everything that it started, as the kernel does when memory runs out in a container.
func kill(cmd *exec.Cmd) {
	_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
	_ = cmd.Wait()
}
