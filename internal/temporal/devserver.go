package temporal

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	namespacepb "go.temporal.io/api/namespace/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/microservicehub/mshub/internal/lifecycle"
)

const (
	// Retention of a closed workflow's history. The product itself reads PostgreSQL; this is for people in Temporal's web UI.
	Retention = 30 * 24 * time.Hour

	databaseName = "temporal.db"
	pinName      = "temporal.version" // version of the server that made the database; written once it first answered
)

// searchAttributes are registered in the namespace when the database is made. The SQLite store has 10 places for
// keywords and 3 for each other type.
var searchAttributes = []string{
	"MshubProcess=Keyword",
	"MshubOrganisation=Keyword",
	"MshubRequester=Keyword",
	"MshubStep=Keyword",
	"MshubWaiting=Bool",
	"MshubPercent=Int",
}

// dynamicConfig is handed to the server, whose defaults are made for clusters that many share.
var dynamicConfig = []string{
	"matching.useNewMatcher=true",  // priorities
	"matching.enableFairness=true", // between organisations
	"matching.numTaskqueueReadPartitions=1",
	"matching.numTaskqueueWritePartitions=1", // partitions blur the order of priorities
	// A step that is called by the worker that asked for it starts at once, without a way through the task queue.
	"system.enableActivityEagerExecution=true",
	// The dev server has one shard, whose tasks are read at most 20 times a second: each way through a task queue would take
	// up to 50 ms as soon as there is more to do. Much oftener costs more than it gives: SQLite serves one at a time.
	"history.transferProcessorMaxPollRPS=50",
	"matching.rps=20000",
	"history.rps=30000",
	"frontend.rps=20000",
	"frontend.namespaceRPS=20000",
	"frontend.namespaceRPS.visibility=100",
	"frontend.MaxConcurrentBatchOperationPerNamespace=5",
}

// DevServerConfig describes a dev server.
type DevServerConfig struct {
	Binary string // MSHUB_TEMPORAL_BIN; searched for if empty

	// Dir holds the database; created if it does not exist, for this user alone. Empty: in memory, gone with the server.
	Dir string

	// UIListen is the address of the web UI, MSHUB_TEMPORAL_UI_LISTEN. Port 0 takes a free one; empty means no web UI.
	UIListen string

	// OpenRuns names the runs that have not ended. When the server's version has changed they keep the dev server from
	// starting, for it cannot carry a database over; without any, or with Abandon, it begins with an empty one.
	OpenRuns func(ctx context.Context) ([]string, error)
	Abandon  bool

	Hold *lifecycle.Lock // kept until the server has ended
	Log  *slog.Logger
}

// DevServer is `temporal server start-dev` as a child process, started again when it dies.
type DevServer struct {
	supervisor *lifecycle.Supervisor
	address    string
	uiURL      string
}

// StartDevServer starts the server and returns when its namespace answers.
func StartDevServer(ctx context.Context, cfg DevServerConfig) (*DevServer, error) {
	bin, err := findBinary(ctx, cfg.Binary, cfg.Log)
	if err != nil {
		return nil, err
	}
	if cfg.Dir != "" {
		if err := os.MkdirAll(cfg.Dir, 0o700); err != nil {
			return nil, err
		}
	}
	if err := checkPin(ctx, cfg, bin); err != nil {
		return nil, err
	}
	port, err := freePort(ctx, "127.0.0.1")
	if err != nil {
		return nil, err
	}
	d := &DevServer{address: net.JoinHostPort("127.0.0.1", strconv.Itoa(port))}
	args := []string{
		"server", "start-dev", "--disable-config-env", "--disable-config-file",
		"--ip", "127.0.0.1", "--port", strconv.Itoa(port),
		"--namespace", Namespace, "--log-level", "error",
	}
	ui, err := d.uiArgs(ctx, cfg.UIListen)
	if err != nil {
		return nil, err
	}
	args = append(args, ui...)
	if cfg.Dir != "" {
		args = append(args, "--db-filename", filepath.Join(cfg.Dir, databaseName),
			"--sqlite-pragma", "journal_mode=wal", "--sqlite-pragma", "synchronous=normal")
	}
	for _, attribute := range searchAttributes {
		args = append(args, "--search-attribute", attribute)
	}
	for _, setting := range dynamicConfig {
		args = append(args, "--dynamic-config-value", setting)
	}

	d.supervisor, err = lifecycle.Supervise(ctx, lifecycle.SupervisorConfig{
		Name: "temporal",
		Log:  cfg.Log,
		Start: func(ctx context.Context) (lifecycle.Process, error) {
			return d.start(ctx, cfg, lifecycle.ChildConfig{
				Name: "temporal",
				Path: bin.path,
				Args: args,
				Env:  []string{"PATH=" + os.Getenv("PATH"), "TZ=UTC"},
				Signals: []lifecycle.Signal{
					{Number: syscall.SIGTERM, Wait: 4 * time.Second}, // SQLite recovers from its log if it takes longer
				},
				Hold:     cfg.Hold,
				Log:      cfg.Log,
				LogLevel: slog.LevelDebug,
			})
		},
	})
	if err != nil {
		return nil, err
	}
	if err := writePin(cfg, bin); err != nil {
		return nil, errors.Join(err, d.Stop(context.WithoutCancel(ctx)))
	}
	return d, nil
}

