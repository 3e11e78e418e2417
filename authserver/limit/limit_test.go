package limit_test

import (
	"net/http/httptest"
	"strconv"
	"testing"
	"time"

	"github.com/microservicehub/mshub/authserver/limit"
)

func TestBuckets(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	b := limit.New(limit.Rate{Burst: 3, Every: 10 * time.Second}, func() time.Time { return now })
	for i := range 3 {
		if _, ok := b.Take("a"); !ok {
			t.Fatalf("attempt %d of the burst is refused", i+1)
		}
	}
	if wait, ok := b.Take("a"); ok || wait != 10*time.Second {
		t.Errorf("after the burst: %s %t", wait, ok)
	}
	if wait, ok := b.Peek("a"); ok || wait != 10*time.Second {
		t.Errorf("looking: %s %t", wait, ok)
	}
	if _, ok := b.Take("b"); !ok {
		t.Error("another key waits as well")
	}
	now = now.Add(4 * time.Second)
	if wait, ok := b.Take("a"); ok || wait != 6*time.Second {
		t.Errorf("4 s later: %s %t", wait, ok)
	}
	now = now.Add(6 * time.Second)
	if _, ok := b.Take("a"); !ok {
		t.Error("10 s later still refused")
	}
	now = now.Add(time.Hour)
	for i := range 3 {
		if _, ok := b.Take("a"); !ok {
			t.Errorf("an hour later attempt %d is refused", i+1)
		}
	}
	if _, ok := b.Take("a"); ok {
		t.Error("an hour filled the bucket beyond its burst")
	}
}

func TestBucketsForgetUnderAFlood(t *testing.T) {
	t.Parallel()
	now := time.Now()
	b := limit.New(limit.Rate{Burst: 1, Every: time.Second}, func() time.Time { return now })
	for i := range 250_000 {
		b.Take(strconv.Itoa(i))
	}
	if n := b.Len(); n > 100_000 {
		t.Errorf("%d buckets", n)
	}
}

func TestRetryAfter(t *testing.T) {
	t.Parallel()
	for wait, want := range map[time.Duration]string{0: "1", time.Millisecond: "1", 1100 * time.Millisecond: "2", time.Minute: "60"} {
		w := httptest.NewRecorder()
		limit.RetryAfter(w, wait)
		if got := w.Header().Get("Retry-After"); got != want {
			t.Errorf("%s: %s, want %s", wait, got, want)
		}
	}
}
