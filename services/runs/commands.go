package runs

import (
	"context"
	"slices"

	"github.com/microservicehub/mshub/internal/auth"
	runsv1 "github.com/microservicehub/mshub/services/runs/v1"
)

// commandsOf says what the caller may do with a run now: what its state and process allow, and the caller's rights.
func (s *Service) commandsOf(ctx context.Context, run *runsv1.Run) []runsv1.Run_Command {
	e, err := s.catalogue.get(run.GetProcess())
	known := err == nil
	switch {
	case auth.Require(auth.From(ctx), "runs.write", "runs:write") != nil || known && mayRun(ctx, e) != nil:
		return nil
	case !known && run.GetEndTime() == nil: // of a process that is gone
		return []runsv1.Run_Command{runsv1.Run_TERMINATE}
	}
	switch run.GetState() {
	case runsv1.Run_STARTING:
		return []runsv1.Run_Command{runsv1.Run_TERMINATE}
	case runsv1.Run_COMPENSATING:
		return append(aboutSteps(run), runsv1.Run_TERMINATE)
	case runsv1.Run_QUEUED:
		return []runsv1.Run_Command{runsv1.Run_CANCEL, runsv1.Run_PRIORITISE, runsv1.Run_TERMINATE}
	case runsv1.Run_RUNNING, runsv1.Run_WAITING:
		return slices.Concat([]runsv1.Run_Command{runsv1.Run_PAUSE}, aboutSteps(run), always)
	case runsv1.Run_PAUSED:
		return slices.Concat([]runsv1.Run_Command{runsv1.Run_RESUME}, aboutSteps(run), always)
	}
	if retriable(e, run.GetState().String()) {
		return []runsv1.Run_Command{runsv1.Run_RETRY}
	}
	return nil
}

var always = []runsv1.Run_Command{runsv1.Run_RESET, runsv1.Run_CANCEL, runsv1.Run_TERMINATE}

// aboutSteps are the commands for a step that has failed, or waits for its next attempt. How often an undo was attempted is
// not in the journal: while one is under way it may wait.
func aboutSteps(run *runsv1.Run) []runsv1.Run_Command {
	var commands []runsv1.Run_Command
	again := slices.ContainsFunc(run.GetSteps(), func(s *runsv1.Step) bool {
		return run.GetParked() && stuck(s) || !run.GetParked() && s.GetState() == runsv1.Step_RUNNING && s.GetAttempt() > 1 ||
			run.GetState() == runsv1.Run_COMPENSATING && s.GetState() == runsv1.Step_COMPENSATING
	})
	if again {
		commands = append(commands, runsv1.Run_RETRY_STEP)
	}
	if run.GetParked() && slices.ContainsFunc(run.GetSteps(), func(s *runsv1.Step) bool { return stuck(s) && s.GetSkippable() }) {
		commands = append(commands, runsv1.Run_SKIP_STEP)
	}
	return commands
}

func stuck(s *runsv1.Step) bool {
	return s.GetState() == runsv1.Step_FAILED || s.GetState() == runsv1.Step_TIMED_OUT
}
