// Package redis opens the cache and fan-out server: a client for REDIS_URL, or a server inside this process.
//
//	redis.go     Open: a client with timeouts that suit wake-ups; LogTo: where the driver's own words go
//	embedded.go  StartEmbedded: miniredis for `mshub up`
//
// Redis holds nothing that can't be lost. Callers treat its errors as "no answer" and read PostgreSQL.
package redis

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

const (
	dialTimeout = 2 * time.Second
	ioTimeout   = time.Second // of one read or write; a wake-up that takes longer is as good as lost
	// pause between two questions of whether a server that does not answer has come back.
	pause = 300 * time.Millisecond
)

// Open connects to the server that the URL names (redis://, rediss:// or unix://), which may be starting at this very
// moment: it asks until the server answers or ctx ends, but not again where it is turned away. The caller closes the client.
func Open(ctx context.Context, url string) (*redis.Client, error) {
	options, err := redis.ParseURL(url)
	if err != nil {
		return nil, errors.New("REDIS_URL: not a Redis address; give redis://[user:password@]host:port[/number], rediss://… or unix:///path") // the parser's error may repeat the password
	}
	options.DialTimeout = dialTimeout
	options.ReadTimeout = ioTimeout
	options.WriteTimeout = ioTimeout
	options.PoolTimeout = ioTimeout
	options.MaxRetries = 1
	options.DialerRetries = 1
	options.ContextTimeoutEnabled = true
	options.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled} // announcements of one vendor's clusters
	client := redis.NewClient(options)

	for {
		err := client.Ping(ctx).Err()
		if err == nil {
			return client, nil
		}
		if ctx.Err() != nil || redis.HasErrorPrefix(err, "NOAUTH") || redis.HasErrorPrefix(err, "WRONGPASS") {
			return nil, errors.Join(fmt.Errorf("REDIS_URL: %s does not answer: %w", options.Addr, err), client.Close())
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
	}
}

// LogTo sends what the driver has to say (of connections lost, mostly) to the log instead of standard error.
// It holds for all clients of the process: call it once, in main.
func LogTo(log *slog.Logger) { redis.SetLogger(driverLog{log}) }

type driverLog struct{ log *slog.Logger }

func (d driverLog) Printf(ctx context.Context, format string, args ...any) {
	d.log.DebugContext(ctx, "redis: "+fmt.Sprintf(format, args...))
}
