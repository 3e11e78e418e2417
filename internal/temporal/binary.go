package temporal

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
)

// The pinned dev server: tools/temporal/go.mod says the same, and a test compares.
const (
	cliVersion    = "v1.5.1"
	serverVersion = "1.29.1"
	serverSeries  = "1.29." // what a server on PATH must belong to
)

// ErrNotInstalled tells that no fitting dev server is on this machine and none could be built.
var ErrNotInstalled = errors.New("the Temporal dev server is missing")

var serverPattern = regexp.MustCompile(`Server (\d+\.\d+\.\d+)`)

// binary is a dev server on this machine.
type binary struct {
	path   string
	server string // version of the server in it
}

// findBinary returns the configured dev server (MSHUB_TEMPORAL_BIN), else `temporal` on PATH if it is of the pinned series,
// else the pinned one in the user's cache, which it builds first if this runs in a checkout of the product.
func findBinary(ctx context.Context, configured string, log *slog.Logger) (binary, error) {
	if configured != "" {
		b, err := inspect(ctx, configured)
		if err != nil {
			return binary{}, fmt.Errorf("MSHUB_TEMPORAL_BIN: %w", err)
		}
		return b, nil
	}
	passed := ""
	if path, err := exec.LookPath("temporal"); err == nil {
		b, err := inspect(ctx, path)
		switch {
		case err != nil:
			passed = fmt.Sprintf(" (%v)", err)
		case strings.HasPrefix(b.server, serverSeries):
			return b, nil
		default:
			passed = fmt.Sprintf(" (%s on PATH has server %s, needed is %sx)", path, b.server, serverSeries)
		}
	}
	cached, err := cachePath()
	if err != nil {
		return binary{}, err
	}
	if _, err := os.Stat(cached); err == nil {
		return inspect(ctx, cached)
	}
	checkout, ok := findCheckout()
	if !ok {
		return binary{}, fmt.Errorf("%w%s: install the Temporal CLI with server %sx, name it in MSHUB_TEMPORAL_BIN, or run `make temporal` in a checkout of mshub", ErrNotInstalled, passed, serverSeries)
	}
	log.Info("building the Temporal dev server, once; this takes about three minutes", "version", cliVersion, "to", cached)
	out, err := exec.CommandContext(ctx, filepath.Join(checkout, "tools/temporal/build.sh"), cached).CombinedOutput()
	if err != nil {
		return binary{}, fmt.Errorf("%w and could not be built: %w\n%s", ErrNotInstalled, err, out)
	}
	return inspect(ctx, cached)
}

// inspect asks a dev server for the version of the server in it; that of the command line is no use in own builds.
func inspect(ctx context.Context, path string) (binary, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return binary{}, err
	}
	out, err := exec.CommandContext(ctx, path, "--version").Output()
	if err != nil {
		return binary{}, fmt.Errorf("%s --version: %w", path, err)
	}
	match := serverPattern.FindSubmatch(out)
	if match == nil {
		return binary{}, fmt.Errorf("%s is no Temporal CLI with a server: it says %q", path, strings.TrimSpace(string(out)))
	}
	return binary{path: path, server: string(match[1])}, nil
}

// cachePath is where tools/temporal/build.sh puts the dev server.
func cachePath() (string, error) {
	base := os.Getenv("XDG_CACHE_HOME")
	if base == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return "", fmt.Errorf("find the user's cache directory: %w", err)
		}
		base = filepath.Join(home, ".cache")
	}
	return filepath.Join(base, "mshub", "temporal-"+cliVersion), nil
}

// findCheckout looks from the working directory upwards for the product's source.
func findCheckout() (string, bool) {
	dir, err := os.Getwd()
	if err != nil {
		return "", false
	}
	for ; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "tools/temporal/build.sh")); err == nil {
			return dir, true
		}
		if dir == filepath.Dir(dir) {
			return "", false
		}
	}
}