// Address is host:port of the frontend, the same after a restart.
func (d *DevServer) Address() string { return d.address }

// UIURL is the address of the web UI, empty if it has none.
func (d *DevServer) UIURL() string { return d.uiURL }

// PID is the process id of the server that runs now.
func (d *DevServer) PID() int { return d.supervisor.Current().(*lifecycle.Child).PID() } //nolint:forcetypeassert // start returns it

// Stop ends the server. Workers and clients should have been stopped before.
func (d *DevServer) Stop(ctx context.Context) error { return d.supervisor.Stop(ctx) }

// Done is closed when the server was stopped, or died too often to be started again.
func (d *DevServer) Done() <-chan struct{} { return d.supervisor.Done() }

// Err tells why the server is not started again.
func (d *DevServer) Err() error { return d.supervisor.Err() }

// start runs the child and waits until its namespace answers.
func (d *DevServer) start(ctx context.Context, cfg DevServerConfig, childCfg lifecycle.ChildConfig) (lifecycle.Process, error) {
	child, err := lifecycle.StartChild(ctx, childCfg)
	if err != nil {
		return nil, err
	}
	if err := d.ready(ctx, child); err != nil {
		return nil, errors.Join(err, child.Stop(context.WithoutCancel(ctx)))
	}
	cfg.Log.Debug("Temporal answers", "address", d.address, "pid", child.PID())
	return child, nil
}

// ready waits for the namespace and sets its retention, for which start-dev has no flag.
func (d *DevServer) ready(ctx context.Context, child *lifecycle.Child) error {
	for {
		err := d.retain(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-child.Done():
			return child.Err()
		case <-ctx.Done():
			return fmt.Errorf("the Temporal server at %s does not answer: %w: %w; its last words:\n%s", d.address, context.Cause(ctx), err, child.Tail())
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func (d *DevServer) retain(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	c, err := Dial(ctx, d.address, client.Options{})
	if err != nil {
		return err
	}
	defer c.Close()
	_, err = c.WorkflowService().UpdateNamespace(ctx, &workflowservice.UpdateNamespaceRequest{
		Namespace: Namespace,
		Config:    &namespacepb.NamespaceConfig{WorkflowExecutionRetentionTtl: durationpb.New(Retention)},
	})
	if limited := new(serviceerror.ResourceExhausted); errors.As(err, &limited) {
		return nil // told so moments ago, by this start or the one before
	}
	return err
}

// uiArgs resolves where the web UI listens.
func (d *DevServer) uiArgs(ctx context.Context, listen string) ([]string, error) {
	if listen == "" {
		return []string{"--headless"}, nil
	}
	host, portText, err := net.SplitHostPort(listen)
	if err != nil {
		return nil, fmt.Errorf("MSHUB_TEMPORAL_UI_LISTEN: %q is no host:port", listen)
	}
	host = cmp.Or(host, "127.0.0.1")
	port, err := strconv.Atoi(portText)
	if err != nil {
		return nil, fmt.Errorf("MSHUB_TEMPORAL_UI_LISTEN: %q has no port number", listen)
	}
	if port == 0 {
		if port, err = freePort(ctx, host); err != nil {
			return nil, err
		}
	} else if err := portIsFree(ctx, host, port); err != nil {
		return nil, fmt.Errorf("the web UI of Temporal cannot listen on %s: %w; stop what uses the port, or choose another with MSHUB_TEMPORAL_UI_LISTEN", net.JoinHostPort(host, portText), err)
	}
	shown := host
	if ip := net.ParseIP(host); ip != nil && ip.IsLoopback() {
		shown = "localhost"
	}
	d.uiURL = "http://" + net.JoinHostPort(shown, strconv.Itoa(port))
	return []string{"--ui-ip", host, "--ui-port", strconv.Itoa(port)}, nil
}
