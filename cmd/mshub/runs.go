package main

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	runsv1 "github.com/microservicehub/mshub/services/runs/v1"
)

func runsCommand(c *cli) *cobra.Command {
	cmd := &cobra.Command{Use: "runs", Short: "List, show and steer runs, one by one or many at once"}
	cmd.AddCommand(runsListCommand(c), runsShowCommand(c))
	cmd.AddCommand(steerCommands(c)...)
	cmd.AddCommand(runsBulkCommand(c))
	return cmd
}

// runsFilter is what list and bulk ask for: --filter in the API's language, and flags for what is asked most.
type runsFilter struct {
	filter, state, process, key string
}

func (f *runsFilter) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.filter, "filter", "", `which runs: 'state="RUNNING" AND startTime>2026-01-31'`)
	cmd.Flags().StringVar(&f.state, "state", "", "only runs in this state: queued, running, waiting, paused, failed, …")
	cmd.Flags().StringVar(&f.process, "process", "", "only runs of this process")
	cmd.Flags().StringVar(&f.key, "key", "", "only runs with this business key")
}

// text joins them with AND.
func (f *runsFilter) text() string {
	var parts []string
	if f.filter != "" {
		parts = append(parts, "("+f.filter+")")
	}
	for _, part := range []struct{ field, value string }{{"state", strings.ToUpper(f.state)}, {"process", f.process}, {"key", f.key}} {
		if part.value != "" {
			parts = append(parts, part.field+"="+strconv.Quote(part.value))
		}
	}
	if len(parts) == 1 && f.filter != "" {
		return f.filter
	}
	return strings.Join(parts, " AND ")
}

func runsListCommand(c *cli) *cobra.Command {
	req, which := &runsv1.ListRunsRequest{}, &runsFilter{}
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List runs, newest first",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			house, err := c.api()
			if err != nil {
				return err
			}
			req.Filter = which.text()
			list, err := house.runs.ListRuns(cmd.Context(), req)
			if err != nil {
				return err
			}
			return c.print(list, func(w io.Writer) {
				table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
				fmt.Fprintln(table, "RUN\tPROCESS\tSTATE\tPROGRESS\tSTARTED\tKEY\tTITLE")
				for _, r := range list.GetRuns() {
					fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n",
						r.GetName(), r.GetProcess(), stateText(r), progressText(r), clock(r.GetStartTime()), r.GetKey(), r.GetTitle())
				}
				_ = table.Flush()
				more(w, list.GetNextPageToken())
			})
		},
	}
	which.flags(cmd)
	cmd.Flags().StringVar(&req.Search, "search", "", "words of the title, the key or the process; the last may be cut short")
	pages(cmd, &req.PageSize, &req.PageToken)
	return cmd
}

// pages gives a list the flags of all lists.
func pages(cmd *cobra.Command, size *int32, token *string) {
	cmd.Flags().Int32Var(size, "page-size", 0, "how many at most")
	cmd.Flags().StringVar(token, "page-token", "", "where the last list ended")
}

func more(w io.Writer, token string) {
	if token != "" {
		fmt.Fprintln(w, "more with --page-token", token)
	}
}

// stateText says beside the state what a person must know of it: it is parked, or its place in the queue.
func stateText(r *runsv1.Run) string {
	switch {
	case r.GetParked():
		return r.GetState().String() + " (parked)"
	case r.GetQueuePosition() > 0:
		return fmt.Sprintf("%s (place %d)", r.GetState(), r.GetQueuePosition())
	}
	return r.GetState().String()
}

func progressText(r *runsv1.Run) string {
	p := r.GetProgress()
	switch {
	case p.GetTotal() > 0:
		return fmt.Sprintf("%d/%d %s", p.GetDone(), p.GetTotal(), p.GetUnit())
	case p.GetDone() > 0:
		return fmt.Sprintf("%d %s", p.GetDone(), p.GetUnit())
	}
	return "-"
}
