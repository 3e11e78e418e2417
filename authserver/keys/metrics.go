package keys

import "github.com/prometheus/client_golang/prometheus"

// Metrics tells the age of the key that signs, from what is in memory: the alert is for a rotation that has stopped.
func (r *Ring) Metrics() prometheus.Collector {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "mshub_auth_signing_key_age_seconds",
		Help: "Time since the active signing key began to sign; 0 before the first key.",
	}, func() float64 {
		r.mu.RLock()
		defer r.mu.RUnlock()
		if r.active == nil {
			return 0
		}
		return r.now().Sub(r.active.since).Seconds()
	})
}
