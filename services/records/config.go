package records

import (
	"errors"
	"strings"

	"github.com/microservicehub/mshub/internal/blob"
	"github.com/microservicehub/mshub/internal/config"
	"github.com/microservicehub/mshub/internal/egress"
)

// Config is read from the environment. MONGODB_URI, which chooses the store of documents, belongs to cmd/mshub.
type Config struct {
	// Bucket is scratch space for the inflated sources of imports under way: file:///directory or s3://bucket?region=…;
	// empty: `records` in the data directory.
	Bucket string `env:"MSHUB_RECORDS_BUCKET"`
	// MaxBytes of text that one import may have, inflated.
	MaxBytes int64 `env:"MSHUB_RECORDS_MAX_BYTES" envDefault:"53687091200"`
	// MaxRatio is how many times its size a packed file may inflate to, beyond 100 MiB of text; 0: any number.
	MaxRatio int64 `env:"MSHUB_RECORDS_MAX_RATIO" envDefault:"200"`
	// SourceHosts may be read by imports from a URL: "data.example.com,*.example.org". Empty: none.
	SourceHosts []string `env:"MSHUB_RECORDS_SOURCE_HOSTS"`
	// SourceNetworks are private networks in which such hosts may lie: "10.1.0.0/16".
	SourceNetworks []string `env:"MSHUB_RECORDS_SOURCE_NETWORKS"`
	// SourceBuckets may be read by imports: "s3://bucket/prefix/?region=eu-central-1"; {organisation} in the prefix keeps
	// organisations apart. Empty: none.
	SourceBuckets []string `env:"MSHUB_RECORDS_SOURCE_BUCKETS"`
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
	if c.MaxRatio < 0 {
		faults = append(faults, config.Fault("MSHUB_RECORDS_MAX_RATIO", "use 200, or 0 for any number"))
	}
	if _, err := egress.ParsePolicy(c.SourceNetworks); err != nil {
		faults = append(faults, config.Fault("MSHUB_RECORDS_SOURCE_NETWORKS", "%s", err))
	}
	for _, host := range c.SourceHosts {
		// A star stands for whole labels: *example.com would let evilexample.com through.
		if name := strings.TrimPrefix(host, "*."); name == "" || strings.HasPrefix(name, ".") || strings.ContainsAny(name, "*/: ") {
			faults = append(faults, config.Fault("MSHUB_RECORDS_SOURCE_HOSTS", "%q is no host; write data.example.com or *.example.com", host))
		}
	}
	for _, bucket := range c.SourceBuckets {
		if err := blob.Check(bucket); err != nil || !strings.HasPrefix(bucket, "s3://") {
			faults = append(faults, config.Fault("MSHUB_RECORDS_SOURCE_BUCKETS", "%q: write s3://bucket/prefix/?region=…", bucket))
			continue
		}
		if address, _, _ := strings.Cut(bucket, "?"); strings.Count(address, "/") > 2 && !strings.HasSuffix(address, "/") {
			faults = append(faults, config.Fault("MSHUB_RECORDS_SOURCE_BUCKETS",
				"%q: end the prefix with a slash, or it lets through what only begins alike; write %s/", bucket, address))
		}
	}
	return errors.Join(faults...)
}
