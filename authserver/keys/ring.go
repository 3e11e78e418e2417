package keys

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/jackc/pgx/v5"

	"github.com/microservicehub/mshub/authserver/store"
	"github.com/microservicehub/mshub/internal/config"
	"github.com/microservicehub/mshub/internal/postgres"
)

const (
	// algorithm of every signature: small, fast, and what every verifier of the house insists on.
	algorithm = string(jose.ES256)
	// reloadAfter is how old the keys in memory may be. Far shorter than the time a key is published before it signs.
	reloadAfter = 30 * time.Second
)

// Ring is the keys of the installation. Safe for concurrent use; the database is read when first needed.
type Ring struct {
	db       *postgres.DB
	q        *store.Queries
	sealer   sealer
	schedule Schedule
	now      func() time.Time

	loading sync.Mutex // held by the one that reads anew; others go on with what there is
	mu      sync.RWMutex
	loaded  time.Time
	active  *signing
	public  map[string]jose.JSONWebKey // by kid: next, active, retiring
	order   []string                   // of the JWKS
}

// signing is a private key ready for use, with a signer for each `typ` header used so far.
type signing struct {
	kid     string
	since   time.Time // when it began to sign
	private any
	mu      sync.Mutex
	signers map[string]jose.Signer
}

// New returns a ring that seals with the first of the keys and opens with all.
func New(db *postgres.DB, keys config.Keys, schedule Schedule, now func() time.Time) (*Ring, error) {
	sealer, err := newSealer(keys)
	if err != nil {
		return nil, err
	}
	return &Ring{db: db, q: store.New(), sealer: sealer, schedule: schedule, now: now}, nil
}

// Sign serialises the claims as a JWT with the header `typ`, signed by the active key.
func (r *Ring) Sign(ctx context.Context, typ string, claims any) (string, error) {
	if err := r.fresh(ctx); err != nil {
		return "", err
	}
	r.mu.RLock()
	active := r.active
	r.mu.RUnlock()
	if active == nil {
		return "", errors.New("there is no active signing key")
	}
	signer, err := active.signer(typ)
	if err != nil {
		return "", err
	}
	return jwt.Signed(signer).Claims(claims).Serialize()
}

func (s *signing) signer(typ string) (jose.Signer, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if signer, ok := s.signers[typ]; ok {
		return signer, nil
	}
	options := (&jose.SignerOptions{}).WithType(jose.ContentType(typ)).WithHeader("kid", s.kid)
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: s.private}, options)
	if err != nil {
		return nil, err
	}
	s.signers[typ] = signer
	return signer, nil
}

// Public returns the published keys. It is the `auth.Keys` of a verifier in this process.
func (r *Ring) Public(ctx context.Context) (jose.JSONWebKeySet, error) {
	var set jose.JSONWebKeySet
	if err := r.fresh(ctx); err != nil {
		return set, err
	}
	r.mu.RLock()
	defer r.mu.RUnlock()
	for _, kid := range r.order {
		set.Keys = append(set.Keys, r.public[kid])
	}
	return set, nil
}

// key returns a published key by its kid.
func (r *Ring) key(ctx context.Context, kid string) (jose.JSONWebKey, bool) {
	if r.fresh(ctx) != nil {
		return jose.JSONWebKey{}, false
	}
	r.mu.RLock()
	defer r.mu.RUnlock()
	key, ok := r.public[kid]
	return key, ok
}

// fresh makes sure that what is in memory is not too old; a new installation gets its first key here. Keys once read
// stay good while the database is away.
func (r *Ring) fresh(ctx context.Context) error {
	r.mu.RLock()
	age, have := r.now().Sub(r.loaded), r.active != nil
	r.mu.RUnlock()
	if !have {
		return r.first(ctx)
	}
	if age < reloadAfter || !r.loading.TryLock() {
		return nil
	}
	defer r.loading.Unlock()
	_ = r.load(ctx) // what there is stays good; the next call tries again
	return nil
}

// first reads the keys when there are none in memory yet.
func (r *Ring) first(ctx context.Context) error {
	r.loading.Lock()
	defer r.loading.Unlock()
	r.mu.RLock()
	have := r.active != nil
	r.mu.RUnlock()
	if have {
		return nil // somebody else was first
	}
	err := r.load(ctx)
	if errors.Is(err, errNoKeys) {
		return r.Rotate(ctx)
	}
	return err
}

// Ready makes sure that there are keys in memory. Call it before a transaction in which something is signed: a connection
// that waits for another one could wait for ever.
func (r *Ring) Ready(ctx context.Context) error { return r.fresh(ctx) }

var errNoKeys = errors.New("there are no signing keys")

// load reads the keys from the database.
func (r *Ring) load(ctx context.Context) error {
	var rows []store.SigningKey
	err := r.db.Global(ctx, func(tx pgx.Tx) (err error) {
		rows, err = r.q.ListKeys(ctx, tx)
		return err
	})
	if err != nil {
		return fmt.Errorf("reading the signing keys: %w", err)
	}
	var active *signing
	public := map[string]jose.JSONWebKey{}
	var order []string
	for _, row := range rows {
		if row.State == stateRetired {
			continue
		}
		var key jose.JSONWebKey
		if err := json.Unmarshal(row.Public, &key); err != nil {
			return fmt.Errorf("signing key %s: %w", row.Kid, err)
		}
		public[row.Kid] = key
		order = append(order, row.Kid)
		if row.State == stateActive {
			private, err := r.sealer.open(row.Kid, row.Sealed)
			if err != nil {
				return fmt.Errorf("signing key %s: %w", row.Kid, err)
			}
			active = &signing{kid: row.Kid, since: row.ActivateAt, private: private, signers: map[string]jose.Signer{}}
		}
	}
	if active == nil {
		return errNoKeys
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.active != nil && r.active.kid == active.kid {
		active = r.active // keeps its signers
	}
	r.active, r.public, r.order, r.loaded = active, public, order, r.now()
	return nil
}
