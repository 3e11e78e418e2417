package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/encoding/protojson"

	runsv1 "github.com/microservicehub/mshub/services/runs/v1"
)

func runsCommand(c *cli) *cobra.Command {
	cmd := &cobra.Command{Use: "runs", Short: "List, show, pause, resume, cancel and retry runs"}
	cmd.AddCommand(runsListCommand(c), runsShowCommand(c),
		steerCommand(c, "pause", "Hold a run before its next step", func(ctx context.Context, a *api, name, reason string) (*runsv1.Run, error) {
			return a.runs.PauseRun(ctx, &runsv1.PauseRunRequest{Name: name, Reason: reason})
		}),
		steerCommand(c, "resume", "Let a paused run go on", func(ctx context.Context, a *api, name, reason string) (*runsv1.Run, error) {
			return a.runs.ResumeRun(ctx, &runsv1.ResumeRunRequest{Name: name, Reason: reason})
		}),
		steerCommand(c, "cancel", "Stop a run and undo what it did", func(ctx context.Context, a *api, name, reason string) (*runsv1.Run, error) {
			return a.runs.CancelRun(ctx, &runsv1.CancelRunRequest{Name: name, Reason: reason})
		}),
		steerCommand(c, "retry", "Start a run that did not succeed again, as a new run", func(ctx context.Context, a *api, name, reason string) (*runsv1.Run, error) {
			return a.runs.RetryRun(ctx, &runsv1.RetryRunRequest{Name: name, Reason: reason})
		}),
	)
	return cmd
}

func runsListCommand(c *cli) *cobra.Command {
	req := &runsv1.ListRunsRequest{}
	cmd := &cobra.Command{
		Use:   "list",
		Short: `List runs, newest first (--filter 'state="RUNNING"')`,
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			house, err := c.api()
			if err != nil {
				return err
			}
			list, err := house.runs.ListRuns(cmd.Context(), req)
			if err != nil {
				return err
			}
			return c.print(list, func(w io.Writer) {
				table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
				fmt.Fprintln(table, "RUN\tPROCESS\tSTATE\tPROGRESS\tSTARTED\tTITLE")
				for _, r := range list.GetRuns() {
					fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\n", r.GetName(), r.GetProcess(), r.GetState(), progressText(r), clock(r.GetStartTime()), r.GetTitle())
				}
				_ = table.Flush()
				if list.GetNextPageToken() != "" {
					fmt.Fprintln(w, "more with --page-token", list.GetNextPageToken())
				}
			})
		},
	}
	cmd.Flags().StringVar(&req.Filter, "filter", "", "which runs")
	cmd.Flags().Int32Var(&req.PageSize, "page-size", 0, "how many at most")
	cmd.Flags().StringVar(&req.PageToken, "page-token", "", "where the last list ended")
	return cmd
}

func runsShowCommand(c *cli) *cobra.Command {
	return &cobra.Command{
		Use:   "show RUN",
		Short: "Show a run with its steps",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			house, err := c.api()
			if err != nil {
				return err
			}
			r, err := house.runs.GetRun(cmd.Context(), &runsv1.GetRunRequest{Name: named("runs", args[0])})
			if err != nil {
				return err
			}
			return c.print(r, func(w io.Writer) { describe(w, r) })
		},
	}
}

func steerCommand(c *cli, use, short string, do func(ctx context.Context, a *api, name, reason string) (*runsv1.Run, error)) *cobra.Command {
	var reason string
	cmd := &cobra.Command{
		Use:   use + " RUN",
		Short: short,
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			house, err := c.api()
			if err != nil {
				return err
			}
			r, err := do(cmd.Context(), house, named("runs", args[0]), reason)
			if err != nil {
				return err
			}
			return c.print(r, func(w io.Writer) { fmt.Fprintln(w, r.GetName(), r.GetState()) })
		},
	}
	cmd.Flags().StringVar(&reason, "reason", "", "why, for the journal and the audit")
	return cmd
}

func describe(w io.Writer, r *runsv1.Run) {
	fmt.Fprintf(w, "%s  %s  %s  %s\n", r.GetName(), r.GetProcess(), r.GetState(), progressText(r))
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, s := range r.GetSteps() {
		fmt.Fprintf(table, "  %s\t%s\t%s\n", s.GetTitle(), strings.ToLower(s.GetState().String()), s.GetMessage())
	}
	_ = table.Flush()
	if e := r.GetError(); e != nil {
		fmt.Fprintf(w, "error in %s: %s\n", e.GetStep(), e.GetMessage())
	}
	if r.GetResult() != nil {
		fmt.Fprintln(w, "result:", protojson.MarshalOptions{}.Format(r.GetResult()))
	}
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
