package events

import "github.com/prometheus/client_golang/prometheus"

// metrics of the live feed. Their names are used by the dashboards, rules and runbooks of observability/.
type metrics struct {
	connections *prometheus.GaugeVec   // by transport
	closed      *prometheus.CounterVec // by reason
	events      prometheus.Counter
	reads       prometheus.Counter
	topics      prometheus.Gauge
}

func newMetrics(registry prometheus.Registerer) *metrics {
	m := &metrics{
		connections: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "mshub_live_connections", Help: "Viewers connected to this node.",
		}, []string{"transport"}),
		closed: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "mshub_live_closed_total", Help: "Connections that ended, and why.",
		}, []string{"reason"}),
		events: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "mshub_live_events_total", Help: "Events and hints handed to viewers.",
		}),
		reads: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "mshub_live_journal_reads_total", Help: "Reads of the journal for viewers: new events and gaps.",
		}),
		topics: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "mshub_live_topics", Help: "Topics that somebody on this node follows.",
		}),
	}
	registry.MustRegister(m.connections, m.closed, m.events, m.reads, m.topics)
	for _, transport := range []string{"websocket", "sse"} {
		m.connections.WithLabelValues(transport)
	}
	for _, code := range []closeCode{closeGone, closeShutdown, closeExpired, closeSlow, closeNoToken, closeBadFrames} {
		m.closed.WithLabelValues(code.label())
	}
	return m
}
