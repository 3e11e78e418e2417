package main

import (
	"context"
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	runsv1 "github.com/microservicehub/mshub/services/runs/v1"
)

func schedulesCommand(c *cli) *cobra.Command {
	cmd := &cobra.Command{Use: "schedules", Short: "Start runs at times: list, create, change, pause, run now, backfill"}
	cmd.AddCommand(schedulesListCommand(c), schedulesWriteCommand(c, "create"), schedulesWriteCommand(c, "update"),
		scheduleCommand(c, "show", "Show a schedule with its next times and its latest runs", describeSchedule, func(ctx context.Context, a *api, name, _ string) (*runsv1.Schedule, error) {
			return a.runs.GetSchedule(ctx, &runsv1.GetScheduleRequest{Name: name})
		}),
		withReason(scheduleCommand(c, "pause", "Let no run start by itself until resumed", scheduleLine, func(ctx context.Context, a *api, name, reason string) (*runsv1.Schedule, error) {
			return a.runs.PauseSchedule(ctx, &runsv1.PauseScheduleRequest{Name: name, Reason: reason})
		})),
		withReason(scheduleCommand(c, "resume", "Let runs start by themselves again", scheduleLine, func(ctx context.Context, a *api, name, reason string) (*runsv1.Schedule, error) {
			return a.runs.ResumeSchedule(ctx, &runsv1.ResumeScheduleRequest{Name: name, Reason: reason})
		})),
		withReason(scheduleCommand(c, "run", "Start a run now, beside the plan", func(w io.Writer, r *runsv1.Run) { fmt.Fprintln(w, r.GetName(), stateText(r)) },
			func(ctx context.Context, a *api, name, reason string) (*runsv1.Run, error) {
				return a.runs.TriggerSchedule(ctx, &runsv1.TriggerScheduleRequest{Name: name, Reason: reason})
			})),
		scheduleCommand(c, "delete", "Delete a schedule; its runs stay", func(io.Writer, *runsv1.DeleteScheduleResponse) {}, func(ctx context.Context, a *api, name, _ string) (*runsv1.DeleteScheduleResponse, error) {
			return a.runs.DeleteSchedule(ctx, &runsv1.DeleteScheduleRequest{Name: name})
		}),
		schedulesBackfillCommand(c),
	)
	return cmd
}

func withReason(cmd *cobra.Command) *cobra.Command {
	cmd.Flags().String("reason", "", "why, for the audit")
	return cmd
}

// scheduleCommand makes a command to one schedule that needs nothing but its name, and perhaps a reason.
func scheduleCommand[T proto.Message](c *cli, use, short string, show func(io.Writer, T), do func(ctx context.Context, a *api, name, reason string) (T, error)) *cobra.Command {
	return &cobra.Command{
		Use:   use + " SCHEDULE",
		Short: short,
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			house, err := c.api()
			if err != nil {
				return err
			}
			reason := ""
			if flag := cmd.Flags().Lookup("reason"); flag != nil {
				reason = flag.Value.String()
			}
			answer, err := do(cmd.Context(), house, named("schedules", args[0]), reason)
			if err != nil {
				return err
			}
			return c.print(answer, func(w io.Writer) { show(w, answer) })
		},
	}
}

func schedulesListCommand(c *cli) *cobra.Command {
	req := &runsv1.ListSchedulesRequest{}
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List schedules with their next time",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			house, err := c.api()
			if err != nil {
				return err
			}
			list, err := house.runs.ListSchedules(cmd.Context(), req)
			if err != nil {
				return err
			}
			return c.print(list, func(w io.Writer) {
				table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
				fmt.Fprintln(table, "SCHEDULE\tPROCESS\tCRON\tTIME ZONE\tNEXT\tTITLE")
				for _, s := range list.GetSchedules() {
					fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\n", s.GetName(), s.GetProcess(), s.GetCron(), s.GetTimeZone(), nextTime(s), s.GetTitle())
				}
				_ = table.Flush()
				more(w, list.GetNextPageToken())
			})
		},
	}
	pages(cmd, &req.PageSize, &req.PageToken)
	return cmd
}

func nextTime(s *runsv1.Schedule) string {
	switch {
	case s.GetPaused():
		return "paused"
	case len(s.GetNextTimes()) == 0:
		return "-"
	}
	return clock(s.GetNextTimes()[0])
}

func scheduleLine(w io.Writer, s *runsv1.Schedule) {
	fmt.Fprintf(w, "%s  %s  next: %s\n", s.GetName(), s.GetProcess(), nextTime(s))
}

func describeSchedule(w io.Writer, s *runsv1.Schedule) {
	scheduleLine(w, s)
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, fact := range []struct{ what, value string }{
		{"title", s.GetTitle()}, {"cron", s.GetCron()}, {"time zone", s.GetTimeZone()}, {"overlap", s.GetOverlap().String()},
		{"paused because", s.GetPauseReason()}, {"made by", s.GetActor()}, {"input", protojson.Format(s.GetInput())},
	} {
		if fact.value != "" {
			fmt.Fprintf(table, "  %s:\t%s\n", fact.what, fact.value)
		}
	}
	if s.GetSkipped() > 0 {
		fmt.Fprintf(table, "  passed over:\t%d times\n", s.GetSkipped())
	}
	for _, t := range s.GetNextTimes() {
		fmt.Fprintf(table, "  next:\t%s\n", clock(t))
	}
	for _, run := range s.GetRecentRuns() {
		fmt.Fprintf(table, "  run:\t%s\n", run)
	}
	_ = table.Flush()
}
