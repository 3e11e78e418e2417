package observability

import (
	"bufio"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel/metric/noop"
)

// HTTP measures and traces plain routes: pages, tokens, files, sockets.
type HTTP struct {
	telemetry *Telemetry
	handled   *prometheus.CounterVec
	duration  *prometheus.HistogramVec
}

// NewHTTP registers its two families with the process's registry; make one a process.
func (t *Telemetry) NewHTTP() *HTTP {
	h := &HTTP{
		telemetry: t,
		handled: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "http_server_handled_total",
			Help: "Answers of plain routes, by route, method and status; 101 for a connection taken over.",
		}, []string{"route", "method", "code"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "http_server_duration_seconds",
			Help:    "Time to answer a plain route; connections taken over are not timed.",
			Buckets: latencyBuckets,
		}, []string{"route", "method"}),
	}
	t.Registry.MustRegister(h.handled, h.duration)
	return h
}

// Route wraps next. The route is the pattern it is mounted at, never the path of a request.
func (h *HTTP) Route(route string, next http.Handler) http.Handler {
	measured := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		seen := &statusWriter{ResponseWriter: w, status: http.StatusOK}
		next.ServeHTTP(seen, r)
		method := boundedMethod(r.Method)
		h.handled.WithLabelValues(route, method, strconv.Itoa(seen.status)).Inc()
		if !seen.hijacked {
			observe(r.Context(), h.duration.WithLabelValues(route, method), time.Since(start).Seconds())
		}
	})
	return otelhttp.NewHandler(measured, route,
		otelhttp.WithTracerProvider(h.telemetry.Tracer),
		otelhttp.WithPropagators(h.telemetry.Propagator),
		otelhttp.WithMeterProvider(noop.NewMeterProvider()))
}

// boundedMethod keeps a client from inventing label values.
func boundedMethod(method string) string {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return method
	}
	return "other"
}

// statusWriter remembers the status and lets streams flush and sockets be taken over.
type statusWriter struct {
	http.ResponseWriter
	status   int
	written  bool
	hijacked bool
}

func (w *statusWriter) WriteHeader(status int) {
	if !w.written && status >= http.StatusOK {
		w.status, w.written = status, true
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *statusWriter) Write(p []byte) (int, error) {
	w.written = true
	return w.ResponseWriter.Write(p)
}

// Unwrap serves http.ResponseController.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *statusWriter) Flush() {
	w.written = true
	_ = http.NewResponseController(w.ResponseWriter).Flush()
}

func (w *statusWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := http.NewResponseController(w.ResponseWriter).Hijack()
	if err == nil {
		w.status, w.hijacked = http.StatusSwitchingProtocols, true
	}
	return conn, rw, err
}
