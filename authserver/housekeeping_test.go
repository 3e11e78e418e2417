package authserver

import (
	"context"
	"crypto/rand"
	"log/slog"
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/microservicehub/mshub/authserver/store"
	"github.com/microservicehub/mshub/internal/config"
	"github.com/microservicehub/mshub/internal/testenv"
	auditstore "github.com/microservicehub/mshub/services/audit/store"
)

// TestWhatHasExpiredGoes puts a dead and a living row into each table, more dead ones than one batch takes.
func TestWhatHasExpiredGoes(t *testing.T) {
	t.Parallel()
	db := testenv.Postgres(t, auditstore.Schema(), Schema())
	now := time.Now()
	master := make([]byte, 32)
	_, _ = rand.Read(master)
	var c Config
	if err := config.Load(map[string]string{}, &c); err != nil {
		t.Fatal(err)
	}
	s, err := New(Deps{DB: db, Config: c, PublicURL: "https://hub.example", Keys: config.Keys{master}, Log: slog.New(slog.DiscardHandler),
		Identity: Peer{Client: http.DefaultClient}, Notify: Peer{Client: http.DefaultClient}, Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	dead, alive := now.Add(-time.Hour), now.Add(time.Hour)
	err = db.Global(t.Context(), func(tx pgx.Tx) error { return fill(t.Context(), tx, now, dead, alive) })
	if err != nil {
		t.Fatal(err)
	}
	if err := s.clean(t.Context()); err != nil {
		t.Fatal(err)
	}
	got := map[string]int{}
	err = db.System(t.Context(), func(tx pgx.Tx) error {
		for _, table := range []string{"session", "code", "refresh_token", "pushed_request", "revocation"} {
			var n int
			if err := tx.QueryRow(t.Context(), "SELECT count(*) FROM authserver."+table).Scan(&n); err != nil {
				return err
			}
			got[table] = n
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]int{"session": 1, "code": 2, "refresh_token": 1, "pushed_request": 1, "revocation": 1}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("what is left (-want +got):\n%s", diff)
	}
}

func fill(ctx context.Context, tx pgx.Tx, now, dead, alive time.Time) error {
	q := store.New()
	id := func() []byte { return []byte(uuid.NewString()) }
	session := func(expires time.Time, used time.Duration) error {
		return q.CreateSession(ctx, tx, store.CreateSessionParams{ID: uuid.New(), SecretHash: id(), UserID: uuid.New(), Now: now.Add(used), ExpiresAt: expires})
	}
	code := func(expires time.Time) error {
		return q.CreateCode(ctx, tx, store.CreateCodeParams{Signature: id(), FamilyID: uuid.New(), UserID: uuid.New(), Request: []byte("{}"), ExpiresAt: expires})
	}
	refresh := func(expires time.Time) error {
		return q.CreateRefreshToken(ctx, tx, store.CreateRefreshTokenParams{
			Signature: id(), FamilyID: uuid.New(), UserID: uuid.New(), Request: []byte("{}"), CreatedAt: dead, ExpiresAt: expires, FamilyExpiresAt: expires,
		})
	}
	rows := []error{
		session(alive, 0), session(dead, 0), session(alive, -9*time.Hour), // idle too long
		code(alive), code(now.Add(-time.Minute)), code(dead), // the second is evidence
		refresh(alive), refresh(dead),
		q.CreatePushedRequest(ctx, tx, store.CreatePushedRequestParams{UriHash: id(), ExpiresAt: alive}),
		q.CreatePushedRequest(ctx, tx, store.CreatePushedRequestParams{UriHash: id(), ExpiresAt: dead}),
		q.Revoke(ctx, tx, store.RevokeParams{Kind: "sid", ID: "a", Time: now}),
	}
	for range batch + 10 {
		rows = append(rows, q.Revoke(ctx, tx, store.RevokeParams{Kind: "sid", ID: uuid.NewString(), Time: dead}))
	}
	for _, err := range rows {
		if err != nil {
			return err
		}
	}
	return nil
}

func TestConfigReportsEveryFault(t *testing.T) {
	t.Parallel()
	var c Config
	err := config.Load(map[string]string{"MSHUB_AUTH_SESSION_IDLE": "200h", "MSHUB_AUTH_KEY_ROTATION": "1h", "MSHUB_AUTH_REFRESH_IDLE": "1s"}, &c)
	want := `MSHUB_AUTH_REFRESH_IDLE: must be between 1h0m0s and 4320h0m0s, is 1s
MSHUB_AUTH_KEY_ROTATION: must be between 48h0m0s and 8760h0m0s, is 1h0m0s
MSHUB_AUTH_SESSION_IDLE: is longer than MSHUB_AUTH_SESSION_ABSOLUTE`
	if err == nil {
		t.Fatal("no fault")
	}
	if diff := cmp.Diff(want, err.Error()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestPublicURL(t *testing.T) {
	t.Parallel()
	for raw, ok := range map[string]bool{
		"https://hub.example": true, "https://hub.example/": true, "http://localhost:8080": true, "http://127.0.0.1:8080": true, "http://[::1]:8080": true,
		"http://hub.example": false, "https://hub.example/app": false, "https://user@hub.example": false, "hub.example": false, "": false, "ftp://localhost": false,
	} {
		if u, err := publicURL(raw); (err == nil) != ok || (ok && u.Path != "") {
			t.Errorf("%q: %v %v", raw, u, err)
		}
	}
}
