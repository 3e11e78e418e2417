package main

import (
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/spf13/cobra"

	runsv1 "github.com/microservicehub/mshub/services/runs/v1"
)

func processesCommand(c *cli) *cobra.Command {
	return &cobra.Command{
		Use:   "processes",
		Short: "List the processes that can be run",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			house, err := c.api()
			if err != nil {
				return err
			}
			list, err := house.runs.ListProcesses(cmd.Context(), &runsv1.ListProcessesRequest{})
			if err != nil {
				return err
			}
			return c.print(list, func(w io.Writer) {
				table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
				for _, p := range list.GetProcesses() {
					fmt.Fprintf(table, "%s\t%s\n", p.GetName()[len("processes/"):], p.GetTitle())
				}
				_ = table.Flush()
			})
		},
	}
}
