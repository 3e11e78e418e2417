package observability

import (
	"fmt"
	"maps"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/contrib/opentelemetry"
	"go.temporal.io/sdk/interceptor"
)

// temporalLabels are the SDK's tags that become labels. All families have all of them (an absent one is
// empty, which Prometheus treats as none), because the SDK gives one family different tags in different
// places and a registry refuses that.
var temporalLabels = []string{
	"task_queue", "worker_type", "poller_type", "workflow_type", "activity_type", "operation", "failure_reason", "status_code",
}

// temporalBuckets, in seconds, reach from a local activity to a process that waits for a person.
var temporalBuckets = []float64{.001, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 7200, 86400}

// TemporalMetrics is the Temporal SDK's metrics handler on a Prometheus registry. Names follow the
// SDK's: temporal_*, counters with _total, timers as histograms with _seconds, gauges bare.
type TemporalMetrics struct {
	families *families
	tags     map[string]string
}

// families holds each metric once, made when the SDK first names it; handlers with other tags share it.
type families struct {
	registry prometheus.Registerer
	limit    *limiter

	mu       sync.RWMutex
	counters map[string]*prometheus.CounterVec
	gauges   map[string]*prometheus.GaugeVec
	timers   map[string]*prometheus.HistogramVec
}

var _ client.MetricsHandler = (*TemporalMetrics)(nil)

// NewTemporalMetrics makes the handler for client.Options.MetricsHandler; make one a process.
func NewTemporalMetrics(registry prometheus.Registerer) *TemporalMetrics {
	return &TemporalMetrics{families: &families{
		registry: registry,
		limit:    newLimiter(),
		counters: map[string]*prometheus.CounterVec{},
		gauges:   map[string]*prometheus.GaugeVec{},
		timers:   map[string]*prometheus.HistogramVec{},
	}}
}

// WithTags returns a handler whose metrics carry the tags as well.
func (t *TemporalMetrics) WithTags(tags map[string]string) client.MetricsHandler {
	merged := make(map[string]string, len(t.tags)+len(tags))
	maps.Copy(merged, t.tags)
	maps.Copy(merged, tags)
	return &TemporalMetrics{families: t.families, tags: merged}
}

// Counter implements client.MetricsHandler.
func (t *TemporalMetrics) Counter(name string) client.MetricsCounter {
	counter := family(t.families, t.families.counters, prefixed(name)+"_total", func(name string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: temporalHelp}, temporalLabels)
	}).WithLabelValues(t.values()...)
	return counterFunc(func(n int64) {
		if n > 0 { // a Prometheus counter panics when asked to fall
			counter.Add(float64(n))
		}
	})
}

// Gauge implements client.MetricsHandler.
func (t *TemporalMetrics) Gauge(name string) client.MetricsGauge {
	gauge := family(t.families, t.families.gauges, prefixed(name), func(name string) *prometheus.GaugeVec {
		return prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: name, Help: temporalHelp}, temporalLabels)
	}).WithLabelValues(t.values()...)
	return gaugeFunc(gauge.Set)
}

// Timer implements client.MetricsHandler.
func (t *TemporalMetrics) Timer(name string) client.MetricsTimer {
	timer := family(t.families, t.families.timers, prefixed(name)+"_seconds", func(name string) *prometheus.HistogramVec {
		return prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: name, Help: temporalHelp, Buckets: temporalBuckets}, temporalLabels)
	}).WithLabelValues(t.values()...)
	return timerFunc(func(d time.Duration) { timer.Observe(d.Seconds()) })
}

const temporalHelp = "Temporal SDK; see its metrics reference."

func prefixed(name string) string {
	if strings.HasPrefix(name, "temporal_") {
		return name
	}
	return "temporal_" + name
}

// values are in the order of temporalLabels; other tags (namespace, client name) are the same for the
// whole process and left out.
func (t *TemporalMetrics) values() []string {
	values := make([]string, len(temporalLabels))
	for i, label := range temporalLabels {
		if v := t.tags[label]; v != "none" { // the SDK's word for absent
			values[i] = t.families.limit.value(label, v)
		}
	}
	return values
}

// family finds or registers the metric called name.
func family[V prometheus.Collector](f *families, known map[string]V, name string, create func(string) V) V {
	f.mu.RLock()
	vector, ok := known[name]
	f.mu.RUnlock()
	if ok {
		return vector
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if vector, ok = known[name]; ok {
		return vector
	}
	vector = create(name)
	f.registry.MustRegister(vector)
	known[name] = vector
	return vector
}

type (
	counterFunc func(int64)
	gaugeFunc   func(float64)
	timerFunc   func(time.Duration)
)

func (f counterFunc) Inc(n int64)          { f(n) }
func (f gaugeFunc) Update(v float64)       { f(v) }
func (f timerFunc) Record(d time.Duration) { f(d) }

// TemporalTracing carries the trace from the client that starts a workflow through the workflow to its
// activities. It belongs in client.Options.Interceptors, where workers find it too.
func (t *Telemetry) TemporalTracing() (interceptor.Interceptor, error) {
	i, err := opentelemetry.NewTracingInterceptor(opentelemetry.TracerOptions{
		Tracer:            t.Tracer.Tracer("temporal"),
		TextMapPropagator: t.Propagator,
	})
	if err != nil {
		return nil, fmt.Errorf("trace Temporal: %w", err)
	}
	return i, nil
}
