package redis

import (
	"context"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestEmbeddedServesItsOwnerAlone(t *testing.T) {
	t.Parallel()
	server, err := StartEmbedded()
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()

	client, err := Open(t.Context(), server.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = client.Close() }()
	if err := client.Set(t.Context(), "key", "value", 20*time.Millisecond).Err(); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(5 * time.Second); client.Exists(t.Context(), "key").Val() == 1; {
		if time.Now().After(deadline) {
			t.Fatal("the key does not expire")
		}
	}

	stranger, err := Open(t.Context(), "redis://"+server.server.Addr())
	if err == nil {
		_ = stranger.Close()
		t.Error("the server lets in whoever has no password")
	}
}

func TestOpenSaysWhatIsWrongWithoutThePassword(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ url, want string }{
		"no address":    {"postgres://me:hunter2@localhost", "not a Redis address"},
		"nobody there":  {"redis://:hunter2@127.0.0.1:1", "127.0.0.1:1 does not answer"},
		"broken escape": {"redis://:hunter2%zz@localhost", "not a Redis address"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			client, err := Open(ctx, test.url)
			if err == nil {
				_ = client.Close()
				t.Fatal("no error")
			}
			if !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), "REDIS_URL") {
				t.Errorf("error %q does not say %q", err, test.want)
			}
			if strings.Contains(err.Error(), "hunter2") {
				t.Errorf("error %q gives the password away", err)
			}
		})
	}
}

func TestOpenWaitsForAServerThatStarts(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	asked := make(chan struct{})
	server := miniredis.NewMiniRedis()
	t.Cleanup(server.Close)
	go func() { // the first question meets a server that goes away, and later ones the server that comes in its place
		conn, err := listener.Accept()
		if err == nil {
			_ = conn.Close()
		}
		_ = listener.Close()
		close(asked)
		_ = server.StartAddr(listener.Addr().String())
	}()
	client, err := Open(t.Context(), "redis://"+listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	<-asked
	_ = client.Close()
}
