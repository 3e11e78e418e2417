package audit_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	trail "github.com/microservicehub/mshub/internal/audit"
	"github.com/microservicehub/mshub/internal/auth"
	"github.com/microservicehub/mshub/internal/postgres"
	"github.com/microservicehub/mshub/internal/rpc"
	"github.com/microservicehub/mshub/internal/testenv"
	"github.com/microservicehub/mshub/services/audit"
	"github.com/microservicehub/mshub/services/audit/store"
	auditv1 "github.com/microservicehub/mshub/services/audit/v1"
	"github.com/microservicehub/mshub/services/audit/v1/auditv1connect"
)

func TestMain(m *testing.M) { os.Exit(testenv.Main(m)) }

// house is the room under test, as rooms and readers use it.
type house struct {
	url    string // of the database, for what only its owner can do
	db     *postgres.DB
	sealer *audit.Sealer
	reader func(organisation uuid.UUID) auditv1connect.AuditServiceClient
	run    func(organisation uuid.UUID) auditv1connect.AuditServiceClient
}

func setup(t *testing.T) *house {
	t.Helper()
	url := testenv.DatabaseURL(t, store.Schema())
	db, err := postgres.Open(t.Context(), url, 8)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	issuer := testenv.Issuer(t)
	path, handler := auditv1connect.NewAuditServiceHandler(audit.New(db), issuer.Options()...)
	address := testenv.Serve(t, issuer, path, handler)
	return &house{
		url:    url,
		db:     db,
		sealer: audit.NewSealer(db, slog.New(slog.DiscardHandler)),
		reader: func(organisation uuid.UUID) auditv1connect.AuditServiceClient {
			return auditv1connect.NewAuditServiceClient(rpc.HTTPClient(), address, issuer.As(auth.Caller{
				Kind: auth.User, User: uuid.New(), Organisation: organisation, Permissions: []string{"audit.read"},
			}))
		},
		run: func(organisation uuid.UUID) auditv1connect.AuditServiceClient {
			return auditv1connect.NewAuditServiceClient(rpc.HTTPClient(), address, issuer.As(auth.Caller{
				Kind: auth.Run, Run: uuid.New(), Organisation: organisation, Actor: "users/" + uuid.NewString(),
			}))
		},
	}
}

// change appends an entry as a room does.
func (h *house) change(t *testing.T, organisation uuid.UUID, target string) {
	t.Helper()
	user := uuid.New()
	ctx := auth.With(t.Context(), auth.Caller{Kind: auth.User, User: user, Actor: "users/" + user.String(), Organisation: organisation, RemoteAddress: "192.0.2.7"})
	err := h.db.Tx(ctx, organisation, func(tx pgx.Tx) error {
		return trail.Append(ctx, tx, trail.Entry{
			Action: "test.v1.Test/Change", Target: target, Before: map[string]any{"state": "old"}, After: map[string]any{"state": "new"}, Reason: "because",
		})
	})
	if err != nil {
		t.Fatal(err)
	}
}

func (h *house) seal(t *testing.T) {
	t.Helper()
	if err := h.sealer.Seal(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func (h *house) verify(t *testing.T, organisation uuid.UUID) *auditv1.VerifyChainResponse {
	t.Helper()
	res, err := h.reader(organisation).VerifyChain(t.Context(), &auditv1.VerifyChainRequest{})
	if err != nil {
		t.Fatal(err)
	}
	return res
}

// owner runs SQL as the database's owner, whom no policy stops.
func (h *house) owner(t *testing.T, sql string, args ...any) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), h.url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(t.Context())) }()
	tag, err := conn.Exec(t.Context(), sql, args...)
	if err != nil {
		t.Fatal(err)
	}
	if tag.RowsAffected() == 0 {
		t.Fatalf("%s: nothing was changed", sql)
	}
}

func TestEntriesAreListedWithWhoWhatAndFromWhere(t *testing.T) {
	t.Parallel()
	h := setup(t)
	a, b := uuid.New(), uuid.New()
	for i := range 5 {
		h.change(t, a, fmt.Sprintf("things/%d", i))
	}
	h.change(t, b, "things/b")
	h.seal(t)

	var targets []string
	req := &auditv1.ListEntriesRequest{PageSize: 2, Filter: `action="test.v1.Test/Change" AND NOT target="things/1"`}
	for {
		res, err := h.reader(a).ListEntries(t.Context(), req)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range res.GetEntries() {
			targets = append(targets, e.GetTarget())
			if e.GetReason() != "because" || e.GetRemoteAddress() != "192.0.2.7" || e.GetPosition() == 0 ||
				e.GetBefore().GetFields()["state"].GetStringValue() != "old" || e.GetAfter().GetFields()["state"].GetStringValue() != "new" {
				t.Errorf("entry is incomplete: %v", e)
			}
		}
		if req.PageToken = res.GetNextPageToken(); req.GetPageToken() == "" {
			break
		}
	}
	if diff := cmp.Diff([]string{"things/4", "things/3", "things/2", "things/0"}, targets); diff != "" {
		t.Error(diff)
	}

	for _, bad := range []*auditv1.ListEntriesRequest{{PageToken: "nonsense"}, {Filter: "color=red"}, {Filter: "run=5"}} {
		if _, err := h.reader(a).ListEntries(t.Context(), bad); rpc.ReasonOf(err) != "INVALID_FIELD" {
			t.Errorf("%v: got %v", bad, err)
		}
	}
}

