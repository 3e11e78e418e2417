package keys_test

import (
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

func TestMetricsTellTheAgeOfTheKeyThatSigns(t *testing.T) {
	t.Parallel()
	c := newClock()
	r := ring(t, database(t), c.now, master())
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(r.Metrics())
	age := func() time.Duration {
		t.Helper()
		families, err := registry.Gather()
		if err != nil {
			t.Fatal(err)
		}
		return time.Duration(families[0].GetMetric()[0].GetGauge().GetValue()) * time.Second
	}
	if got := age(); got != 0 {
		t.Errorf("no key yet, and its age is %s", got)
	}
	for _, step := range []struct{ pass, want time.Duration }{
		{0, 0},
		{29 * day, 29 * day},
		{day, 0},             // the next one signs
		{10 * day, 10 * day}, // nobody rotates: it ages
	} {
		c.pass(step.pass)
		if step.pass != 10*day {
			if err := r.Rotate(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if got := age(); got != step.want {
			t.Errorf("%s later the key is %s old, want %s", step.pass, got, step.want)
		}
	}
}
