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
	// Limits override how many runs of a process may be open at once: in the installation (concurrency), of one
	// organisation, with one key: "recordimport.concurrency=4,recordimport.organisation=2".
	Limits map[string]int64 `env:"MSHUB_RUNS_LIMITS" envKeyValSeparator:"="`
}

// Validate reports every fault; names of settings and limits are checked by New, which knows the processes.
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
	for name, value := range c.Limits {
		if value <= 0 {
			faults = append(faults, config.Fault("MSHUB_RUNS_LIMITS", "%s must be at least 1; a limit of %d would let no run start", name, value))
		}
	}
	return errors.Join(faults...)
}
