package auth

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// TokenLifetime is how long an access token lives, and so how long a revocation must be remembered.
const TokenLifetime = 5 * time.Minute

// Revocation takes back all tokens of one subject that were issued before a moment.
type Revocation struct {
	// Kind is "sid" (a browser session), "sub" (all of a user's or client's), "client" (all through a client) or "jti".
	Kind string `json:"kind"`
	ID   string `json:"id"`
	// Time: tokens issued up to then are refused.
	Time time.Time `json:"time"`
}

// Revocations is the list every node keeps in memory. Safe for concurrent use.
type Revocations struct {
	now func() time.Time

	mu       sync.RWMutex
	byKey    map[string]time.Time
	watchers []func()
}

// NewRevocations starts empty; Poll fills it.
func NewRevocations(now func() time.Time) *Revocations {
	return &Revocations{now: now, byKey: map[string]time.Time{}}
}

// Watch calls f after each addition, so that open sockets can be checked again. f must not block.
func (r *Revocations) Watch(f func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.watchers = append(r.watchers, f)
}

// Add remembers revocations and forgets those older than any living token.
func (r *Revocations) Add(list ...Revocation) {
	if len(list) == 0 {
		return
	}
	r.mu.Lock()
	changed := false
	for _, one := range list {
		key := one.Kind + ":" + one.ID
		if one.Time.After(r.byKey[key]) {
			r.byKey[key] = one.Time
			changed = true
		}
	}
	oldest := r.now().Add(-TokenLifetime - time.Minute)
	for key, at := range r.byKey {
		if at.Before(oldest) {
			delete(r.byKey, key)
		}
	}
	watchers := r.watchers
	r.mu.Unlock()
	if changed {
		for _, f := range watchers {
			f()
		}
	}
}

// Revoked reports whether the caller's token was taken back.
func (r *Revocations) Revoked(c Caller) bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if len(r.byKey) == 0 {
		return false
	}
	subject := c.User.String()
	if c.Kind == Client {
		subject = ClientSubject(c.ClientID)
	}
	for _, key := range [...]string{"sid:" + c.SessionID, "sub:" + subject, "client:" + c.ClientID, "jti:" + c.TokenID} {
		// A token of the very moment of the revocation counts as older.
		if at, ok := r.byKey[key]; ok && !c.IssuedAt.After(at) {
			return true
		}
	}
	return false
}

// Poll keeps the list current until ctx ends: every interval and whenever wake fires, it fetches what is new.
// A node that can't reach the feed keeps what it has and says so once.
func (r *Revocations) Poll(ctx context.Context, logger *slog.Logger, fetch func(ctx context.Context, since time.Time) ([]Revocation, error), every time.Duration, wake <-chan struct{}) {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	failing := false
	for {
		// The overlap covers transactions that commit later than their time says.
		list, err := fetch(ctx, r.now().Add(-TokenLifetime-30*time.Second))
		switch {
		case err == nil:
			r.Add(list...)
			failing = false
		case ctx.Err() == nil && !failing:
			failing = true
			logger.WarnContext(ctx, "revocations can't be read; tokens taken back now stay valid until they expire", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		case <-wake:
		}
	}
}
