package runs

import (
	"errors"
	"time"

	"github.com/microservicehub/mshub/internal/config"
)

// Config of the runs role: MSHUB_RUNS_*.
type Config struct {
	// Retention is how long an ended run is kept, with its journal and tasks.
	Retention time.Duration `env:"MSHUB_RUNS_RETENTION" envDefault:"2160h"`
	// Settings override durations of processes, by process and name: "onboarding.deadline=72h,onboarding.reminder=24h".
	Settings map[string]time.Duration `env:"MSHUB_RUNS_SETTINGS" envKeyValSeparator:"="`
}

// Validate reports every fault; names of settings are checked by New, which knows the processes.
func (c *Config) Validate() error {
	var faults []error
	if c.Retention < time.Hour {
		faults = append(faults, config.Fault("MSHUB_RUNS_RETENTION", "must be at least 1h; it is %s", c.Retention))
	}
	for name, value := range c.Settings {
		if value <= 0 {
			faults = append(faults, config.Fault("MSHUB_RUNS_SETTINGS", "%s must be a positive duration such as 24h", name))
		}
	}
	return errors.Join(faults...)
}
