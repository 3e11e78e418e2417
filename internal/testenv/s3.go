package testenv

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/microservicehub/mshub/internal/lifecycle"
)

var s3Engine engine[string]

// S3 returns the address of an S3 server, http://127.0.0.1:port, with no bucket in it but those of other tests: name yours
// uniquely. It takes any credentials; a bucket policy is kept.
func S3(t testing.TB) string {
	t.Helper()
	return s3Engine.get(t, "S3", startS3)
}

func startS3(ctx context.Context) (string, func(context.Context) error, error) {
	program, err := findS3(ctx)
	if err != nil {
		return "", nil, missing{err}
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	address := listener.Addr().String()
	_, port, _ := net.SplitHostPort(address)
	if err := listener.Close(); err != nil {
		return "", nil, err
	}
	child, err := lifecycle.StartChild(ctx, lifecycle.ChildConfig{
		Name: "moto_server", Path: program, Args: []string{"-H", "127.0.0.1", "-p", port},
		Signals: []lifecycle.Signal{{Number: syscall.SIGKILL, Wait: 5 * time.Second}},
		Log:     quiet(),
	})
	if err != nil {
		return "", nil, err
	}
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/", nil)
		if err != nil {
			return "", nil, err
		}
		res, err := http.DefaultClient.Do(req)
		if err == nil {
			return "http://" + address, child.Stop, res.Body.Close()
		}
		select {
		case <-child.Done():
			return "", nil, child.Err()
		case <-ctx.Done():
			return "", nil, errors.Join(context.Cause(ctx), err, child.Stop(context.WithoutCancel(ctx)))
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// findS3 looks on PATH, then in the cache, which tools/s3server.sh fills.
func findS3(ctx context.Context) (string, error) {
	if path, err := exec.LookPath("moto_server"); err == nil {
		return path, nil
	}
	root, err := moduleRoot()
	if err != nil {
		return "", err
	}
	cmd := exec.CommandContext(ctx, filepath.Join(root, "tools/s3server.sh"))
	var complaint strings.Builder
	cmd.Stderr = &complaint
	path, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("no moto_server on PATH, and none could be installed: %s", strings.TrimSpace(complaint.String()))
	}
	return strings.TrimSpace(string(path)), nil
}
