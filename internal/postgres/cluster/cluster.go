// Package cluster runs a private PostgreSQL server in a directory, for `mshub up` and for tests.
//
//	cluster.go   Config, Start, Stop: from a directory to an address one can connect to
//	binaries.go  which PostgreSQL: configured, on PATH, in the usual places, else downloaded; its major must match the directory's
//	owner.go     as whom: PostgreSQL refuses to run as root, so root hands it to an unprivileged user
//	layout.go    initdb and the configuration files, written anew at every start
//	leftover.go  a server that a killed mshub left in the directory
//
// The server listens on a Unix socket in a private directory and nowhere else. Only the operating system's user of mshub
// (and the one PostgreSQL runs as) may connect: by name of that user, so no password exists that could leak.
package cluster

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/microservicehub/mshub/internal/lifecycle"
)

const program = "postgres"

// Names inside the cluster.
const (
	user     = "mshub" // superuser of the cluster
	database = "mshub"

	maintenance = "postgres" // the database that initdb makes
)

// Config describes a cluster.
type Config struct {
	Dir       string // PostgreSQL's data directory; created if it does not exist
	Binaries  string // directory with initdb and postgres (MSHUB_POSTGRES_BIN); searched for if empty
	Downloads string // where downloaded binaries are kept; beside Dir if empty

	// Throwaway trades durability for speed: no fsync. For tests.
	Throwaway bool

	Hold   *lifecycle.Lock // kept until the server has ended
	Remove []string        // deleted when the server has ended
	Log    *slog.Logger
}

// Cluster is a running server.
type Cluster struct {
	child  *lifecycle.Child
	socket string // directory of the socket
	dir    string
}

// Start creates the cluster if there is none, starts the server and returns when it accepts connections.
// It fails if the directory was made by a PostgreSQL of a major version that is not on this machine.
func Start(ctx context.Context, cfg Config) (*Cluster, error) {
	var err error
	if cfg.Dir, err = filepath.Abs(cfg.Dir); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Dir(cfg.Dir), 0o755); err != nil { //nolint:gosec // the server's user must pass through
		return nil, explain(cfg.Dir, err)
	}
	owner, err := ownerOf(cfg.Dir)
	if err != nil {
		return nil, err
	}
	if err := owner.reaches(filepath.Dir(cfg.Dir)); err != nil {
		return nil, err
	}
	if err := spaceLeft(filepath.Dir(cfg.Dir)); err != nil {
		return nil, err
	}
	bin, err := findBinaries(ctx, cfg)
	if err != nil {
		return nil, err
	}
	if err := initialise(ctx, cfg, bin, owner); err != nil {
		return nil, explain(cfg.Dir, err)
	}
	if err := endLeftover(ctx, cfg.Dir, cfg.Log); err != nil {
		return nil, err
	}
	socket, private, err := socketDir(cfg.Dir, owner)
	if err != nil {
		return nil, explain(cfg.Dir, err)
	}
	if private {
		cfg.Remove = append(cfg.Remove, socket)
	}
	if err := configure(cfg, socket, owner); err != nil {
		return nil, explain(cfg.Dir, err)
	}

	child, err := lifecycle.StartChild(ctx, lifecycle.ChildConfig{
		Name: program,
		Path: filepath.Join(bin.dir, program),
		Args: []string{"-D", cfg.Dir},
		Env:  owner.environment(),
		User: owner.user,
		Signals: []lifecycle.Signal{
			{Number: syscall.SIGINT, Wait: 20 * time.Second}, // fast: roll back, checkpoint, end
			{Number: syscall.SIGQUIT, Wait: 5 * time.Second}, // immediate: recover at the next start
		},
		Hold:     cfg.Hold,
		Remove:   cfg.Remove,
		Log:      cfg.Log,
		LogLevel: slog.LevelDebug,
	})
	if err != nil {
		return nil, explain(cfg.Dir, err)
	}
	c := &Cluster{child: child, socket: socket, dir: cfg.Dir}
	if err := c.ready(ctx); err != nil {
		_ = child.Stop(context.WithoutCancel(ctx))
		return nil, explain(cfg.Dir, err)
	}
	return c, nil
}

// URL is the address of the product's database.
func (c *Cluster) URL() string { return c.URLOf(database) }

// URLOf is the address of a database of this cluster.
func (c *Cluster) URLOf(database string) string {
	return (&url.URL{
		Scheme:   "postgres",
		User:     url.User(user),
		Path:     "/" + database,
		RawQuery: url.Values{"host": {c.socket}}.Encode(),
	}).String()
}

// Stop ends the server, cutting off whoever is connected.
func (c *Cluster) Stop(ctx context.Context) error { return c.child.Stop(ctx) }

// Done is closed when the server has ended.
func (c *Cluster) Done() <-chan struct{} { return c.child.Done() }

// Err tells why the server ended by itself, nil if it runs or was stopped.
func (c *Cluster) Err() error {
	if err := c.child.Err(); err != nil {
		return explain(c.dir, err)
	}
	return nil
}

// PID is the process id of the server.
func (c *Cluster) PID() int { return c.child.PID() }

// ready connects until the server answers, and creates the product's database the first time.
func (c *Cluster) ready(ctx context.Context) error {
	for {
		conn, err := pgx.Connect(ctx, c.URLOf(maintenance))
		if err == nil {
			defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
			return createDatabase(ctx, conn)
		}
		if refused := new(pgconn.PgError); errors.As(err, &refused) && refused.Code != "57P03" { // 57P03: still starting
			return fmt.Errorf("connect to the new server: %w", err)
		}
		select {
		case <-c.child.Done():
			return c.child.Err()
		case <-ctx.Done():
			return fmt.Errorf("PostgreSQL in %s does not accept connections: %w; its last words:\n%s", c.dir, context.Cause(ctx), c.child.Tail())
		case <-time.After(10 * time.Millisecond):
		}
	}
}

func createDatabase(ctx context.Context, conn *pgx.Conn) error {
	var exists bool
	if err := conn.QueryRow(ctx, "SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)", database).Scan(&exists); err != nil || exists {
		return err
	}
	_, err := conn.Exec(ctx, "CREATE DATABASE "+pgx.Identifier{database}.Sanitize())
	return err
}

// explain turns what PostgreSQL or the system says about a full disk into what to do about it.
func explain(dir string, err error) error {
	if errors.Is(err, syscall.ENOSPC) || strings.Contains(err.Error(), "No space left on device") {
		return fmt.Errorf("the disk that holds %s is full: free some space and start again, nothing is lost: %w", dir, err)
	}
	return err
}
