package testenv

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/microservicehub/mshub/internal/postgres"
	"github.com/microservicehub/mshub/internal/postgres/cluster"
)

// poolSize bounds one test's connections, so that tests in parallel stay within the server's limit.
const poolSize = 8

var (
	postgresEngine engine[*postgresServer]
	databaseCount  atomic.Int64
)

// postgresServer is the server of this test process, with the templates migrated so far.
type postgresServer struct {
	admin  *pgxpool.Pool
	prefix string // of all databases that this process makes
	url    func(database string) string

	mu        sync.Mutex
	templates map[string]*template
}

type template struct {
	once sync.Once
	err  error
}

// Postgres returns a pool on a fresh database with the schemas applied, in the order given. The database is the test's own
// and is dropped after it.
//
// The server is a private one without fsync, or the one MSHUB_TEST_DATABASE_URL names, whose user must be able to create
// databases and roles.
func Postgres(t testing.TB, schemas ...postgres.Schema) *postgres.DB {
	t.Helper()
	db, err := postgres.Open(t.Context(), DatabaseURL(t, schemas...), poolSize)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	return db
}

// DatabaseURL is Postgres for tests that want the address.
func DatabaseURL(t testing.TB, schemas ...postgres.Schema) string {
	t.Helper()
	server := postgresEngine.get(t, "PostgreSQL", startPostgres)
	source, err := server.template(schemas)
	if err != nil {
		t.Fatal(err)
	}
	name := fmt.Sprintf("%s%d", server.prefix, databaseCount.Add(1))
	if err := server.exec(t.Context(), "CREATE DATABASE %s TEMPLATE %s", name, source); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.exec(context.Background(), "DROP DATABASE %s WITH (FORCE)", name); err != nil {
			t.Error(err)
		}
	})
	return server.url(name)
}

// template returns the name of a database with the schemas applied, migrating it the first time.
func (s *postgresServer) template(schemas []postgres.Schema) (string, error) {
	hash := sha256.New()
	for _, schema := range schemas {
		fmt.Fprintln(hash, schema.Name)
		err := fs.WalkDir(schema.Migrations, ".", func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() {
				return err
			}
			text, err := fs.ReadFile(schema.Migrations, path)
			fmt.Fprintf(hash, "%s\n%s\n", path, text)
			return err
		})
		if err != nil {
			return "", fmt.Errorf("migrations of %s: %w", schema.Name, err)
		}
	}
	name := s.prefix + hex.EncodeToString(hash.Sum(nil)[:8])

	s.mu.Lock()
	t, ok := s.templates[name]
	if !ok {
		t = new(template)
		s.templates[name] = t
	}
	s.mu.Unlock()
	t.once.Do(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if t.err = s.exec(ctx, "CREATE DATABASE %s", name); t.err == nil {
			t.err = postgres.Migrate(ctx, s.url(name), "", schemas...)
		}
	})
	return name, t.err
}

// exec runs a statement about databases.
func (s *postgresServer) exec(ctx context.Context, statement string, databases ...string) error {
	names := make([]any, len(databases))
	for i, name := range databases {
		names[i] = pgx.Identifier{name}.Sanitize()
	}
	_, err := s.admin.Exec(ctx, fmt.Sprintf(statement, names...))
	return err
}

func startPostgres(ctx context.Context) (*postgresServer, func(context.Context) error, error) {
	if given := os.Getenv("MSHUB_TEST_DATABASE_URL"); given != "" {
		return usePostgres(ctx, given)
	}
	dir, err := engineDir()
	if err != nil {
		return nil, nil, err
	}
	cfg := cluster.Config{
		Dir:       filepath.Join(dir, "postgres"),
		Binaries:  os.Getenv("MSHUB_POSTGRES_BIN"),
		Throwaway: true,
		Remove:    []string{dir},
		Log:       quiet(),
	}
	c, err := startFromTemplate(ctx, cfg)
	if err != nil {
		_ = os.RemoveAll(dir)
		if errors.Is(err, cluster.ErrNotInstalled) {
			err = missing{err}
		}
		return nil, nil, err
	}
	server, err := newPostgresServer(ctx, c.URLOf)
	if err != nil {
		return nil, nil, errors.Join(err, c.Stop(ctx))
	}
	return server, func(ctx context.Context) error {
		server.admin.Close()
		return c.Stop(ctx)
	}, nil
}

// startFromTemplate starts a cluster from a copy of an initialised one in the user's cache, a second faster than initdb.
// The first test process on a machine makes that copy.
func startFromTemplate(ctx context.Context, cfg cluster.Config) (*cluster.Cluster, error) {
	cache, err := cacheDir()
	if err != nil {
		return cluster.Start(ctx, cfg)
	}
	cfg.Downloads = filepath.Join(os.TempDir(), "mshub-downloads") // within reach of the server's user
	major, err := cluster.Major(ctx, cfg)
	if err != nil {
		return nil, err
	}
	initialised := filepath.Join(cache, fmt.Sprintf("postgres-%d-%d", major, os.Geteuid()))
	if _, err := os.Stat(initialised); err == nil {
		if err := copyTree(ctx, initialised, cfg.Dir); err != nil {
			return nil, err
		}
		return cluster.Start(ctx, cfg)
	}

	making := cfg
	making.Remove = nil
	c, err := cluster.Start(ctx, making)
	if err != nil {
		return nil, err
	}
	if err := c.Stop(ctx); err != nil {
		return nil, err
	}
	scratch, err := os.MkdirTemp(cache, "postgres-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(scratch) }()
	if err := copyTree(ctx, cfg.Dir, filepath.Join(scratch, "copy")); err != nil {
		return nil, err
	}
	if err := publish(filepath.Join(scratch, "copy"), initialised); err != nil {
		return nil, err
	}
	return cluster.Start(ctx, cfg)
}

// copyTree copies a directory with owners and modes.
func copyTree(ctx context.Context, from, to string) error {
	if out, err := exec.CommandContext(ctx, "cp", "-a", from, to).CombinedOutput(); err != nil {
		return fmt.Errorf("cp -a %s %s: %w: %s", from, to, err, out)
	}
	return nil
}

// usePostgres works on a server that somebody else runs.
func usePostgres(ctx context.Context, given string) (*postgresServer, func(context.Context) error, error) {
	base, err := url.Parse(given)
	if err != nil {
		return nil, nil, errors.New("MSHUB_TEST_DATABASE_URL is no URL") // the parser's error would repeat the password
	}
	server, err := newPostgresServer(ctx, func(database string) string {
		at := *base
		at.Path = "/" + database
		return at.String()
	})
	if err != nil {
		return nil, nil, err
	}
	return server, func(ctx context.Context) error {
		defer server.admin.Close()
		errs := make([]error, 0, len(server.templates))
		for name := range server.templates {
			errs = append(errs, server.exec(ctx, "DROP DATABASE IF EXISTS %s WITH (FORCE)", name))
		}
		return errors.Join(errs...)
	}, nil
}

func newPostgresServer(ctx context.Context, url func(database string) string) (*postgresServer, error) {
	config, err := pgxpool.ParseConfig(url("postgres"))
	if err != nil {
		return nil, err
	}
	config.MaxConns = 4
	admin, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, err
	}
	if err := admin.Ping(ctx); err != nil {
		admin.Close()
		return nil, err
	}
	return &postgresServer{
		admin:     admin,
		prefix:    fmt.Sprintf("test_%d_%s_", os.Getpid(), strings.ToLower(time.Now().UTC().Format("150405.000"))),
		url:       url,
		templates: map[string]*template{},
	}, nil
}
