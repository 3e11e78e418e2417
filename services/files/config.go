package files

import (
	"errors"
	"net/url"

	"github.com/microservicehub/mshub/internal/blob"
	"github.com/microservicehub/mshub/internal/config"
)

// Config is read from the environment.
type Config struct {
	// Bucket is file:///directory or s3://bucket?region=…; empty: `files` in the data directory.
	Bucket string `env:"MSHUB_FILES_BUCKET"`
	// MaxBytes of one file.
	MaxBytes int64 `env:"MSHUB_FILES_MAX_BYTES" envDefault:"5368709120"`
	// URL is the base of links that runs get, where services reach each other by an internal address; empty: MSHUB_PUBLIC_URL.
	URL string `env:"MSHUB_FILES_URL"`
}

// Validate reports every fault at once.
func (c *Config) Validate() error {
	var faults []error
	if c.Bucket != "" {
		if err := blob.Check(c.Bucket); err != nil {
			faults = append(faults, config.Fault("MSHUB_FILES_BUCKET", "%s", err))
		}
	}
	if c.MaxBytes < 1 || c.MaxBytes > blob.MaxPresigned {
		faults = append(faults, config.Fault("MSHUB_FILES_MAX_BYTES", "use 1 to %d: one PUT can't bring more", int64(blob.MaxPresigned)))
	}
	if c.URL != "" {
		if u, err := url.Parse(c.URL); err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
			faults = append(faults, config.Fault("MSHUB_FILES_URL", "use an address such as http://files:8080"))
		}
	}
	return errors.Join(faults...)
}
