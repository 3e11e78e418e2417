package observability_test

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/microservicehub/mshub/observability"
)

// output is a buffer that Loki's client may write its complaints to while a test reads.
type output struct {
	mu     sync.Mutex
	buffer bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buffer.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buffer.String()
}

// setup returns telemetry that logs JSON into the output.
func setup(t *testing.T, change func(*observability.Config)) (*observability.Telemetry, *output) {
	t.Helper()
	out := &output{}
	cfg := observability.Config{Output: out, Environment: "test"}
	if change != nil {
		change(&cfg)
	}
	telemetry, err := observability.Setup(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	return telemetry, out
}

func TestRecordCarriesTraceAndCaller(t *testing.T) {
	t.Parallel()
	telemetry, out := setup(t, func(c *observability.Config) {
		c.Context = func(context.Context) []slog.Attr {
			return []slog.Attr{slog.String("organisation", "organisations/1"), slog.String("run", "runs/7")}
		}
	})
	ctx, span := telemetry.Tracer.Tracer("test").Start(t.Context(), "call")
	telemetry.Logger.InfoContext(ctx, "step done", "step", "create")

	var record map[string]any
	if err := json.Unmarshal([]byte(out.String()), &record); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"msg": "step done", "step": "create", "run": "runs/7", "organisation": "organisations/1", "env": "test", "service": "mshub",
		"trace_id": span.SpanContext().TraceID().String(), "span_id": span.SpanContext().SpanID().String(),
	}
	for key, value := range want {
		if record[key] != value {
			t.Errorf("%s = %v, want %s", key, record[key], value)
		}
	}
	if observability.TraceID(ctx) != want["trace_id"] {
		t.Errorf("TraceID = %q without an exporter, want the span's", observability.TraceID(ctx))
	}
}

func TestLevel(t *testing.T) {
	t.Parallel()
	telemetry, out := setup(t, func(c *observability.Config) { c.Level = slog.LevelWarn })
	telemetry.Logger.Info("quiet")
	telemetry.Logger.Warn("loud")
	if got := out.String(); strings.Contains(got, "quiet") || !strings.Contains(got, "loud") {
		t.Errorf("log at warn is %q", got)
	}
}

func TestSecretsAreRedactedByKey(t *testing.T) {
	t.Parallel()
	const secret = "hunter2"
	for name, attr := range map[string]slog.Attr{
		"password":     slog.String("password", secret),
		"mixed case":   slog.String("clientSecret", secret),
		"access token": slog.String("access_token", secret),
		"link":         slog.String("signInLink", secret),
		"group":        slog.Group("cookies", slog.String("mshub", secret)),
		"in a group":   slog.Group("request", slog.String("Authorization", secret)),
		"header":       slog.Any("header", http.Header{"Authorization": {"Bearer " + secret}, "Set-Cookie": {secret}}),
		"map":          slog.Any("body", map[string]any{"user": map[string]any{"password": secret}}),
		"strings":      slog.Any("env", map[string]string{"SMTP_PASSWORD": secret}),
		"lazy value":   slog.Any("token", lazy(secret)),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			telemetry, out := setup(t, nil)
			telemetry.Logger.LogAttrs(t.Context(), slog.LevelInfo, "as an argument", attr)
			telemetry.Logger.With(attr).WithGroup("g").Info("bound", "n", 1)
			if strings.Contains(out.String(), secret) {
				t.Errorf("the secret is in the log: %s", out.String())
			}
			if strings.Count(out.String(), "[redacted]") < 2 {
				t.Errorf("nothing says that a value was left out: %s", out.String())
			}
		})
	}
}

// lazy is a value that resolves itself when logged.
type lazy string

func (l lazy) LogValue() slog.Value { return slog.StringValue(string(l)) }

func TestConfigReportsAllFaultsAndNoAddress(t *testing.T) {
	t.Parallel()
	_, err := observability.Setup(t.Context(), observability.Config{
		TraceRatio: 2, LokiURL: "loki:3100/hunter2", OTLPEndpoint: "http://\x7fhunter2",
	})
	if err == nil {
		t.Fatal("faulty configuration accepted")
	}
	for _, want := range []string{"MSHUB_TRACE_RATIO", "MSHUB_LOKI_URL", "OTEL_EXPORTER_OTLP_ENDPOINT"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not name %s", err, want)
		}
	}
	if strings.Contains(err.Error(), "hunter2") {
		t.Errorf("the address is repeated: %v", err)
	}
}
