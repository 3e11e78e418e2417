package observability

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"os"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/propagation"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// Config is read from the environment by cmd/mshub. The zero value logs JSON at level info to standard
// error, ships nothing and exports no traces.
type Config struct {
	// Level is the lowest level logged: debug, info, warn, error.
	Level slog.Level `env:"MSHUB_LOG_LEVEL" envDefault:"info"`
	// Environment names the installation in logs and traces: dev, staging, prod.
	Environment string `env:"MSHUB_ENVIRONMENT" envDefault:"dev"`
	// LokiURL is Loki's push address (http://loki:3100/loki/api/v1/push). Empty: no shipping.
	LokiURL string `env:"MSHUB_LOKI_URL"`
	// OTLPEndpoint is the collector's HTTP address (http://collector:4318). Empty: no export.
	OTLPEndpoint string `env:"OTEL_EXPORTER_OTLP_ENDPOINT"`
	// TraceRatio is the share of new traces that are exported, 0 to 1. A caller's decision is kept.
	TraceRatio float64 `env:"MSHUB_TRACE_RATIO" envDefault:"1"`

	// Service and Version name this process: "mshub" and the build's version.
	Service, Version, Commit string
	// Text writes lines for a person at a terminal instead of JSON.
	Text bool
	// Output receives the log; nil is os.Stderr.
	Output io.Writer
	// Context returns the attributes of the caller in ctx (organisation, actor, run). cmd/mshub hands it
	// in, because who is calling is no business of this package. May be nil.
	Context func(context.Context) []slog.Attr
}

// Validate reports all faults at once.
func (c Config) Validate() error {
	var faults []error
	if c.TraceRatio < 0 || c.TraceRatio > 1 {
		faults = append(faults, fmt.Errorf("MSHUB_TRACE_RATIO is %v: give a share from 0 to 1", c.TraceRatio))
	}
	for name, address := range map[string]string{"MSHUB_LOKI_URL": c.LokiURL, "OTEL_EXPORTER_OTLP_ENDPOINT": c.OTLPEndpoint} {
		if address == "" {
			continue
		}
		// The address may hold a password, so the message repeats neither it nor url.Parse's error.
		if u, err := url.Parse(address); err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
			faults = append(faults, fmt.Errorf("%s is no http or https address", name))
		}
	}
	return errors.Join(faults...)
}

// Telemetry is one process's logger, tracer and registry. All of it is safe for concurrent use.
type Telemetry struct {
	// Logger is handed to every room.
	Logger *slog.Logger
	// Registry is the process's own; the default registry is not served.
	Registry *prometheus.Registry
	// Tracer creates spans; its ids are valid even when nothing is exported.
	Tracer *sdktrace.TracerProvider
	// Propagator reads and writes traceparent and baggage.
	Propagator propagation.TextMapPropagator

	loki *shipper // nil without MSHUB_LOKI_URL
}

// Setup builds the telemetry of this process and sets no global. Call Shutdown when everything that
// logs has stopped.
func Setup(ctx context.Context, cfg Config) (*Telemetry, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if cfg.Output == nil {
		cfg.Output = os.Stderr
	}
	if cfg.Service == "" {
		cfg.Service = "mshub"
	}
	registry := newRegistry(cfg.Version, cfg.Commit)
	local := localHandler(cfg)

	tracer, err := newTracer(ctx, cfg)
	if err != nil {
		return nil, err
	}
	t := &Telemetry{
		Registry:   registry,
		Tracer:     tracer,
		Propagator: propagation.NewCompositeTextMapPropagator(propagation.TraceContext{}, propagation.Baggage{}),
	}
	handlers := []slog.Handler{local}
	if cfg.LokiURL != "" {
		// The client's own complaints go to the local log alone: shipping them would feed on itself.
		t.loki, err = newShipper(cfg, slog.New(local), registry)
		if err != nil {
			return nil, errors.Join(err, tracer.Shutdown(ctx))
		}
		handlers = append(handlers, t.loki.handler(cfg.Level))
	}
	t.Logger = slog.New(&contextHandler{next: handlers, attributes: cfg.Context})
	return t, nil
}

// Shutdown exports what is still held, first traces, then logs. It returns when that is done or ctx
// ends, whichever is first; after it, log records reach the local output only.
func (t *Telemetry) Shutdown(ctx context.Context) error {
	err := t.Tracer.Shutdown(ctx)
	if t.loki != nil {
		err = errors.Join(err, t.loki.Close(ctx))
	}
	return err
}