func TestAnotherOrganisationSeesNothing(t *testing.T) {
	t.Parallel()
	h := setup(t)
	a, b := uuid.New(), uuid.New()
	h.change(t, a, "things/1")
	h.seal(t)
	res, err := h.reader(b).ListEntries(t.Context(), &auditv1.ListEntriesRequest{})
	if err != nil || len(res.GetEntries()) != 0 {
		t.Errorf("got %v, %v", res, err)
	}
	if res := h.verify(t, b); res.GetEntries() != 0 || !res.GetValid() {
		t.Errorf("got %v", res)
	}
}

// The installation's own entries are written without an organisation, and change nothing about the transaction's.
func TestAppendWorksInEveryTransaction(t *testing.T) {
	t.Parallel()
	h := setup(t)
	organisation := uuid.New()
	ctx := auth.With(t.Context(), auth.Caller{Kind: auth.Service, Actor: "services/authserver"})
	write := func(tx pgx.Tx) error {
		for _, to := range []uuid.UUID{uuid.Nil, organisation} {
			var before, after string
			if err := tx.QueryRow(ctx, "SELECT coalesce(current_setting('mshub.org', true), '')").Scan(&before); err != nil {
				return err
			}
			if err := trail.Append(ctx, tx, trail.Entry{Action: "test", Target: "things/1", Organisation: to}); err != nil {
				return err
			}
			if err := tx.QueryRow(ctx, "SELECT current_setting('mshub.org', true)").Scan(&after); err != nil {
				return err
			}
			if before != after {
				t.Errorf("the transaction was in %q and is now in %q", before, after)
			}
		}
		return nil
	}
	for name, err := range map[string]error{
		"global": h.db.Global(ctx, write),
		"system": h.db.System(ctx, write),
		"tenant": h.db.Tx(ctx, uuid.New(), write),
	} {
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	h.seal(t)
	if res := h.verify(t, organisation); res.GetEntries() != 3 || !res.GetValid() {
		t.Errorf("got %v", res)
	}
}

func TestTamperingIsFound(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		sql    string
		broken int64
	}{
		"actor changed":     {"UPDATE audit.entry SET actor = 'users/somebody' WHERE position = 3", 3},
		"time changed":      {"UPDATE audit.entry SET time = time - interval '1 second' WHERE position = 3", 3},
		"run added":         {"UPDATE audit.entry SET run = gen_random_uuid() WHERE position = 3", 3},
		"entry removed":     {"DELETE FROM audit.entry WHERE position = 3", 3},
		"first removed":     {"DELETE FROM audit.entry WHERE position = 1", 1},
		"last removed":      {"DELETE FROM audit.entry WHERE position = 5", 5},
		"all removed":       {"DELETE FROM audit.entry", 1},
		"hash cleared":      {"UPDATE audit.entry SET hash = NULL WHERE position = 5", 5},
		"detail changed":    {`UPDATE audit.detail SET after = '{"state":"other"}' WHERE entry_id = (SELECT id FROM audit.entry WHERE position = 3)`, 3},
		"reason changed":    {"UPDATE audit.detail SET reason = 'other' WHERE entry_id = (SELECT id FROM audit.entry WHERE position = 4)", 4},
		"links recomputed":  {"UPDATE audit.entry SET actor = 'x', hash = audit.link((SELECT hash FROM audit.entry WHERE position = 2), position, organisation_id, id, time, 'x', run, action, target, digest) WHERE position = 3", 4},
		"last recomputed":   {"UPDATE audit.entry SET actor = 'x', hash = audit.link((SELECT hash FROM audit.entry WHERE position = 4), position, organisation_id, id, time, 'x', run, action, target, digest) WHERE position = 5", 5},
		"head removed":      {"DELETE FROM audit.chain", 5},
		"positions swapped": {"UPDATE audit.entry SET position = 9 WHERE position = 3", 3},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := setup(t)
			organisation := uuid.New()
			for i := range 5 {
				h.change(t, organisation, fmt.Sprintf("things/%d", i))
			}
			h.seal(t)
			if res := h.verify(t, organisation); !res.GetValid() || res.GetEntries() != 5 {
				t.Fatalf("before: %v", res)
			}
			h.owner(t, c.sql)
			if res := h.verify(t, organisation); res.GetValid() || res.GetBrokenAt() != c.broken {
				t.Errorf("got %v, want broken at %d", res, c.broken)
			}
		})
	}
}

