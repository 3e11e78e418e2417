package runs

import (
	"errors"
	"fmt"
	"strings"

	runsv1 "github.com/microservicehub/mshub/services/runs/v1"
	"github.com/microservicehub/mshub/workflows/process"
)

// limits are how many runs of a process may be open at once; 0 = no limit.
type limits struct {
	// installation counts all organisations' runs, organisation one's, key those of one organisation with one key.
	installation, organisation, key int64
}

func limitsOf(d process.Definition) limits {
	return limits{installation: int64(d.Concurrency), organisation: int64(d.OrganisationConcurrency), key: int64(d.KeyConcurrency)}
}

func (l limits) any() bool { return l != limits{} }

func (l limits) show(p *runsv1.Process) {
	p.Concurrency, p.OrganisationConcurrency, p.KeyConcurrency = int32(l.installation), int32(l.organisation), int32(l.key)
}

// maxLimit is more than any installation runs at once.
const maxLimit = 1_000_000

// limit applies what an operator set, "recordimport.concurrency" = 4, over what the definitions say.
func (c *catalogue) limit(operators map[string]int64) error {
	var faults []error
	for key, value := range operators {
		name, which, _ := strings.Cut(key, ".")
		e, ok := c.byName[name]
		if !ok {
			faults = append(faults, fmt.Errorf("MSHUB_RUNS_LIMITS: %s: there is no process %q", key, name))
			continue
		}
		if value < 1 || value > maxLimit {
			faults = append(faults, fmt.Errorf("MSHUB_RUNS_LIMITS: %s must be between 1 and %d; it is %d", key, maxLimit, value))
			continue
		}
		switch which {
		case "concurrency":
			e.limits.installation = value
		case "organisation":
			e.limits.organisation = value
		case "key":
			e.limits.key = value
		default:
			faults = append(faults, fmt.Errorf("MSHUB_RUNS_LIMITS: %s: a limit is called %s.concurrency, %s.organisation or %s.key", key, name, name, name))
		}
		c.byName[name] = e
	}
	return errors.Join(faults...)
}

// narrowest is the limit that one organisation meets: its own, else the installation's, else that of each key.
func (l limits) narrowest() (limit int64, perKey bool) {
	switch {
	case l.organisation > 0 && (l.installation == 0 || l.organisation < l.installation):
		return l.organisation, false
	case l.installation > 0:
		return l.installation, false
	}
	return l.key, true
}
