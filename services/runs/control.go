package runs

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/google/uuid"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"github.com/microservicehub/mshub/internal/auth"
	"github.com/microservicehub/mshub/internal/rpc"
	runsv1 "github.com/microservicehub/mshub/services/runs/v1"
	"github.com/microservicehub/mshub/workflows/process"
)

// PauseRun holds the run before its next step; a step that waits for its next attempt does not attempt meanwhile.
func (s *Service) PauseRun(ctx context.Context, req *runsv1.PauseRunRequest) (*runsv1.Run, error) {
	return s.command(ctx, steering{method: "PauseRun", update: process.UpdatePause, req: req, backingOff: true})
}

// ResumeRun lets a paused run go on.
func (s *Service) ResumeRun(ctx context.Context, req *runsv1.ResumeRunRequest) (*runsv1.Run, error) {
	return s.command(ctx, steering{method: "ResumeRun", update: process.UpdateResume, req: req})
}

// CancelRun stops the run and has it undo what was done, unless that is to be kept. It returns when the run has understood,
// not when it has ended; a run that waits for a slot has ended by then.
func (s *Service) CancelRun(ctx context.Context, req *runsv1.CancelRunRequest) (*runsv1.Run, error) {
	c := steering{method: "CancelRun", update: process.UpdateCancel, req: req, keep: req.GetKeep(), ends: runsv1.Run_CANCELLED}
	c.check = func(e entry) error {
		if c.keep && !e.Keepable {
			return rpc.Precondition("NOT_KEEPABLE", "what %s has done can't be kept; cancel the run without keep", e.Name)
		}
		return nil
	}
	return s.command(ctx, c)
}

// steering is an operator's command to a run.
type steering struct {
	method string
	req    interface {
		named
		GetReason() string
	}
	// update is the workflow's; "" = the workflow is not asked.
	update string
	keep   bool
	// step that the command is about; "" = the whole run.
	step string
	// backingOff asks Temporal whether a call waits for its next attempt; the workflow itself can't see that.
	backingOff bool
	// check is what the process has to say, before the run is asked.
	check func(entry) error
	// ends is the state in which the command ends a run, at once if that waits for a slot; 0 = it ends none.
	ends runsv1.Run_State
}

// command gives the command of somebody who might have started the run to its workflow, which accepts or refuses it. The
// audit has it before the workflow does: a command that may have worked is never without its entry.
func (s *Service) command(ctx context.Context, c steering) (*runsv1.Run, error) {
	id, err := runID(c.req.GetName())
	if err != nil {
		return nil, err
	}
	b, err := s.begin(ctx, id, c)
	if err != nil || b.answer != nil {
		return b.answer, err
	}
	if b.head.State == runsv1.Run_QUEUED.String() {
		if c.ends == 0 {
			return nil, rpc.Precondition("QUEUED", "the run waits for a slot and has not begun; it can be cancelled, or moved in the line")
		}
		if done, err := s.endQueued(ctx, c.method, id, c.ends, c.req.GetReason()); err != nil || done {
			return s.answer(ctx, id, c, err)
		}
	}
	if b.head.State == runsv1.Run_STARTING.String() { // its start may not have waited for Temporal
		if err := s.launchOpen(ctx, id); err != nil {
			s.logger.WarnContext(ctx, "run can't be commanded before it is launched", "run", id, "error", err)
			return nil, rpc.Unavailable("the run has not begun yet, and Temporal does not answer; try again")
		}
	}
	refused := s.update(ctx, id, c.update, process.Command{
		ID: commandID(ctx, c.method), Actor: auth.From(ctx).Actor, Reason: c.req.GetReason(), Keep: c.keep, Step: c.step,
		BackingOff: c.backingOff && !b.head.Parked && s.backsOff(ctx, id),
	})
	run, err := s.run(ctx, id)
	switch {
	case err != nil:
		return nil, err
	case refused == nil || b.again && run.GetState() == c.ends: // or the first time it worked, and nobody could say so
		return s.remember(ctx, c, run)
	case run.GetEndTime() != nil: // it ended before the command came
		return nil, ended(run.GetState().String())
	}
	return nil, refused
}

// after is the run as it is now, unless something failed.
func (s *Service) after(ctx context.Context, id uuid.UUID, err error) (*runsv1.Run, error) {
	if err != nil {
		return nil, err
	}
	return s.run(ctx, id)
}

// permits asks the process whether the caller may command its runs, and whether the command makes sense for it. Runs of a
// process that is gone can only be terminated.
func (s *Service) permits(ctx context.Context, name string, c steering) error {
	e, err := s.catalogue.get(name)
	if err != nil {
		if c.update == "" {
			return nil
		}
		return err
	}
	if err := mayRun(ctx, e); err != nil || c.check == nil {
		return err
	}
	return c.check(e)
}

// backsOff is true if a call of the run waits for its next attempt.
func (s *Service) backsOff(ctx context.Context, id uuid.UUID) bool {
	ctx, cancel := context.WithTimeout(ctx, describeTimeout)
	defer cancel()
	description, err := s.temporal.DescribeWorkflowExecution(ctx, id.String(), "")
	return err == nil && slices.ContainsFunc(description.GetPendingActivities(), func(a *workflowpb.PendingActivityInfo) bool {
		return a.GetAttempt() > 1 && a.GetState() == enumspb.PENDING_ACTIVITY_STATE_SCHEDULED
	})
}

func ended(state string) error {
	return rpc.Precondition("ENDED", "the run has ended: %s", strings.ToLower(state))
}

// update sends one Update to the workflow and waits for its answer, not longer than a person would.
func (s *Service) update(ctx context.Context, id uuid.UUID, name string, command process.Command) error {
	ctx, cancel := context.WithTimeout(ctx, commandTimeout)
	defer cancel()
	handle, err := s.temporal.UpdateWorkflow(ctx, client.UpdateWorkflowOptions{
		UpdateID: command.ID, WorkflowID: id.String(), UpdateName: name, Args: []any{command}, WaitForStage: client.WorkflowUpdateStageCompleted,
	})
	if err == nil {
		err = handle.Get(ctx, nil)
	}
	var refused *temporal.ApplicationError
	var gone *serviceerror.NotFound
	switch {
	case err == nil:
		return nil
	case errors.As(err, &refused) && refused.Type() != "":
		return rpc.Precondition(refused.Type(), "%s", refused.Message())
	case errors.As(err, &gone):
		return rpc.Unavailable("the run is starting or ending just now; look again")
	}
	s.logger.WarnContext(ctx, "no answer to a command", "run", id, "command", name, "error", err)
	return rpc.Unavailable("no worker answers; the command may still take effect when one is back: look again")
}
