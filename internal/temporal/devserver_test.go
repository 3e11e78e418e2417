package temporal

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"

	"github.com/microservicehub/mshub/internal/lifecycle"
)

func TestMain(m *testing.M) {
	lifecycle.MaybeGuard()
	os.Exit(m.Run())
}

func TestDevServer(t *testing.T) {
	t.Parallel()
	cfg := DevServerConfig{Dir: t.TempDir(), UIListen: "127.0.0.1:0", Log: slog.New(slog.DiscardHandler)}
	began := time.Now()
	d := startDevServer(t, cfg)
	t.Logf("cold start: %s", time.Since(began))

	c, err := Dial(t.Context(), d.Address(), client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if got := retention(t, c); got != Retention {
		t.Errorf("retention = %s, want %s", got, Retention)
	}
	response, err := http.Get(d.UIURL())
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	if response.StatusCode != http.StatusOK {
		t.Errorf("web UI answers %s", response.Status)
	}

	// Killed, it comes back at the same address.
	killed := d.PID()
	if err := syscall.Kill(killed, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	began = time.Now()
	for d.PID() == killed {
		if time.Since(began) > 30*time.Second {
			t.Fatal("it is not started again")
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Logf("back after: %s", time.Since(began))
	if got := retention(t, c); got != Retention {
		t.Errorf("retention after the restart = %s, want %s", got, Retention)
	}

	began = time.Now()
	if err := d.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Logf("stop: %s", time.Since(began))
	if err := d.Err(); err != nil {
		t.Errorf("Err after Stop = %v, want nil", err)
	}

	began = time.Now()
	startDevServer(t, cfg)
	t.Logf("warm start: %s", time.Since(began))

	// The database it left belongs to its version alone.
	if err := os.WriteFile(filepath.Join(cfg.Dir, pinName), []byte("1.2.3\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := StartDevServer(t.Context(), cfg); !errors.As(err, new(*PinError)) {
		t.Errorf("start on another version's database = %v, want a PinError", err)
	}
}

func startDevServer(t *testing.T, cfg DevServerConfig) *DevServer {
	t.Helper()
	d, err := StartDevServer(t.Context(), cfg)
	if errors.Is(err, ErrNotInstalled) && os.Getenv("CI") != "true" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Stop(context.Background()) })
	return d
}

func retention(t *testing.T, c client.Client) time.Duration {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for {
		answer, err := c.WorkflowService().DescribeNamespace(ctx, &workflowservice.DescribeNamespaceRequest{Namespace: Namespace})
		if err == nil {
			return answer.GetConfig().GetWorkflowExecutionRetentionTtl().AsDuration()
		}
		if !errors.As(err, new(*serviceerror.Unavailable)) { // what a client says that has not redialled yet
			t.Fatal(err)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func TestPin(t *testing.T) {
	t.Parallel()
	now := binary{path: "/bin/temporal", server: "1.29.1"}
	none := func(context.Context) ([]string, error) { return nil, nil }
	two := func(context.Context) ([]string, error) { return []string{"runs/a", "runs/b"}, nil }
	for name, test := range map[string]struct {
		pin     string
		cfg     DevServerConfig
		refused []string // what the refusal says; nil if it starts
		moved   bool
	}{
		"the same version":                      {"1.29.1", DevServerConfig{OpenRuns: two}, nil, false},
		"another, nothing open":                 {"1.28.0", DevServerConfig{OpenRuns: none}, nil, true},
		"another, runs open":                    {"1.28.0", DevServerConfig{OpenRuns: two}, []string{"1.28.0", "runs/a, runs/b", "--abandon"}, false},
		"another, nobody knows of runs":         {"1.28.0", DevServerConfig{}, []string{"--abandon"}, false},
		"another, runs open but abandoned":      {"1.28.0", DevServerConfig{OpenRuns: two, Abandon: true}, nil, true},
		"never came up, so nothing can be lost": {"", DevServerConfig{OpenRuns: two}, nil, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test.cfg.Dir = t.TempDir()
			database := filepath.Join(test.cfg.Dir, databaseName)
			files := map[string]string{database: "rows"}
			if test.pin != "" {
				files[filepath.Join(test.cfg.Dir, pinName)] = test.pin + "\n"
			}
			for path, text := range files {
				if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			err := checkPin(t.Context(), test.cfg, now)
			if (err != nil) != (test.refused != nil) {
				t.Fatalf("checkPin = %v", err)
			}
			for _, want := range test.refused {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error %q does not say %q", err, want)
				}
			}
			if _, err := os.Stat(database); os.IsNotExist(err) != test.moved {
				t.Errorf("database moved = %v, want %v", os.IsNotExist(err), test.moved)
			}
		})
	}
}

func TestTakenUIPortIsNamed(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	_, err = new(DevServer).uiArgs(t.Context(), taken.Addr().String())
	if err == nil || !strings.Contains(err.Error(), taken.Addr().String()) || !strings.Contains(err.Error(), "MSHUB_TEMPORAL_UI_LISTEN") {
		t.Errorf("error %v names neither the address nor the setting", err)
	}
}

func TestPinnedVersionsAgreeWithTheModule(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../tools/temporal/go.mod")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"github.com/temporalio/cli " + cliVersion, "go.temporal.io/server v" + serverVersion} {
		if !strings.Contains(string(text), want+" ") {
			t.Errorf("tools/temporal/go.mod does not require %s", want)
		}
	}
	if !strings.HasPrefix(serverVersion, serverSeries) {
		t.Errorf("server %s is not of the series %s", serverVersion, serverSeries)
	}
}
