package keys

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/microservicehub/mshub/authserver/store"
	"github.com/microservicehub/mshub/internal/audit"
)

// The states of a key, as they stand in the database.
const (
	stateNext     = "next"
	stateActive   = "active"
	stateRetiring = "retiring"
	stateRetired  = "retired"
)

// Schedule says how long a key stays in a state.
type Schedule struct {
	// Active is how long a key signs.
	Active time.Duration
	// Prepublish is how long it is published before it signs.
	Prepublish time.Duration
	// Retiring is how long it still verifies: longer than any token lives.
	Retiring time.Duration
}

// Rotate brings every key into the state of this moment; mostly there is nothing to do. The first call in a new
// installation makes the first key. Any number of nodes may call it at once: one works, the others see the result.
func (r *Ring) Rotate(ctx context.Context) error {
	err := r.db.Global(ctx, func(tx pgx.Tx) error {
		if err := r.q.LockKeys(ctx, tx); err != nil {
			return err
		}
		rows, err := r.q.ListKeys(ctx, tx)
		if err != nil {
			return err
		}
		return r.step(ctx, tx, rows, r.now())
	})
	if err != nil {
		return err
	}
	return r.load(ctx)
}

func (r *Ring) step(ctx context.Context, tx pgx.Tx, rows []store.SigningKey, now time.Time) error {
	var active, next *store.SigningKey
	for i, row := range rows {
		switch {
		case row.State == stateActive:
			active = &rows[i]
		case row.State == stateNext:
			next = &rows[i]
		case row.State == stateRetiring && row.RetireAt != nil && !now.Before(*row.RetireAt):
			if err := r.q.RetireKey(ctx, tx, row.Kid); err != nil {
				return err
			}
			if err := r.record(ctx, tx, row.Kid, stateRetiring, stateRetired); err != nil {
				return err
			}
		}
	}
	switch {
	case active == nil && next == nil:
		return r.create(ctx, tx, stateActive, now, now)
	case next == nil && !now.Before(active.ActivateAt.Add(r.schedule.Active-r.schedule.Prepublish)):
		// After a long standstill the day of publication still comes first.
		at := active.ActivateAt.Add(r.schedule.Active)
		if earliest := now.Add(r.schedule.Prepublish); at.Before(earliest) {
			at = earliest
		}
		return r.create(ctx, tx, stateNext, now, at)
	case next != nil && !now.Before(next.ActivateAt):
		if active != nil {
			end := now.Add(r.schedule.Retiring)
			if err := r.q.SetKeyState(ctx, tx, store.SetKeyStateParams{Kid: active.Kid, State: stateRetiring, RetireAt: &end}); err != nil {
				return err
			}
			if err := r.record(ctx, tx, active.Kid, stateActive, stateRetiring); err != nil {
				return err
			}
		}
		if err := r.q.SetKeyState(ctx, tx, store.SetKeyStateParams{Kid: next.Kid, State: stateActive}); err != nil {
			return err
		}
		return r.record(ctx, tx, next.Kid, stateNext, stateActive)
	}
	return nil
}

func (r *Ring) create(ctx context.Context, tx pgx.Tx, state string, now, activateAt time.Time) error {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	id, err := uuid.NewV7()
	if err != nil {
		return err
	}
	kid := base64.RawURLEncoding.EncodeToString(id[:])
	public, err := json.Marshal(jose.JSONWebKey{Key: &private.PublicKey, KeyID: kid, Algorithm: algorithm, Use: "sig"})
	if err != nil {
		return err
	}
	sealed, err := r.sealer.seal(kid, private)
	if err != nil {
		return err
	}
	err = r.q.CreateKey(ctx, tx, store.CreateKeyParams{
		Kid: kid, Algorithm: algorithm, State: state, Public: public, Sealed: sealed, CreatedAt: now, ActivateAt: activateAt,
	})
	if err != nil {
		return err
	}
	return r.record(ctx, tx, kid, "", state)
}

func (r *Ring) record(ctx context.Context, tx pgx.Tx, kid, before, after string) error {
	entry := audit.Entry{Action: "authserver/RotateKeys", Target: "keys/" + kid, After: map[string]any{"state": after}}
	if before != "" {
		entry.Before = map[string]any{"state": before}
	}
	return audit.Append(ctx, tx, entry)
}
