package lifecycle

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"time"
)

const (
	checkTimeout = 2 * time.Second
	checkMaxAge  = time.Second // answers are shared for this long, so that probing can't become a load
)

// Health answers whether this process lives (/healthz) and whether it can serve (/readyz).
// Safe for concurrent use.
type Health struct {
	mu       sync.Mutex
	checks   []check
	stopping bool

	answering sync.Mutex // one evaluation at a time; the others wait for its answer
	answer    Readiness
	answered  time.Time
}

type check struct {
	name string
	run  func(ctx context.Context) error
}

// Readiness is the body of /readyz.
type Readiness struct {
	Status string           `json:"status"` // "ready", "not ready", "stopping"
	Checks map[string]Check `json:"checks"`
}

// Check is the result of one readiness check.
type Check struct {
	OK     bool   `json:"ok"`
	Reason string `json:"reason,omitempty"` // why not; written for an operator, never with a secret in it
}

// NewHealth returns a registry without checks: ready.
func NewHealth() *Health { return &Health{} }

// Add registers a check. It must return within 2 s of its context's life; an error means "not ready".
func (h *Health) Add(name string, run func(ctx context.Context) error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.checks = append(h.checks, check{name, run})
}

// Stopping makes the process not ready for good, so that no new work is sent to it while it finishes the old.
func (h *Health) Stopping() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.stopping = true
}

// Check evaluates all checks at once, or returns an answer younger than a second.
func (h *Health) Check(ctx context.Context) Readiness {
	h.mu.Lock()
	checks, stopping := h.checks, h.stopping
	h.mu.Unlock()
	if stopping {
		return Readiness{Status: "stopping", Checks: map[string]Check{}}
	}

	h.answering.Lock()
	defer h.answering.Unlock()
	if time.Since(h.answered) < checkMaxAge && len(h.answer.Checks) == len(checks) {
		return h.answer
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), checkTimeout) // the answer is for others too
	defer cancel()
	results := make([]Check, len(checks))
	var running sync.WaitGroup
	for i, c := range checks {
		running.Go(func() { results[i] = c.evaluate(ctx) })
	}
	running.Wait()

	answer := Readiness{Status: "ready", Checks: make(map[string]Check, len(checks))}
	for i, c := range checks {
		answer.Checks[c.name] = results[i]
		if !results[i].OK {
			answer.Status = "not ready"
		}
	}
	h.answer, h.answered = answer, time.Now()
	return answer
}

func (c check) evaluate(ctx context.Context) Check {
	result := make(chan error, 1)
	go func() { result <- c.run(ctx) }()
	select {
	case err := <-result:
		if err != nil {
			return Check{Reason: err.Error()}
		}
		return Check{OK: true}
	case <-ctx.Done():
		return Check{Reason: fmt.Sprintf("no answer within %s", checkTimeout)}
	}
}

// Live serves /healthz: 200 as long as the process can answer at all.
func (h *Health) Live() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, map[string]string{"status": "alive"})
	})
}

// Ready serves /readyz: 200 when every check holds, else 503 with the reasons.
func (h *Health) Ready() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer, code := h.Check(r.Context()), http.StatusOK
		if answer.Status != "ready" {
			code = http.StatusServiceUnavailable
		}
		writeJSON(w, code, answer)
	})
}

func writeJSON(w http.ResponseWriter, code int, body any) {
	text, err := json.Marshal(body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(code)
	_, _ = w.Write(append(text, '\n'))
}