func TestErasedDetailsKeepTheChainValid(t *testing.T) {
	t.Parallel()
	h := setup(t)
	organisation := uuid.New()
	h.change(t, organisation, "things/1")
	h.change(t, organisation, "things/2")
	h.seal(t)
	err := h.db.System(t.Context(), func(tx pgx.Tx) error {
		_, err := tx.Exec(t.Context(), "DELETE FROM audit.detail WHERE entry_id = (SELECT id FROM audit.entry WHERE position = 1)")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if res := h.verify(t, organisation); !res.GetValid() || res.GetEntries() != 2 {
		t.Errorf("got %v", res)
	}
	res, err := h.reader(organisation).ListEntries(t.Context(), &auditv1.ListEntriesRequest{Filter: `target="things/1"`})
	if err != nil || len(res.GetEntries()) != 1 {
		t.Fatalf("got %v, %v", res, err)
	}
	if e := res.GetEntries()[0]; e.GetReason() != "" || e.GetRemoteAddress() != "" || len(e.GetAfter().GetFields()) != 0 {
		t.Errorf("something is left: %v", e)
	}
}

func TestNobodyRewritesTheTrail(t *testing.T) {
	t.Parallel()
	h := setup(t)
	organisation := uuid.New()
	h.change(t, organisation, "things/1")
	h.seal(t)
	const denied = "42501"
	for name, c := range map[string]struct {
		sql    string
		system bool
		want   string // the error's code; "" = nothing is changed
	}{
		"app updates":           {"UPDATE audit.entry SET actor = 'x'", false, denied},
		"app deletes":           {"DELETE FROM audit.entry", false, denied},
		"app erases":            {"DELETE FROM audit.detail", false, denied},
		"app seals":             {"UPDATE audit.chain SET position = 9", false, denied},
		"app inserts sealed":    {"INSERT INTO audit.entry SELECT organisation_id, gen_random_uuid(), time, actor, run, action, target, digest, 9, hash FROM audit.entry", false, denied},
		"app empties":           {"TRUNCATE audit.entry", false, denied},
		"system updates":        {"UPDATE audit.entry SET actor = 'x'", true, denied},
		"system deletes":        {"DELETE FROM audit.entry", true, denied},
		"system changes detail": {"UPDATE audit.detail SET reason = 'x'", true, denied},
		"system reseals":        {"UPDATE audit.entry SET position = 9, hash = ''", true, ""},
	} {
		run := func(ctx context.Context, f func(tx pgx.Tx) error) error { return h.db.Tx(ctx, organisation, f) }
		if c.system {
			run = h.db.System
		}
		err := run(t.Context(), func(tx pgx.Tx) error {
			tag, err := tx.Exec(t.Context(), c.sql)
			if err == nil && tag.RowsAffected() > 0 {
				err = errors.New("it worked")
			}
			return err
		})
		var pg *pgconn.PgError
		if errors.As(err, &pg) != (c.want != "") || (pg != nil && pg.Code != c.want) {
			t.Errorf("%s: got %v, want %q", name, err, c.want)
		}
	}
	if res := h.verify(t, organisation); !res.GetValid() || res.GetEntries() != 1 {
		t.Errorf("got %v", res)
	}
}

// Writers and several sealers at once: one chain an organisation, every entry in it.
func TestConcurrentWritersAndSealers(t *testing.T) {
	t.Parallel()
	h := setup(t)
	organisations := []uuid.UUID{uuid.New(), uuid.New()}
	const writers, each = 8, 15
	var writing, sealing sync.WaitGroup
	done := make(chan struct{})
	for range 3 {
		sealing.Go(func() {
			for {
				if err := h.sealer.Seal(t.Context()); err != nil {
					t.Error(err)
					return
				}
				select {
				case <-done:
					return
				default:
				}
			}
		})
	}
	for i := range writers {
		writing.Go(func() {
			for range each {
				h.change(t, organisations[i%2], "things/1")
			}
		})
	}
	writing.Wait()
	close(done)
	sealing.Wait()
	h.seal(t)
	for _, o := range organisations {
		if res := h.verify(t, o); !res.GetValid() || res.GetEntries() != writers*each/2 {
			t.Errorf("got %v", res)
		}
	}
}

func TestSealerRunsUntilItsContextEnds(t *testing.T) {
	t.Parallel()
	h := setup(t)
	organisation := uuid.New()
	h.change(t, organisation, "things/1")
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- h.sealer.Run(ctx) }()
	for h.verify(t, organisation).GetEntries() == 0 {
		if t.Context().Err() != nil {
			t.Fatal("never sealed")
		}
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
