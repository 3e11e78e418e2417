package main

import (
	"cmp"
	"fmt"
	"io"
	"strconv"
	"text/tabwriter"

	"github.com/spf13/cobra"

	runsv1 "github.com/microservicehub/mshub/services/runs/v1"
)

func loadCommand(c *cli) *cobra.Command {
	return &cobra.Command{
		Use:   "load",
		Short: "Show how many open runs each build has, and how full the limits are",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			house, err := c.api()
			if err != nil {
				return err
			}
			load, err := house.runs.GetLoad(cmd.Context(), &runsv1.GetLoadRequest{})
			if err != nil {
				return err
			}
			return c.print(load, func(w io.Writer) {
				table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
				fmt.Fprintln(table, "PROCESS\tBUILD\tOPEN RUNS")
				for _, b := range load.GetBuilds() {
					fmt.Fprintf(table, "%s\t%s\t%d\n", b.GetProcess(), cmp.Or(b.GetBuild(), "(not started yet)"), b.GetRuns())
				}
				if len(load.GetLimits()) > 0 {
					fmt.Fprintln(table, "\nPROCESS\tLIMIT\tRUNNING\tQUEUED")
				}
				for _, l := range load.GetLimits() {
					limit := strconv.Itoa(int(l.GetLimit()))
					if l.GetPerKey() {
						limit += " for each key"
					}
					fmt.Fprintf(table, "%s\t%s\t%d\t%d\n", l.GetProcess(), limit, l.GetRunning(), l.GetQueued())
				}
				_ = table.Flush()
			})
		},
	}
}
