// Package limit slows down whoever guesses: token buckets, in memory, one a key (an address, an account).
//
// Every node counts for itself, so several nodes allow as many times the rate; that is enough against guessing, and
// nothing has to be reached for a sign-in to work.
package limit

import (
	"math"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// maxBuckets bounds the memory. Above it the fullest buckets are forgotten first: they hold nothing back.
const maxBuckets = 100_000

// Rate is how often something may happen: Burst at once, then Every.
type Rate struct {
	Burst int
	Every time.Duration
}

// Buckets holds a bucket for each key. Safe for concurrent use.
type Buckets struct {
	rate Rate
	now  func() time.Time

	mu      sync.Mutex
	buckets map[string]bucket
}

type bucket struct {
	tokens float64
	at     time.Time
}

// New returns full buckets.
func New(rate Rate, now func() time.Time) *Buckets {
	return &Buckets{rate: rate, now: now, buckets: map[string]bucket{}}
}

// Take takes one token, or says how long to wait for the next.
func (b *Buckets) Take(key string) (wait time.Duration, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.now()
	one := b.refilled(key, now)
	if one.tokens < 1 {
		return time.Duration((1 - one.tokens) * float64(b.rate.Every)), false
	}
	one.tokens--
	if len(b.buckets) >= maxBuckets {
		b.forget(now)
	}
	b.buckets[key] = one
	return 0, true
}

// Peek says how long to wait for the next token without taking one.
func (b *Buckets) Peek(key string) (wait time.Duration, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if one := b.refilled(key, b.now()); one.tokens < 1 {
		return time.Duration((1 - one.tokens) * float64(b.rate.Every)), false
	}
	return 0, true
}

func (b *Buckets) refilled(key string, now time.Time) bucket {
	one, known := b.buckets[key]
	if !known {
		return bucket{tokens: float64(b.rate.Burst), at: now}
	}
	one.tokens = math.Min(float64(b.rate.Burst), one.tokens+float64(now.Sub(one.at))/float64(b.rate.Every))
	one.at = now
	return one
}

func (b *Buckets) forget(now time.Time) {
	for key := range b.buckets {
		if b.refilled(key, now).tokens >= float64(b.rate.Burst) {
			delete(b.buckets, key)
		}
	}
	for key := range b.buckets { // a flood of new keys: any of them
		if len(b.buckets) < maxBuckets*9/10 {
			return
		}
		delete(b.buckets, key)
	}
}

// RetryAfter sets the header in whole seconds, at least one.
func RetryAfter(w http.ResponseWriter, wait time.Duration) {
	w.Header().Set("Retry-After", strconv.Itoa(max(1, int(math.Ceil(wait.Seconds())))))
}

// Len is how many keys are remembered.
func (b *Buckets) Len() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.buckets)
}
