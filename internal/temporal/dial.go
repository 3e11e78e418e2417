package temporal

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"

	"go.temporal.io/sdk/client"
	sdklog "go.temporal.io/sdk/log"
)

// Namespace holds all of the product's workflows.
const Namespace = "mshub"

// Dial connects to Temporal at host:port, in the product's namespace unless the options name another, and checks that it
// answers. The caller closes the client.
func Dial(ctx context.Context, address string, options client.Options) (client.Client, error) {
	options.HostPort = address
	options.Namespace = cmp.Or(options.Namespace, Namespace)
	if options.Logger == nil {
		options.Logger = sdklog.NewStructuredLogger(slog.New(slog.DiscardHandler))
	}
	c, err := client.DialContext(ctx, options)
	if err != nil {
		return nil, fmt.Errorf("TEMPORAL_ADDRESS: Temporal at %s does not answer: %w", address, err)
	}
	return c, nil
}
