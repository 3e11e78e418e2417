package observability

import (
	"context"
	"log/slog"
	"net/http"
	"slices"
	"strings"

	"go.opentelemetry.io/otel/trace"
)

// localHandler writes to cfg.Output: JSON lines, or text for a person.
func localHandler(cfg Config) slog.Handler {
	options := &slog.HandlerOptions{Level: cfg.Level, ReplaceAttr: redact}
	if cfg.Text {
		return slog.NewTextHandler(cfg.Output, options)
	}
	return slog.NewJSONHandler(cfg.Output, options).WithAttrs([]slog.Attr{
		slog.String("service", cfg.Service), slog.String("env", cfg.Environment),
	})
}

// contextHandler adds what the context knows (trace, span, caller) and passes the record to each handler
// that wants it.
type contextHandler struct {
	next       []slog.Handler
	attributes func(context.Context) []slog.Attr
}

func (h *contextHandler) Enabled(ctx context.Context, level slog.Level) bool {
	return slices.ContainsFunc(h.next, func(n slog.Handler) bool { return n.Enabled(ctx, level) })
}

func (h *contextHandler) Handle(ctx context.Context, record slog.Record) error {
	record = record.Clone()
	if span := trace.SpanContextFromContext(ctx); span.IsValid() {
		record.AddAttrs(slog.String("trace_id", span.TraceID().String()), slog.String("span_id", span.SpanID().String()))
	}
	if h.attributes != nil {
		record.AddAttrs(h.attributes(ctx)...)
	}
	var first error
	for _, next := range h.next {
		if !next.Enabled(ctx, record.Level) {
			continue
		}
		if err := next.Handle(ctx, record); err != nil && first == nil {
			first = err
		}
	}
	return first
}

func (h *contextHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return h.each(func(n slog.Handler) slog.Handler { return n.WithAttrs(attrs) })
}

func (h *contextHandler) WithGroup(name string) slog.Handler {
	return h.each(func(n slog.Handler) slog.Handler { return n.WithGroup(name) })
}

func (h *contextHandler) each(derive func(slog.Handler) slog.Handler) slog.Handler {
	next := make([]slog.Handler, len(h.next))
	for i, n := range h.next {
		next[i] = derive(n)
	}
	return &contextHandler{next: next, attributes: h.attributes}
}

const redacted = "[redacted]"

// secretWords mark a key whose value no log may hold. "link" is here because sign-in, invitation and
// download links are credentials until they are used.
var secretWords = []string{"password", "passwd", "secret", "token", "authorization", "cookie", "link", "credential"}

func secretKey(key string) bool {
	key = strings.ToLower(key)
	return slices.ContainsFunc(secretWords, func(word string) bool { return strings.Contains(key, word) })
}

// redact is the last net, under config.Secret and under rooms that log no secrets: it blanks values by
// the name of their key or group, inside headers and maps too. It cannot see a secret inside a sentence.
func redact(groups []string, a slog.Attr) slog.Attr {
	if secretKey(a.Key) || slices.ContainsFunc(groups, secretKey) {
		return slog.String(a.Key, redacted)
	}
	if a.Value.Kind() != slog.KindAny {
		return a
	}
	switch v := a.Value.Any().(type) {
	case http.Header:
		a.Value = slog.AnyValue(redactMap(v))
	case map[string][]string:
		a.Value = slog.AnyValue(redactMap(v))
	case map[string]string:
		a.Value = slog.AnyValue(redactMap(v))
	case map[string]any:
		a.Value = slog.AnyValue(redactMap(v))
	}
	return a
}

func redactMap[V any](in map[string]V) map[string]any {
	out := make(map[string]any, len(in))
	for key, value := range in {
		nested, deep := any(value).(map[string]any)
		switch {
		case secretKey(key):
			out[key] = redacted
		case deep:
			out[key] = redactMap(nested)
		default:
			out[key] = value
		}
	}
	return out
}
