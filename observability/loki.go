package observability

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/grafana/loki-client-go/loki"
	"github.com/grafana/loki/pkg/push"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/model"
)

const (
	// lokiQueue is how many lines may wait for Loki: some seconds of a busy process, a few MiB.
	lokiQueue = 8192
	// The client retries a batch this often, with this pause: about 7 s in which its door is shut and
	// the queue above takes the lines.
	lokiRetries  = 4
	lokiMinPause = 500 * time.Millisecond
	lokiMaxPause = 4 * time.Second
)

// shipper carries lines to Loki. Its client has three habits that callers must never feel: Handle blocks
// while a batch is retried, Stop flushes without a deadline, and Handle after Stop blocks for ever. So
// lines wait in a bounded queue, one goroutine alone talks to the client, and Close gives up at its
// deadline. A line that finds no room is dropped and counted.
type shipper struct {
	client  *loki.Client
	labels  model.LabelSet
	queue   chan line
	dropped *prometheus.CounterVec

	mu      sync.RWMutex // guards closed against send on a closed queue
	closed  bool
	drained chan struct{} // closed when the goroutine has flushed and stopped the client
}

// line is one record, ready to send.
type line struct {
	level   string
	at      time.Time
	text    string
	traceID string
}

func newShipper(cfg Config, complaints *slog.Logger, registry prometheus.Registerer) (*shipper, error) {
	client, err := loki.NewDefaultConfig(cfg.LokiURL)
	if err != nil {
		// The parser's error repeats the address, which may hold a password.
		return nil, errors.New("MSHUB_LOKI_URL cannot be parsed")
	}
	client.BackoffConfig.MaxRetries = lokiRetries
	client.BackoffConfig.MinBackoff = lokiMinPause
	client.BackoffConfig.MaxBackoff = lokiMaxPause
	client.EncodeJson = false // Loki 3 answers 204 to the client's JSON and stores nothing

	c, err := loki.NewWithLogger(client, kitLogger{complaints})
	if err != nil {
		return nil, fmt.Errorf("start the Loki client: %w", err)
	}
	s := &shipper{
		client: c,
		// Only these and the level are labels: each further one multiplies the streams in Loki.
		labels: model.LabelSet{"service": model.LabelValue(cfg.Service), "env": model.LabelValue(cfg.Environment)},
		queue:  make(chan line, lokiQueue),
		dropped: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "mshub_log_dropped_total",
			Help: "Log lines that did not reach the Loki client, by reason: queue_full, closed. They are still in the local log.",
		}, []string{"reason"}),
		drained: make(chan struct{}),
	}
	registry.MustRegister(s.dropped)
	for _, reason := range []string{"queue_full", "closed"} {
		s.dropped.WithLabelValues(reason)
	}
	go s.run()
	return s, nil
}

// run is the only goroutine that touches the client. It ends after Close, when the queue is empty and
// the client has sent or given up its last batch.
func (s *shipper) run() {
	defer close(s.drained)
	for l := range s.queue {
		labels := s.labels.Merge(model.LabelSet{"level": model.LabelValue(l.level)})
		var metadata push.LabelsAdapter
		if l.traceID != "" {
			metadata = push.LabelsAdapter{{Name: "trace_id", Value: l.traceID}}
		}
		// Handle fails only for a client in no state to take anything; the local log has the line.
		_ = s.client.HandleWithMetadata(labels, l.at, l.text, metadata)
	}
	s.client.Stop()
}

// offer never blocks.
func (s *shipper) offer(l line) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		s.dropped.WithLabelValues("closed").Inc()
		return
	}
	select {
	case s.queue <- l:
	default:
		s.dropped.WithLabelValues("queue_full").Inc()
	}
}

// Close sends what is queued and waits until that is done or ctx ends. Lines offered later are dropped.
func (s *shipper) Close(ctx context.Context) error {
	s.mu.Lock()
	if !s.closed {
		s.closed = true
		close(s.queue)
	}
	s.mu.Unlock()
	select {
	case <-s.drained:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("log lines not yet at Loki were abandoned (%d queued): %w", len(s.queue), ctx.Err())
	}
}

// handler renders records as the JSON lines of the local log and offers them to the queue.
func (s *shipper) handler(level slog.Level) slog.Handler {
	buffer := &sharedBuffer{}
	return &lokiHandler{shipper: s, buffer: buffer,
		json: slog.NewJSONHandler(&buffer.Buffer, &slog.HandlerOptions{Level: level, ReplaceAttr: redact})}
}

// sharedBuffer is where all handlers derived from one render, one at a time.
type sharedBuffer struct {
	mu sync.Mutex
	bytes.Buffer
}

type lokiHandler struct {
	shipper *shipper
	buffer  *sharedBuffer
	json    slog.Handler
}

func (h *lokiHandler) Enabled(ctx context.Context, level slog.Level) bool {
	return h.json.Enabled(ctx, level)
}

func (h *lokiHandler) Handle(ctx context.Context, record slog.Record) error {
	l := line{level: strings.ToLower(record.Level.String()), at: record.Time}
	record.Attrs(func(a slog.Attr) bool {
		if a.Key == "trace_id" {
			l.traceID = a.Value.String()
		}
		return true
	})
	h.buffer.mu.Lock()
	h.buffer.Reset()
	err := h.json.Handle(ctx, record)
	l.text = strings.TrimSuffix(h.buffer.String(), "\n")
	h.buffer.mu.Unlock()
	if err != nil {
		return err
	}
	h.shipper.offer(l)
	return nil
}

func (h *lokiHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &lokiHandler{shipper: h.shipper, buffer: h.buffer, json: h.json.WithAttrs(attrs)}
}

func (h *lokiHandler) WithGroup(name string) slog.Handler {
	return &lokiHandler{shipper: h.shipper, buffer: h.buffer, json: h.json.WithGroup(name)}
}

// kitLogger is the client's go-kit logger: key and value pairs become a warning in the local log.
type kitLogger struct{ to *slog.Logger }

func (k kitLogger) Log(pairs ...any) error {
	attrs := make([]any, 0, len(pairs))
	for i := 0; i+1 < len(pairs); i += 2 {
		attrs = append(attrs, slog.String(fmt.Sprint(pairs[i]), fmt.Sprint(pairs[i+1])))
	}
	k.to.Warn("Loki client", slog.Group("loki", attrs...))
	return nil
}
