package cluster

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

func TestPathTooLongForASocket(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(dataDir(t), strings.Repeat("long/", 20))
	c := start(t, Config{Dir: filepath.Join(dir, "postgres"), Throwaway: true, Log: slog.New(slog.DiscardHandler)})
	if strings.HasPrefix(c.socket, dir) {
		t.Fatalf("the socket is in %s", c.socket)
	}
	if err := c.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(c.socket); !os.IsNotExist(err) {
		t.Errorf("the socket's directory %s is left over", c.socket)
	}
}

func TestKilledServerSaysSoAndRecovers(t *testing.T) {
	t.Parallel()
	cfg := Config{Dir: filepath.Join(dataDir(t), "postgres"), Throwaway: true, Log: slog.New(slog.DiscardHandler)}
	c := start(t, cfg)
	if err := syscall.Kill(c.PID(), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	<-c.Done()
	if err := c.Err(); err == nil || !strings.Contains(err.Error(), "postgres ended by itself (signal: killed)") {
		t.Errorf("Err = %v", err)
	}
	start(t, cfg)
}

// A server that outlived its mshub and its guard is found by its postmaster.pid; the number of a stranger is not obeyed.
func TestLeftovers(t *testing.T) {
	t.Parallel()
	cfg := Config{Dir: filepath.Join(dataDir(t), "postgres"), Throwaway: true, Log: slog.New(slog.DiscardHandler)}
	if err := start(t, cfg).Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	bin, err := findBinaries(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	owner, err := ownerOf(cfg.Dir)
	if err != nil {
		t.Fatal(err)
	}
	leftover := exec.Command(filepath.Join(bin.dir, "postgres"), "-D", cfg.Dir)
	leftover.Env = owner.environment()
	leftover.SysProcAttr = &syscall.SysProcAttr{}
	if owner.user != nil {
		leftover.SysProcAttr.Credential = &syscall.Credential{Uid: owner.user.UID, Gid: owner.user.GID}
	}
	if err := leftover.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		_ = leftover.Wait()
		close(ended)
	}()
	defer func() { _ = leftover.Process.Kill() }()
	url := (&Cluster{socket: cfg.Dir}).URL()
	for {
		conn, err := pgx.Connect(t.Context(), url)
		if err == nil {
			_ = conn.Close(t.Context())
			break
		}
		time.Sleep(10 * time.Millisecond)
	}

	c := start(t, cfg)
	<-ended
	if c.PID() == leftover.Process.Pid {
		t.Error("it did not start a server of its own")
	}
	if err := c.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}

	write(t, filepath.Join(cfg.Dir, "postmaster.pid"), fmt.Sprintf("%d\n%s\n", os.Getpid(), cfg.Dir)) // as in a restarted container
	start(t, cfg)
}

func TestFullDisk(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 || runtime.GOOS != "linux" {
		t.Skip("only root on Linux can make a small disk")
	}
	for name, test := range map[string]struct {
		size int // MB
		want string
	}{
		"too full to begin":  {100, "100 MB are free, 256 MB are needed"},
		"full while it runs": {320, "free some space"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := dataDir(t)
			if out, err := exec.Command("mount", "-t", "tmpfs", "-o", fmt.Sprintf("size=%dm,mode=0755", test.size), "tmpfs", dir).CombinedOutput(); err != nil {
				t.Skipf("cannot mount a small disk: %s", out)
			}
			t.Cleanup(func() { _ = exec.Command("umount", "-l", dir).Run() })
			c, err := Start(t.Context(), Config{Dir: filepath.Join(dir, "postgres"), Log: slog.New(slog.DiscardHandler)})
			if err == nil {
				t.Cleanup(func() { _ = c.Stop(context.Background()) })
				err = fillUp(t, c)
			}
			if err == nil || !strings.Contains(err.Error(), "is full") || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v does not say that the disk is full and %q", err, test.want)
			}
		})
	}
}

// fillUp writes until the server gives up for lack of room for its write-ahead log, and returns its last word.
func fillUp(t *testing.T, c *Cluster) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	conn, err := pgx.Connect(ctx, c.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.Background()) }()
	_, err = conn.Exec(ctx, "CREATE TABLE filler (text text); ALTER TABLE filler ALTER text SET STORAGE EXTERNAL")
	for err == nil { // small steps: the log has to run out of room before the table does
		_, err = conn.Exec(ctx, "INSERT INTO filler SELECT repeat(md5(random()::text), 8000) FROM generate_series(1, 4)")
	}
	select {
	case <-c.Done():
		return c.Err()
	case <-time.After(5 * time.Second):
		return explain(c.dir, err)
	}
}
