package runs_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus"

	runsv1 "github.com/microservicehub/mshub/services/runs/v1"
)

// figures are the values that a scrape sees, by name and label.
func figures(t *testing.T, h *house) map[string]float64 {
	t.Helper()
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(h.service.Metrics())
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]float64{}
	for _, family := range families {
		for _, m := range family.GetMetric() {
			key := family.GetName()
			for _, label := range m.GetLabel() {
				key += " " + label.GetValue()
			}
			seen[key] = m.GetGauge().GetValue()
		}
	}
	return seen
}

func TestMetricsCountWhatIsOpen(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	if diff := cmp.Diff(map[string]float64{"mshub_runs_oldest_starting_seconds": 0}, figures(t, h)); diff != "" {
		t.Errorf("an empty house: %s", diff)
	}

	ended, c := h.start("three")
	until(t, c, ended.GetName(), "completed", inState(runsv1.Run_COMPLETED))
	waiting, c := h.start("asking")
	until(t, c, waiting.GetName(), "waiting for the decision", inState(runsv1.Run_WAITING))
	if diff := cmp.Diff(map[string]float64{"mshub_runs_open WAITING": 1, "mshub_runs_oldest_starting_seconds": 0}, figures(t, h)); diff != "" {
		t.Error(diff)
	}

	// A row that Temporal was never told of, as a crash between the two would leave it. Launches are noted a moment later.
	eventually(t, func() (noted bool, state string) {
		h.system(func(tx pgx.Tx) error {
			return tx.QueryRow(t.Context(), "SELECT NOT EXISTS (SELECT FROM runs.run WHERE launched_at IS NULL AND ended_at IS NULL)").Scan(&noted)
		})
		return noted, "the launch is not noted"
	})
	h.system(func(tx pgx.Tx) error {
		_, err := tx.Exec(t.Context(), `UPDATE runs.run SET launched_at = NULL, created_at = clock_timestamp() - interval '5 minutes' WHERE ended_at IS NULL`)
		return err
	})
	seen := figures(t, h)
	if age := seen["mshub_runs_oldest_starting_seconds"]; age < 300 || age > 400 {
		t.Errorf("the oldest run not started is %v s old, want 300", age)
	}
}
