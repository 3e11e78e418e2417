package cluster

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/microservicehub/mshub/internal/lifecycle"
)

func TestMain(m *testing.M) {
	lifecycle.MaybeGuard()
	os.Exit(m.Run())
}

func TestClusterKeepsItsDataOverARestart(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	cfg := Config{Dir: filepath.Join(dataDir(t), "postgres"), Log: slog.New(slog.DiscardHandler)}

	began := time.Now()
	c := start(t, cfg)
	t.Logf("cold start: %s", time.Since(began))
	conn, err := pgx.Connect(ctx, c.URL())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Exec(ctx, "CREATE TABLE kept AS SELECT 42 AS answer"); err != nil {
		t.Fatal(err)
	}
	if err := c.Stop(ctx); err != nil { // cuts the open connection off
		t.Fatal(err)
	}
	if err := c.Err(); err != nil {
		t.Errorf("Err after Stop = %v, want nil", err)
	}

	began = time.Now()
	c = start(t, cfg)
	t.Logf("warm start: %s", time.Since(began))
	if conn, err = pgx.Connect(ctx, c.URL()); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(ctx) }()
	var answer int
	if err := conn.QueryRow(ctx, "SELECT answer FROM kept").Scan(&answer); err != nil || answer != 42 {
		t.Errorf("answer = %d, %v; want 42", answer, err)
	}
}

func start(t *testing.T, cfg Config) *Cluster {
	t.Helper()
	c, err := Start(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Stop(context.Background()) })
	return c
}

// dataDir is a directory that the server's user can reach, unlike t.TempDir's.
func dataDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "mshub-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestErrorsSayWhatToDo(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		prepare func(t *testing.T, cfg *Config)
		want    []string
	}{
		"a major version that is not here": {
			func(t *testing.T, cfg *Config) { write(t, filepath.Join(cfg.Dir, "PG_VERSION"), "9\n") },
			[]string{"was made by version 9", "Install PostgreSQL 9", "MSHUB_POSTGRES_BIN"},
		},
		"a directory with something else in it": {
			func(t *testing.T, cfg *Config) { write(t, filepath.Join(cfg.Dir, "holiday.jpg"), "") },
			[]string{"neither empty nor a PostgreSQL data directory", "--data"},
		},
		"binaries that are not there": {
			func(_ *testing.T, cfg *Config) { cfg.Binaries = "/nowhere" },
			[]string{"MSHUB_POSTGRES_BIN", "no initdb in /nowhere"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := Config{Dir: filepath.Join(dataDir(t), "postgres"), Log: slog.New(slog.DiscardHandler)}
			test.prepare(t, &cfg)
			_, err := Start(t.Context(), cfg)
			if err == nil {
				t.Fatal("it started")
			}
			for _, want := range test.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error %q does not say %q", err, want)
				}
			}
		})
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
