package main

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/types/known/fieldmaskpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	runsv1 "github.com/microservicehub/mshub/services/runs/v1"
)

// schedulesWriteCommand is create and update: the same flags; update sends only those that were given.
func schedulesWriteCommand(c *cli, use string) *cobra.Command {
	schedule := &runsv1.Schedule{}
	var input, overlap string
	var catchup time.Duration
	cmd := &cobra.Command{
		Use:     use + " SCHEDULE",
		Short:   map[string]string{"create": "Create a schedule", "update": "Change what is given, leave the rest"}[use],
		Example: map[string]string{"create": `  mshub schedules create nightly --process recordexport --cron "30 2 * * *" --time-zone Europe/Berlin --input export.json`}[use],
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			changed := &fieldmaskpb.FieldMask{}
			for flag, path := range map[string]string{
				"title": "title", "input": "input", "cron": "cron", "time-zone": "time_zone", "overlap": "overlap", "catchup": "catchup_seconds",
			} {
				if cmd.Flags().Changed(flag) {
					changed.Paths = append(changed.Paths, path)
				}
			}
			if cmd.Flags().Changed("input") {
				in, err := c.readInput(input)
				if err != nil {
					return err
				}
				schedule.Input = in
			}
			if overlap != "" {
				policy, err := overlapPolicy(overlap)
				if err != nil {
					return fmt.Errorf("--overlap: %w", err)
				}
				schedule.Overlap = policy
			}
			schedule.CatchupSeconds = int64(catchup.Seconds())
			house, err := c.api()
			if err != nil {
				return err
			}
			var made *runsv1.Schedule
			if use == "create" {
				made, err = house.runs.CreateSchedule(cmd.Context(), &runsv1.CreateScheduleRequest{ScheduleId: strings.TrimPrefix(args[0], "schedules/"), Schedule: schedule})
			} else if schedule.Name = named("schedules", args[0]); len(changed.GetPaths()) == 0 {
				err = errors.New("nothing to change: give --title, --input, --cron, --time-zone, --overlap or --catchup")
			} else {
				made, err = house.runs.UpdateSchedule(cmd.Context(), &runsv1.UpdateScheduleRequest{Schedule: schedule, UpdateMask: changed})
			}
			if err != nil {
				return err
			}
			return c.print(made, func(w io.Writer) { scheduleLine(w, made) })
		},
	}
	if use == "create" {
		cmd.Flags().StringVar(&schedule.Process, "process", "", "what it starts")
		_ = cmd.MarkFlagRequired("process")
	}
	cmd.Flags().StringVar(&schedule.Cron, "cron", "", `five fields, or @hourly, @daily, @weekly, @monthly: "30 6 * * 1-5"`)
	if use == "create" {
		_ = cmd.MarkFlagRequired("cron")
	}
	cmd.Flags().StringVar(&schedule.TimeZone, "time-zone", "", "whose clock: Europe/Berlin; UTC by default")
	cmd.Flags().StringVar(&schedule.Title, "title", "", "what people call it")
	cmd.Flags().StringVar(&input, "input", "{}", "of the runs: JSON, or a file that holds it; - reads standard input")
	cmd.Flags().StringVar(&overlap, "overlap", "", "while the last run is open: skip (default), buffer-one, allow, cancel-other")
	cmd.Flags().DurationVar(&catchup, "catchup", 0, "times missed longer ago than this are passed over (an hour)")
	return cmd
}

// overlapPolicy reads "buffer-one" or "BUFFER_ONE".
func overlapPolicy(text string) (runsv1.Schedule_Overlap, error) {
	value, ok := runsv1.Schedule_Overlap_value[strings.ToUpper(strings.ReplaceAll(text, "-", "_"))]
	if !ok || value == 0 {
		return 0, fmt.Errorf("%q is none of skip, buffer-one, allow, cancel-other", text)
	}
	return runsv1.Schedule_Overlap(value), nil
}

func schedulesBackfillCommand(c *cli) *cobra.Command {
	req := &runsv1.BackfillScheduleRequest{}
	var from, until string
	cmd := &cobra.Command{
		Use:   "backfill SCHEDULE --from TIME [--until TIME]",
		Short: "Start the runs of a time past, each once however often it is asked for",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			var err error
			if req.From, err = moment("--from", from); err != nil {
				return err
			}
			req.Until = timestamppb.Now()
			if until != "" {
				if req.Until, err = moment("--until", until); err != nil {
					return err
				}
			}
			house, err := c.api()
			if err != nil {
				return err
			}
			req.Name = named("schedules", args[0])
			res, err := house.runs.BackfillSchedule(cmd.Context(), req)
			if err != nil {
				return err
			}
			return c.print(res, func(w io.Writer) {
				for _, run := range res.GetRuns() {
					fmt.Fprintln(w, run)
				}
				fmt.Fprintf(w, "%d runs\n", len(res.GetRuns()))
			})
		},
	}
	cmd.Flags().StringVar(&from, "from", "", "2026-01-31T00:00:00Z or 2026-01-31")
	cmd.Flags().StringVar(&until, "until", "", "exclusive; now by default")
	cmd.Flags().StringVar(&req.Reason, "reason", "", "why, for the audit")
	_ = cmd.MarkFlagRequired("from")
	return cmd
}

// moment reads a time, or a date in this machine's zone.
func moment(flag, text string) (*timestamppb.Timestamp, error) {
	if t, err := time.Parse(time.RFC3339, text); err == nil {
		return timestamppb.New(t), nil
	}
	t, err := time.ParseInLocation(time.DateOnly, text, time.Local)
	if err != nil {
		return nil, fmt.Errorf("%s: %q is neither a date (2026-01-31) nor a time (2026-01-31T06:00:00Z)", flag, text)
	}
	return timestamppb.New(t), nil
}
