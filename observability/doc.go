// Package observability lets an operator see what the house does: one JSON line a log record, one trace
// through every hop, one registry of metrics.
//
//	setup.go     Config, Setup, Telemetry: what cmd/mshub builds first and shuts down last
//	log.go       slog: trace and caller attributes from the context, secrets redacted by key
//	loki.go      shipping to Loki behind a bounded queue; never blocks a caller
//	trace.go     OpenTelemetry: ids always, export only to OTEL_EXPORTER_OTLP_ENDPOINT
//	metrics.go   the Prometheus registry and /metrics
//	rpc.go       RED metrics and tracing of Connect calls
//	http.go      the same for plain routes
//	temporal.go  the Temporal SDK's metrics and tracing
//	labels.go    the limit on label values that every family here obeys
//
// Rooms get a *slog.Logger and a prometheus.Registerer from cmd/mshub and import nothing from here.
// Beside the code lie what runs next to the product: prometheus/ (scrape configuration, rules, their
// tests), grafana/ (dashboards, generated), loki/, runbooks/ (one page an alert), and metrics.txt, the
// list of metric names that rules and dashboards may rely on.
package observability
