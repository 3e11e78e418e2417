package testenv

import (
	"context"
	"errors"
	"os"
	"testing"

	"github.com/microservicehub/mshub/internal/temporal"
)

var temporalEngine engine[*temporal.DevServer]

// Temporal returns host:port of a dev server with the product's namespace, in memory. All tests of the process share it:
// a worker listens on a task queue with a name of its test's own.
func Temporal(t testing.TB) string {
	t.Helper()
	return temporalEngine.get(t, "Temporal", startTemporal).Address()
}

func startTemporal(ctx context.Context) (*temporal.DevServer, func(context.Context) error, error) {
	d, err := temporal.StartDevServer(ctx, temporal.DevServerConfig{Binary: os.Getenv("MSHUB_TEMPORAL_BIN"), Log: quiet()})
	if errors.Is(err, temporal.ErrNotInstalled) {
		return nil, nil, missing{err}
	}
	if err != nil {
		return nil, nil, err
	}
	return d, d.Stop, nil
}
