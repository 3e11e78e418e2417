package runs

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/microservicehub/mshub/services/runs/store"
)

// scrapePatience is how long a scrape may wait for the database; it then goes without these figures.
const scrapePatience = 2 * time.Second

var (
	openRuns = prometheus.NewDesc("mshub_runs_open",
		"Runs that have not ended, by state. Every node of the runs role reports the same.", []string{"state"}, nil)
	oldestStarting = prometheus.NewDesc("mshub_runs_oldest_starting_seconds",
		"Age of the oldest run that was accepted and not yet handed to Temporal; 0 if there is none.", nil, nil)
)

// Metrics counts runs when Prometheus asks: the rows are the truth, and a counter in memory would be one node's view.
func (s *Service) Metrics() prometheus.Collector { return collector{s} }

type collector struct{ *Service }

func (c collector) Describe(to chan<- *prometheus.Desc) {
	to <- openRuns
	to <- oldestStarting
}

func (c collector) Collect(to chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), scrapePatience)
	defer cancel()
	var open []store.CountOpenRow
	var oldest float64
	err := c.db.System(ctx, func(tx pgx.Tx) (err error) {
		if open, err = queries.CountOpen(ctx, tx); err != nil {
			return err
		}
		oldest, err = queries.OldestUnlaunched(ctx, tx)
		return err
	})
	if err != nil { // the other figures of the process must not be lost with these
		c.logger.Warn("runs could not be counted for the metrics", "error", err)
		return
	}
	for _, row := range open {
		to <- prometheus.MustNewConstMetric(openRuns, prometheus.GaugeValue, float64(row.Runs), row.State)
	}
	to <- prometheus.MustNewConstMetric(oldestStarting, prometheus.GaugeValue, oldest)
}
