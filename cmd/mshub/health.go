package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// healthCommand is the container's health check: the image has no shell and no curl.
func healthCommand(c *cli) *cobra.Command {
	return &cobra.Command{
		Use:   "health",
		Short: "Exit 0 when this node is ready (asks /readyz on the operations listener)",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, cancel := context.WithTimeout(cmd.Context(), 5*time.Second)
			defer cancel()
			address := cmp.Or(c.environ["MSHUB_OPS_LISTEN"], ":9464")
			if strings.HasPrefix(address, ":") {
				address = "127.0.0.1" + address
			}
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/readyz", nil)
			if err != nil {
				return fmt.Errorf("MSHUB_OPS_LISTEN: %q is not an address", address)
			}
			res, err := http.DefaultClient.Do(req)
			if err != nil {
				return fmt.Errorf("nobody answers on http://%s/readyz", address)
			}
			defer func() { _ = res.Body.Close() }()
			body, err := io.ReadAll(io.LimitReader(res.Body, 1<<16))
			if err != nil {
				return err
			}
			fmt.Fprintln(c.stdout, strings.TrimSpace(string(body)))
			if res.StatusCode != http.StatusOK {
				return fmt.Errorf("not ready: %s", res.Status)
			}
			return nil
		},
	}
}
