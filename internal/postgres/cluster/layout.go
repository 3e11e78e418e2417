package cluster

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"text/template"
)

const (
	// socketName is what PostgreSQL calls its socket: the port is a part of the name only.
	socketName = ".s.PGSQL.5432"
	// spaceNeeded is what a new cluster with its first write-ahead log needs, and some air, in bytes.
	spaceNeeded = 256 << 20
)

//go:embed postgresql.conf.tmpl
var configuration string

var configurationTemplate = template.Must(template.New("postgresql.conf").Parse(configuration))

// initialise creates the cluster if the directory holds none. It appears complete or not at all.
func initialise(ctx context.Context, cfg Config, bin binaries, who owner) error {
	if major, err := majorOf(cfg.Dir); err != nil || major != 0 {
		return err
	}
	if entries, err := os.ReadDir(cfg.Dir); err == nil && len(entries) > 0 {
		return fmt.Errorf("%s is neither empty nor a PostgreSQL data directory; choose another data directory with --data", cfg.Dir)
	}
	cfg.Log.Info("creating the database cluster", "directory", cfg.Dir, "postgresql", bin.major)
	fresh := cfg.Dir + ".new"
	if err := errors.Join(os.RemoveAll(fresh), os.Mkdir(fresh, 0o700), who.own(fresh)); err != nil {
		return err
	}
	if err := initdb(ctx, cfg, bin, who, fresh); err != nil {
		return errors.Join(err, os.RemoveAll(fresh))
	}
	if err := os.Remove(cfg.Dir); err != nil && !errors.Is(err, os.ErrNotExist) { // an empty one
		return err
	}
	return os.Rename(fresh, cfg.Dir)
}

func initdb(ctx context.Context, cfg Config, bin binaries, who owner, dir string) error {
	args := []string{"-D", dir, "-U", user, "--encoding=UTF8", "--auth=peer", "--no-instructions"}
	if cfg.Throwaway {
		args = append(args, "--no-sync", "--wal-segsize=4")
	}
	locale := []string{"--locale=C.UTF-8"} // sorts by code point on every machine and knows letters beyond ASCII
	if bin.major >= 17 {
		locale = []string{"--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"} // no need of the system's
	}
	out, err := initdbOnce(ctx, bin, who, append(args, locale...))
	if err != nil && strings.Contains(out, "invalid locale") { // systems without C.UTF-8
		if err := errors.Join(os.RemoveAll(dir), os.Mkdir(dir, 0o700), who.own(dir)); err != nil {
			return err
		}
		out, err = initdbOnce(ctx, bin, who, append(args, "--locale=C"))
	}
	if err != nil {
		return fmt.Errorf("initdb: %w: %s", err, strings.TrimSpace(out))
	}
	return nil
}

func initdbOnce(ctx context.Context, bin binaries, who owner, args []string) (string, error) {
	cmd := exec.CommandContext(ctx, filepath.Join(bin.dir, "initdb"), args...)
	cmd.Dir, cmd.Env = "/", who.environment()
	if who.user != nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: who.user.UID, Gid: who.user.GID}}
	}
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	return out.String(), err
}

// configure writes PostgreSQL's configuration. An operator's own settings go into postgresql.local.conf.
func configure(cfg Config, socket string, who owner) error {
	var settings bytes.Buffer
	err := configurationTemplate.Execute(&settings, struct {
		Socket    string
		Throwaway bool
		Linux     bool
	}{strings.ReplaceAll(socket, "'", "''"), cfg.Throwaway, runtime.GOOS == "linux"})
	if err != nil {
		return err
	}
	access := "# Written by mshub at every start.\nlocal all " + user + " peer map=mshub\n"
	var names strings.Builder
	names.WriteString("# Written by mshub at every start.\n")
	for _, name := range who.systemUsers() {
		fmt.Fprintf(&names, "mshub %q %s\n", name, user)
	}
	for name, text := range map[string]string{"postgresql.conf": settings.String(), "pg_hba.conf": access, "pg_ident.conf": names.String()} {
		path := filepath.Join(cfg.Dir, name)
		if err := errors.Join(os.WriteFile(path, []byte(text), 0o600), who.own(path)); err != nil {
			return err
		}
	}
	return nil
}

// socketDir returns the data directory itself, or a private one with a short name if the path of a socket in it would be
// longer than the system allows. The caller removes a private one when the server has ended.
func socketDir(dir string, who owner) (socket string, private bool, err error) {
	limit := len(syscall.RawSockaddrUnix{}.Path) - 1
	if len(filepath.Join(dir, socketName)) <= limit {
		return dir, false, nil
	}
	for _, parent := range []string{os.TempDir(), "/tmp"} {
		if len(filepath.Join(parent, "mshub-0000000000", socketName)) > limit {
			continue
		}
		if socket, err = os.MkdirTemp(parent, "mshub-"); err == nil {
			return socket, true, who.own(socket)
		}
	}
	return "", false, errors.Join(fmt.Errorf("the path %s is too long for a Unix socket (%d bytes), and no shorter directory could be made in %s", dir, limit, os.TempDir()), err)
}

// spaceLeft fails if the disk is too full to begin.
func spaceLeft(dir string) error {
	var disk syscall.Statfs_t
	if err := syscall.Statfs(dir, &disk); err != nil {
		return nil //nolint:nilerr // a file system that cannot say is given the benefit of the doubt
	}
	if free := disk.Bavail * uint64(disk.Bsize); free < spaceNeeded { // the types differ between systems
		return fmt.Errorf("the disk that holds %s is full: %d MB are free, %d MB are needed to start", dir, free>>20, spaceNeeded>>20)
	}
	return nil
}
