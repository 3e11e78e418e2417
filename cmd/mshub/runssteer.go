package main

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	runsv1 "github.com/microservicehub/mshub/services/runs/v1"
)

// steering is what the flags of the steering commands say; each command takes those it has.
type steering struct {
	reason, step string
	keep         bool
	priority     int32
}

// steerCommands are the commands to one run: each is one call of the API, and prints the run's new state.
func steerCommands(c *cli) []*cobra.Command {
	withStep := func(cmd *cobra.Command, s *steering) {
		cmd.Flags().StringVar(&s.step, "step", "", "which step; by default the one that has failed")
	}
	withReason := func(cmd *cobra.Command, _ *steering) { _ = cmd.MarkFlagRequired("reason") }
	return []*cobra.Command{
		steerCommand(c, "pause", "Hold a run before its next step", nil, func(ctx context.Context, a *api, name string, s *steering) (*runsv1.Run, error) {
			return a.runs.PauseRun(ctx, &runsv1.PauseRunRequest{Name: name, Reason: s.reason})
		}),
		steerCommand(c, "resume", "Let a paused run go on", nil, func(ctx context.Context, a *api, name string, s *steering) (*runsv1.Run, error) {
			return a.runs.ResumeRun(ctx, &runsv1.ResumeRunRequest{Name: name, Reason: s.reason})
		}),
		steerCommand(c, "cancel", "Stop a run and undo what it did (--keep: keep it)", func(cmd *cobra.Command, s *steering) {
			cmd.Flags().BoolVar(&s.keep, "keep", false, "keep what was done so far; only for processes that allow it, such as imports")
		}, func(ctx context.Context, a *api, name string, s *steering) (*runsv1.Run, error) {
			return a.runs.CancelRun(ctx, &runsv1.CancelRunRequest{Name: name, Reason: s.reason, Keep: s.keep})
		}),
		steerCommand(c, "retry", "Start a run that did not succeed again, as a new run", nil, func(ctx context.Context, a *api, name string, s *steering) (*runsv1.Run, error) {
			return a.runs.RetryRun(ctx, &runsv1.RetryRunRequest{Name: name, Reason: s.reason})
		}),
		steerCommand(c, "retry-step", "Try the failed step of a parked run again", withStep, func(ctx context.Context, a *api, name string, s *steering) (*runsv1.Run, error) {
			return a.runs.RetryStep(ctx, &runsv1.RetryStepRequest{Name: name, Reason: s.reason, Step: s.step})
		}),
		steerCommand(c, "skip-step", "Let a parked run go on without its failed step", func(cmd *cobra.Command, s *steering) {
			withStep(cmd, s)
			withReason(cmd, s)
		}, func(ctx context.Context, a *api, name string, s *steering) (*runsv1.Run, error) {
			return a.runs.SkipStep(ctx, &runsv1.SkipStepRequest{Name: name, Reason: s.reason, Step: s.step})
		}),
		steerCommand(c, "reset", "Undo a run back to a step and go on from there", func(cmd *cobra.Command, s *steering) {
			cmd.Flags().StringVar(&s.step, "step", "", "the first step that is done again")
			_ = cmd.MarkFlagRequired("step")
			withReason(cmd, s)
		}, func(ctx context.Context, a *api, name string, s *steering) (*runsv1.Run, error) {
			return a.runs.ResetRun(ctx, &runsv1.ResetRunRequest{Name: name, Reason: s.reason, Step: s.step})
		}),
		steerCommand(c, "terminate", "End a run at once, undoing nothing", withReason, func(ctx context.Context, a *api, name string, s *steering) (*runsv1.Run, error) {
			return a.runs.TerminateRun(ctx, &runsv1.TerminateRunRequest{Name: name, Reason: s.reason})
		}),
		steerCommand(c, "prioritise", "Move a queued run before or behind others", func(cmd *cobra.Command, s *steering) {
			cmd.Flags().Int32Var(&s.priority, "priority", 0, "1 (first) to 5")
			_ = cmd.MarkFlagRequired("priority")
		}, func(ctx context.Context, a *api, name string, s *steering) (*runsv1.Run, error) {
			return a.runs.PrioritiseRun(ctx, &runsv1.PrioritiseRunRequest{Name: name, Reason: s.reason, Priority: s.priority})
		}),
	}
}

// steerCommand makes one of them. flags, if any, adds what it needs beside --reason.
func steerCommand(c *cli, use, short string, flags func(*cobra.Command, *steering), do func(context.Context, *api, string, *steering) (*runsv1.Run, error)) *cobra.Command {
	said := &steering{}
	cmd := &cobra.Command{
		Use:   use + " RUN",
		Short: short,
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			house, err := c.api()
			if err != nil {
				return err
			}
			r, err := do(cmd.Context(), house, named("runs", args[0]), said)
			if err != nil {
				return err
			}
			return c.print(r, func(w io.Writer) { fmt.Fprintln(w, r.GetName(), stateText(r)) })
		},
	}
	cmd.Flags().StringVar(&said.reason, "reason", "", "why, for the journal and the audit")
	if flags != nil {
		flags(cmd, said)
	}
	return cmd
}
