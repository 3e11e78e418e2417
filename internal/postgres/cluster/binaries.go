package cluster

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	embedded "github.com/fergusstrange/embedded-postgres"
)

// places are where packages put PostgreSQL: Debian, Red Hat, Homebrew on either kind of Mac, Postgres.app.
var places = []string{
	"/usr/lib/postgresql/*/bin",
	"/usr/pgsql-*/bin",
	"/opt/homebrew/opt/postgresql@*/bin",
	"/usr/local/opt/postgresql@*/bin",
	"/Applications/Postgres.app/Contents/Versions/*/bin",
}

// downloads are the versions that can be had from Maven Central, by major; the default is what a new cluster gets.
var downloads = map[int]embedded.PostgresVersion{
	15: embedded.V15, 16: embedded.V16, 17: embedded.V17, 18: embedded.V18,
}

const (
	downloadDefault = 17
	majorMin        = 14
)

var versionPattern = regexp.MustCompile(`\(PostgreSQL\) (\d+)`)

// ErrNotInstalled tells that no fitting PostgreSQL is on this machine and none could be downloaded.
var ErrNotInstalled = errors.New("PostgreSQL is missing")

// Major returns the major version a new cluster would get.
func Major(ctx context.Context, cfg Config) (int, error) {
	b, err := findBinaries(ctx, cfg)
	return b.major, err
}

// binaries is one installation of PostgreSQL.
type binaries struct {
	dir   string
	major int
}

// findBinaries returns the installation that fits the directory: the same major version if it holds a cluster,
// else the configured one, the one on PATH, the newest in the usual places, or a downloaded one.
func findBinaries(ctx context.Context, cfg Config) (binaries, error) {
	wanted, err := majorOf(cfg.Dir)
	if err != nil {
		return binaries{}, err
	}
	found, err := installed(ctx, cfg.Binaries)
	if err != nil {
		return binaries{}, err
	}
	for _, b := range found {
		if b.major == wanted || wanted == 0 && b.major >= majorMin {
			return b, nil
		}
	}
	if err := ctx.Err(); err != nil {
		return binaries{}, err // nobody waits any more; what was found may be incomplete for that reason
	}
	have := "none is installed here"
	if len(found) > 0 {
		have = "found only " + list(found)
	}
	if cfg.Binaries == "" {
		b, err := download(ctx, cfg, cmp.Or(wanted, downloadDefault))
		if err == nil {
			return b, nil
		}
		have += fmt.Sprintf(" (and the download failed: %v)", err)
	}
	if wanted == 0 {
		return binaries{}, fmt.Errorf("%w: version %d or newer is needed; %s. Install it, or name the directory of its programs in MSHUB_POSTGRES_BIN", ErrNotInstalled, majorMin, have)
	}
	return binaries{}, fmt.Errorf("%w: the data in %s was made by version %d, and only that major version can read it; %s. Install PostgreSQL %[3]d, or name the directory of its programs in MSHUB_POSTGRES_BIN", ErrNotInstalled, cfg.Dir, wanted, have)
}

// majorOf reads which major version made the cluster in dir; 0 if there is none.
func majorOf(dir string) (int, error) {
	text, err := os.ReadFile(filepath.Join(dir, "PG_VERSION"))
	if errors.Is(err, os.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	major, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		return 0, fmt.Errorf("%s: PG_VERSION holds %q, which is no major version", dir, strings.TrimSpace(string(text)))
	}
	return major, nil
}

// installed lists what is on this machine, the preferred one first.
func installed(ctx context.Context, configured string) ([]binaries, error) {
	if configured != "" {
		b, err := inspect(ctx, configured)
		if err != nil {
			return nil, fmt.Errorf("MSHUB_POSTGRES_BIN: %w", err)
		}
		return []binaries{b}, nil
	}
	var found []binaries
	if path, err := exec.LookPath(program); err == nil {
		if path, err = filepath.EvalSymlinks(path); err == nil {
			if b, err := inspect(ctx, filepath.Dir(path)); err == nil {
				found = append(found, b)
			}
		}
	}
	var usual []binaries
	for _, pattern := range places {
		dirs, _ := filepath.Glob(pattern) // errors only on a bad pattern
		for _, dir := range dirs {
			if b, err := inspect(ctx, dir); err == nil && !slices.Contains(found, b) {
				usual = append(usual, b)
			}
		}
	}
	slices.SortStableFunc(usual, func(a, b binaries) int { return b.major - a.major })
	return append(found, usual...), nil
}

// inspect asks the programs in dir for their version.
func inspect(ctx context.Context, dir string) (binaries, error) {
	if _, err := os.Stat(filepath.Join(dir, "initdb")); err != nil {
		return binaries{}, fmt.Errorf("no initdb in %s", dir)
	}
	out, err := exec.CommandContext(ctx, filepath.Join(dir, program), "--version").Output()
	if err != nil {
		return binaries{}, fmt.Errorf("%s --version: %w", filepath.Join(dir, program), err)
	}
	match := versionPattern.FindSubmatch(out)
	if match == nil {
		return binaries{}, fmt.Errorf("%s is no PostgreSQL: it says %q", filepath.Join(dir, program), out)
	}
	major, err := strconv.Atoi(string(match[1]))
	return binaries{dir: dir, major: major}, err
}

func list(found []binaries) string {
	texts := make([]string, 0, len(found))
	for _, b := range found {
		texts = append(texts, fmt.Sprintf("%d in %s", b.major, b.dir))
	}
	return strings.Join(texts, ", ")
}

// download fetches the major version once into a directory that the server's user can reach.
// The library only downloads on the way to starting a server of its own, so it is given one that cannot start.
func download(ctx context.Context, cfg Config, major int) (binaries, error) {
	version, ok := downloads[major]
	if !ok {
		return binaries{}, fmt.Errorf("no download of PostgreSQL %d is known", major)
	}
	root := cmp.Or(cfg.Downloads, filepath.Join(filepath.Dir(cfg.Dir), "downloads"))
	target := filepath.Join(root, "postgresql-"+string(version))
	if b, err := inspect(ctx, filepath.Join(target, "bin")); err == nil {
		return b, nil
	}
	cfg.Log.Info("downloading PostgreSQL", "version", version, "to", target)
	scratch, err := os.MkdirTemp("", "mshub-download-")
	if err != nil {
		return binaries{}, err
	}
	defer func() { _ = os.RemoveAll(scratch) }()
	partial := target + ".partial"
	if err := errors.Join(os.RemoveAll(partial), os.MkdirAll(root, 0o755)); err != nil { //nolint:gosec // the server's user must reach it
		return binaries{}, err
	}
	blocked := filepath.Join(scratch, "data") // a file where the data directory would be: initdb fails at once
	if err := os.WriteFile(blocked, nil, 0o600); err != nil {
		return binaries{}, err
	}
	fetchErr := embedded.NewDatabase(embedded.DefaultConfig().
		Version(version).
		CachePath(filepath.Join(scratch, "cache")).
		RuntimePath(filepath.Join(scratch, "run")).
		DataPath(filepath.Join(blocked, "below")).
		BinariesPath(partial).
		Logger(io.Discard)).Start()
	if _, err := inspect(ctx, filepath.Join(partial, "bin")); err != nil {
		return binaries{}, cmp.Or(fetchErr, err)
	}
	if err := os.Rename(partial, target); err != nil {
		return binaries{}, err
	}
	return inspect(ctx, filepath.Join(target, "bin"))
}
