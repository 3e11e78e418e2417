package records

import (
	"errors"

	"github.com/microservicehub/mshub/internal/blob"
	"github.com/microservicehub/mshub/internal/config"
)

// Config is read from the environment. MONGODB_URI, which chooses the store of documents, belongs to cmd/mshub.
type Config struct {
	// Bucket is scratch space for the inflated sources of imports under way: file:///directory or s3://bucket?region=…;
	// empty: `records` in the data directory.
	Bucket string `env:"MSHUB_RECORDS_BUCKET"`
	// MaxBytes of text that one import may have, inflated.
	MaxBytes int64 `env:"MSHUB_RECORDS_MAX_BYTES" envDefault:"53687091200"`
}

// Validate reports every fault at once.
func (c *Config) Validate() error {
	var faults []error
	if c.Bucket != "" {
		if err := blob.Check(c.Bucket); err != nil {
			faults = append(faults, config.Fault("MSHUB_RECORDS_BUCKET", "%s", err))
		}
	}
	if c.MaxBytes < 1<<20 {
		faults = append(faults, config.Fault("MSHUB_RECORDS_MAX_BYTES", "use at least %d bytes", 1<<20))
	}
	return errors.Join(faults...)
}
