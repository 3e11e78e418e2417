package testenv

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// Dir returns an empty directory that every user may enter, unlike t.TempDir's; deleted after the test.
// A PostgreSQL started by root runs as another user and needs that.
func Dir(t testing.TB) string {
	t.Helper()
	dir, err := openDir(os.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

func openDir(parent string) (string, error) {
	dir, err := os.MkdirTemp(parent, "mshub-test-")
	if err != nil {
		return "", err
	}
	return dir, os.Chmod(dir, 0o755) //nolint:gosec // meant to be entered by the engines' users
}

const (
	memoryDir  = "/dev/shm" // Linux's file system in memory
	memoryFree = 4 << 30    // bytes that must be free in it: imports of real files fit, and containers' 64 MB do not count
)

// engineDir returns a directory for the data of an engine: in memory if there is plenty, for a database of hundreds of
// small files is cloned ten times faster there. TMPDIR overrides.
func engineDir() (string, error) {
	var disk syscall.Statfs_t
	if os.Getenv("TMPDIR") == "" && syscall.Statfs(memoryDir, &disk) == nil && disk.Bavail*uint64(disk.Bsize) >= memoryFree { // the types differ between systems
		return openDir(memoryDir)
	}
	return openDir(os.TempDir())
}

// cacheDir is where tests keep what they fetch or build once: mshub/ in the user's cache directory.
func cacheDir() (string, error) {
	base, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(base, "mshub")
	return dir, os.MkdirAll(dir, 0o700)
}

// publish moves a finished file or directory to its place in the cache; if another process was first, theirs stays.
func publish(from, to string) error {
	err := os.Rename(from, to)
	if err == nil {
		return nil
	}
	if _, statErr := os.Stat(to); statErr == nil {
		return os.RemoveAll(from)
	}
	return errors.Join(err, os.RemoveAll(from))
}
