package keys_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	fositejwt "github.com/ory/fosite/token/jwt"

	"github.com/microservicehub/mshub/authserver/keys"
	"github.com/microservicehub/mshub/authserver/store"
	authserverv1 "github.com/microservicehub/mshub/authserver/v1"
	"github.com/microservicehub/mshub/internal/auth"
	"github.com/microservicehub/mshub/internal/config"
	"github.com/microservicehub/mshub/internal/postgres"
	"github.com/microservicehub/mshub/internal/testenv"
	auditstore "github.com/microservicehub/mshub/services/audit/store"
)

func TestMain(m *testing.M) { os.Exit(testenv.Main(m)) }

const day = 24 * time.Hour

var schedule = keys.Schedule{Active: 30 * day, Prepublish: day, Retiring: day}

// clock is a time that only the test moves.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

func newClock() *clock { return &clock{at: time.Now().Truncate(time.Second)} }

func master() []byte {
	key := make([]byte, 32)
	_, _ = rand.Read(key)
	return key
}

func database(t *testing.T) *postgres.DB {
	t.Helper()
	return testenv.Postgres(t, auditstore.Schema(), store.Schema())
}

func ring(t *testing.T, db *postgres.DB, now func() time.Time, masters ...[]byte) *keys.Ring {
	t.Helper()
	r, err := keys.New(db, config.Keys(masters), schedule, now)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

const issuer = "https://hub.example"

func token(t *testing.T, r *keys.Ring, now time.Time) string {
	t.Helper()
	signed, err := r.Sign(t.Context(), auth.TokenType, auth.Claims{Claims: jwt.Claims{
		Issuer: issuer, Audience: jwt.Audience{issuer}, Subject: uuid.NewString(), IssuedAt: jwt.NewNumericDate(now), Expiry: jwt.NewNumericDate(now.Add(5 * time.Minute)),
	}})
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

func kid(t *testing.T, token string) string {
	t.Helper()
	parsed, err := jwt.ParseSigned(token, []jose.SignatureAlgorithm{jose.ES256})
	if err != nil {
		t.Fatal(err)
	}
	return parsed.Headers[0].KeyID
}

// states returns the state of every key, the newest first.
func states(t *testing.T, r *keys.Ring) []string {
	t.Helper()
	res, err := keys.Service{Ring: r}.ListKeys(t.Context(), &authserverv1.ListKeysRequest{})
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, key := range res.GetKeys() {
		list = append(list, strings.ToLower(key.GetState().String()))
	}
	return list
}

func TestSeveralNodesMakeOneFirstKey(t *testing.T) {
	t.Parallel()
	db, key, c := database(t), master(), newClock()
	var wg sync.WaitGroup
	kids := make([]string, 8)
	for i := range kids {
		r := ring(t, db, c.now, key)
		wg.Go(func() { kids[i] = kid(t, token(t, r, c.now())) })
	}
	wg.Wait()
	slices.Sort(kids)
	if distinct := slices.Compact(kids); len(distinct) != 1 {
		t.Errorf("%d nodes sign with %d keys", len(kids), len(distinct))
	}
}

func TestKeysRotateWithoutALogin(t *testing.T) {
	t.Parallel()
	db, key, c := database(t), master(), newClock()
	leader := ring(t, db, c.now, key)
	node := ring(t, db, c.now, key) // signs and verifies, never rotates
	signers := map[string]bool{}
	var last string
	// A verifier elsewhere that reads the JWKS no more often than it must.
	verifier := auth.NewVerifier(issuer, node.Public, auth.NewRevocations(c.now), c.now)
	for range 6 * 95 {
		for _, r := range []*keys.Ring{leader, node} {
			signed := token(t, r, c.now())
			signers[kid(t, signed)] = true
			if _, err := verifier.Verify(t.Context(), signed); err != nil {
				t.Fatalf("a fresh token on %s: %v", c.now(), err)
			}
			if last != "" {
				if _, err := keys.Signer.Decode(keys.Signer{Ring: node}, t.Context(), last); err != nil {
					t.Fatalf("an ID token of four hours ago on %s: %v", c.now(), err)
				}
			}
		}
		idToken, _, err := keys.Signer{Ring: node}.Generate(t.Context(), fositejwt.MapClaims{"exp": time.Now().Add(day).Unix()}, &fositejwt.Headers{})
		if err != nil {
			t.Fatal(err)
		}
		last = idToken
		c.pass(4 * time.Hour)
		if err := leader.Rotate(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if len(signers) != 4 {
		t.Errorf("%d keys signed in 95 days, want 4", len(signers))
	}
	if diff := cmp.Diff([]string{"active", "retired", "retired", "retired"}, states(t, leader)); diff != "" {
		t.Errorf("states (-want +got):\n%s", diff)
	}
	var sealed int
	err := db.Global(t.Context(), func(tx pgx.Tx) error {
		return tx.QueryRow(t.Context(), "SELECT count(*) FROM authserver.signing_key WHERE sealed IS NOT NULL").Scan(&sealed)
	})
	if err != nil || sealed != 1 {
		t.Errorf("%d private keys are kept (%v), want 1", sealed, err)
	}
}

func TestTheLifeOfAKey(t *testing.T) {
	t.Parallel()
	db, c := database(t), newClock()
	r := ring(t, db, c.now, master())
	first := token(t, r, c.now())
	for _, step := range []struct {
		pass      time.Duration
		states    []string
		published int
	}{
		{0, []string{"active"}, 1},
		{29*day - time.Second, []string{"active"}, 1},
		{time.Second, []string{"next", "active"}, 2},
		{day - time.Second, []string{"next", "active"}, 2},
		{time.Second, []string{"active", "retiring"}, 2},
		{day - time.Second, []string{"active", "retiring"}, 2},
		{time.Second, []string{"active", "retired"}, 1},
		// After a standstill the next key is published for a day all the same.
		{400 * day, []string{"next", "active", "retired"}, 2},
		{day, []string{"active", "retiring", "retired"}, 2},
	} {
		c.pass(step.pass)
		if err := r.Rotate(t.Context()); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(step.states, states(t, r)); diff != "" {
			t.Fatalf("%s later (-want +got):\n%s", step.pass, diff)
		}
		set, err := r.Public(t.Context())
		if err != nil || len(set.Keys) != step.published {
			t.Errorf("%v: %d keys published, want %d (%v)", step.states, len(set.Keys), step.published, err)
		}
	}
	if set, err := r.Public(t.Context()); err != nil || len(set.Key(kid(t, first))) != 0 {
		t.Errorf("the first key is still published (%v)", err)
	}
}

func TestTheJWKSHoldsNothingPrivate(t *testing.T) {
	t.Parallel()
	c := newClock()
	r := ring(t, database(t), c.now, master())
	w := httptest.NewRecorder()
	r.JWKS(w, httptest.NewRequestWithContext(t.Context(), "GET", "/oauth2/jwks", nil))
	var set struct {
		Keys []map[string]any `json:"keys"`
	}
	if err := json.Unmarshal(w.Body.Bytes(), &set); err != nil {
		t.Fatal(err)
	}
	if len(set.Keys) != 1 {
		t.Fatalf("%d keys", len(set.Keys))
	}
	var names []string
	for name := range set.Keys[0] {
		names = append(names, name)
	}
	slices.Sort(names)
	if diff := cmp.Diff([]string{"alg", "crv", "kid", "kty", "use", "x", "y"}, names); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestSecretKeysMayBeExchanged(t *testing.T) {
	t.Parallel()
	db, c := database(t), newClock()
	old, fresh := master(), master()
	before := ring(t, db, c.now, old)
	signed := token(t, before, c.now())
	// The new one seals, both open.
	after := ring(t, db, c.now, fresh, old)
	if a, b := kid(t, signed), kid(t, token(t, after, c.now())); a != b {
		t.Errorf("another key signs: %s, %s", a, b)
	}
	for _, d := range []time.Duration{29 * day, day, day} {
		c.pass(d)
		if err := after.Rotate(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	// By now the old one is not needed any more.
	token(t, ring(t, db, c.now, fresh), c.now())
	_, err := ring(t, db, c.now, old).Sign(context.Background(), auth.TokenType, auth.Claims{})
	if err == nil || !strings.Contains(err.Error(), "MSHUB_SECRET_KEYS") {
		t.Errorf("without the key that sealed it: %v", err)
	}
}

func TestForeignTokensAreRefused(t *testing.T) {
	t.Parallel()
	c := newClock()
	r, other := ring(t, database(t), c.now, master()), ring(t, database(t), c.now, master())
	signer := keys.Signer{Ring: r}
	good, _, err := signer.Generate(t.Context(), fositejwt.MapClaims{"sub": "a", "exp": time.Now().Add(time.Hour).Unix()}, &fositejwt.Headers{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := signer.Decode(t.Context(), good); err != nil {
		t.Fatal(err)
	}
	foreign, _, err := keys.Signer{Ring: other}.Generate(t.Context(), fositejwt.MapClaims{"sub": "a"}, &fositejwt.Headers{})
	if err != nil {
		t.Fatal(err)
	}
	parts := strings.Split(good, ".")
	public, err := r.Public(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	confused, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.HS256, Key: []byte(strings.Repeat("k", 32))},
		(&jose.SignerOptions{}).WithHeader("kid", public.Keys[0].KeyID))
	if err != nil {
		t.Fatal(err)
	}
	hs, err := jwt.Signed(confused).Claims(map[string]any{"sub": "a"}).Serialize()
	if err != nil {
		t.Fatal(err)
	}
	for name, bad := range map[string]string{
		"another server's": foreign,
		"no signature":     parts[0] + "." + parts[1] + ".",
		"alg none":         "eyJhbGciOiJub25lIn0." + parts[1] + ".",
		"alg HS256":        hs,
		"altered":          parts[0] + ".eyJzdWIiOiJiIn0." + parts[2],
		"garbage":          "a.b.c",
	} {
		if _, err := signer.Decode(t.Context(), bad); err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
}
