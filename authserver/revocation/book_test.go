package revocation_test

import (
	"log/slog"
	"os"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/microservicehub/mshub/authserver/revocation"
	"github.com/microservicehub/mshub/authserver/store"
	"github.com/microservicehub/mshub/internal/redis"
	"github.com/microservicehub/mshub/internal/testenv"
	auditstore "github.com/microservicehub/mshub/services/audit/store"
)

func TestMain(m *testing.M) { os.Exit(testenv.Main(m)) }

func TestARevocationWakesTheNodes(t *testing.T) {
	t.Parallel()
	db := testenv.Postgres(t, auditstore.Schema(), store.Schema())
	server := testenv.OwnRedis(t)
	client, err := redis.Open(t.Context(), server.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = client.Close() }()
	listening := client.Subscribe(t.Context(), revocation.Channel)
	defer func() { _ = listening.Close() }()
	if _, err := listening.Receive(t.Context()); err != nil {
		t.Fatal(err)
	}
	book := revocation.NewBook(db, client, slog.New(slog.DiscardHandler), time.Now)
	if err := book.EndFamily(t.Context(), uuid.New()); err != nil {
		t.Fatal(err)
	}
	if _, err := listening.ReceiveMessage(t.Context()); err != nil {
		t.Fatal(err)
	}
	// Redis may be lost: what was revoked is in the database all the same.
	server.Stop(t)
	if err := book.EndToken(t.Context(), uuid.NewString()); err != nil {
		t.Fatal(err)
	}
}
