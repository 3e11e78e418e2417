package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

// change is one line of the diff and what it takes to make it true.
type change struct {
	line string
	do   func(ctx context.Context) (note string, err error)
}

func applyCommand(c *cli) *cobra.Command {
	var file string
	var dryRun bool
	cmd := &cobra.Command{
		Use:   "apply -f FILE",
		Short: "Make organisation, roles, clients, datasets, schedules and webhooks what a YAML file says; shows the difference first",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			want, err := readDesired(file, c.stdin)
			if err != nil {
				return err
			}
			house, err := c.api()
			if err != nil {
				return err
			}
			changes, err := house.diff(cmd.Context(), want)
			if err != nil {
				return err
			}
			if len(changes) == 0 {
				fmt.Fprintln(c.stdout, "nothing to change")
				return nil
			}
			for _, ch := range changes {
				fmt.Fprintln(c.stdout, ch.line)
			}
			if dryRun {
				return nil
			}
			for _, ch := range changes {
				note, err := ch.do(cmd.Context())
				if err != nil {
					return fmt.Errorf("%s: %w", strings.TrimSpace(ch.line), err)
				}
				if note != "" {
					fmt.Fprintln(c.stdout, note)
				}
			}
			fmt.Fprintf(c.stdout, "%d changed\n", len(changes))
			return nil
		},
	}
	cmd.Flags().StringVarP(&file, "file", "f", "", "the YAML file; - reads standard input")
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "only show the difference")
	_ = cmd.MarkFlagRequired("file")
	return cmd
}

// diff compares the file with the house, in the order in which the changes must be made.
func (a *api) diff(ctx context.Context, want *desired) ([]change, error) {
	var all []change
	for _, part := range []func(context.Context, *desired) ([]change, error){
		a.diffOrganisation, a.diffRoles, a.diffDatasets, a.diffClients, a.diffSchedules, a.diffWebhooks,
	} {
		changes, err := part(ctx, want)
		if err != nil {
			return nil, err
		}
		all = append(all, changes...)
	}
	return all, nil
}
