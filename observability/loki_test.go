package observability_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang/snappy"
	"github.com/grafana/loki/pkg/push"

	"github.com/microservicehub/mshub/observability"
)

// lokiStub decodes pushes as Loki does. answer is called first; a status other than 204 refuses.
type lokiStub struct {
	answer func() int

	mu      sync.Mutex
	streams []push.Stream
}

func (l *lokiStub) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if status := l.answer(); status != http.StatusNoContent {
		w.WriteHeader(status)
		return
	}
	packed, _ := io.ReadAll(r.Body)
	raw, err := snappy.Decode(nil, packed)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	var request push.PushRequest
	if err := request.Unmarshal(raw); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	l.mu.Lock()
	l.streams = append(l.streams, request.Streams...)
	l.mu.Unlock()
	w.WriteHeader(http.StatusNoContent)
}

func accept() int { return http.StatusNoContent }

func TestLokiGetsLinesWithBoundedLabels(t *testing.T) {
	t.Parallel()
	stub := &lokiStub{answer: accept}
	server := httptest.NewServer(stub)
	defer server.Close()
	telemetry, _ := setup(t, func(c *observability.Config) { c.LokiURL = server.URL })

	ctx, span := telemetry.Tracer.Tracer("test").Start(t.Context(), "call")
	telemetry.Logger.With("room", "runs").WarnContext(ctx, "slow step", "run", "runs/7", "password", "hunter2")
	telemetry.Logger.Info("started")
	if err := telemetry.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}

	entries := map[string]push.Entry{}
	for _, stream := range stub.streams {
		if len(stream.Entries) != 1 {
			t.Fatalf("stream %s has %d entries, want 1", stream.Labels, len(stream.Entries))
		}
		entries[stream.Labels] = stream.Entries[0]
	}
	warn, ok := entries[`{env="test", level="warn", service="mshub"}`]
	if !ok || len(entries) != 2 {
		t.Fatalf("streams are %v, want one a level with labels env, level, service only", entries)
	}
	for _, want := range []string{`"msg":"slow step"`, `"room":"runs"`, `"run":"runs/7"`, `"password":"[redacted]"`} {
		if !strings.Contains(warn.Line, want) {
			t.Errorf("line %s lacks %s", warn.Line, want)
		}
	}
	id := span.SpanContext().TraceID().String()
	if len(warn.StructuredMetadata) != 1 || warn.StructuredMetadata[0].Name != "trace_id" || warn.StructuredMetadata[0].Value != id {
		t.Errorf("structured metadata is %v, want trace_id %s", warn.StructuredMetadata, id)
	}
}

// A sink that refuses, or takes and never answers, costs a caller nothing but the lines.
func TestLokiDownNeverBlocks(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	for name, answer := range map[string]func() int{
		"refuses": func() int { return http.StatusServiceUnavailable },
		"hangs":   func() int { <-release; return http.StatusServiceUnavailable },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			stub := &lokiStub{answer: answer}
			server := httptest.NewServer(stub)
			// The client retries beyond the test; closing its connections ends that.
			t.Cleanup(server.CloseClientConnections)
			telemetry, out := setup(t, func(c *observability.Config) { c.LokiURL = server.URL })

			// More than a batch, so that the client is busy retrying, and more than the queue holds.
			const lines = 30_000
			text := strings.Repeat("x", 200)
			start := time.Now()
			for range lines {
				telemetry.Logger.Info(text)
			}
			if spent := time.Since(start); spent > 10*time.Second {
				t.Errorf("%d records took %s: a caller was blocked", lines, spent)
			}
			if dropped := metric(t, telemetry, `mshub_log_dropped_total{reason="queue_full"}`); dropped == 0 {
				t.Error("no line was counted as dropped")
			}

			ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
			defer cancel()
			start = time.Now()
			if err := telemetry.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("Shutdown with a dead sink says %v, want the deadline", err)
			}
			if spent := time.Since(start); spent > 3*time.Second {
				t.Errorf("Shutdown took %s beyond its deadline of 200 ms", spent)
			}

			telemetry.Logger.Info("after the end")
			if closed := metric(t, telemetry, `mshub_log_dropped_total{reason="closed"}`); closed != 1 {
				t.Errorf("%v lines counted as closed, want 1", closed)
			}
			if !strings.Contains(out.String(), "after the end") {
				t.Error("the local log lost the line")
			}
		})
	}
	t.Cleanup(func() { close(release) })
}
