package runs

import (
	"context"
	"errors"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/microservicehub/mshub/events"
	"github.com/microservicehub/mshub/internal/audit"
	"github.com/microservicehub/mshub/internal/auth"
	"github.com/microservicehub/mshub/internal/rpc"
	"github.com/microservicehub/mshub/services/runs/store"
	runsv1 "github.com/microservicehub/mshub/services/runs/v1"
	"github.com/microservicehub/mshub/workflows/process"
)

// PauseRun holds the run before its next step.
func (s *Service) PauseRun(ctx context.Context, req *runsv1.PauseRunRequest) (*runsv1.Run, error) {
	return s.command(ctx, "PauseRun", process.UpdatePause, req.GetName(), req.GetReason())
}

// ResumeRun lets a paused run go on.
func (s *Service) ResumeRun(ctx context.Context, req *runsv1.ResumeRunRequest) (*runsv1.Run, error) {
	return s.command(ctx, "ResumeRun", process.UpdateResume, req.GetName(), req.GetReason())
}

// CancelRun stops the run and has it undo what was done. It returns when the run has understood, not when it has ended.
func (s *Service) CancelRun(ctx context.Context, req *runsv1.CancelRunRequest) (*runsv1.Run, error) {
	return s.command(ctx, "CancelRun", process.UpdateCancel, req.GetName(), req.GetReason())
}

// command gives the command of somebody who might have started the run to its workflow, which accepts or refuses it. The
// audit has it before the workflow does: a command that may have worked is never without its entry.
func (s *Service) command(ctx context.Context, method, update, name, reason string) (*runsv1.Run, error) {
	id, err := runID(name)
	if err != nil {
		return nil, err
	}
	err = s.tx(ctx, func(tx pgx.Tx) error {
		row, head, err := runWithHead(ctx, tx, id)
		if err != nil {
			return err
		}
		e, err := s.catalogue.get(row.Process)
		if err != nil {
			return err
		}
		if err := mayRun(ctx, e); err != nil {
			return err
		}
		if row.EndedAt != nil {
			return ended(head.State)
		}
		return audit.Append(ctx, tx, audit.Entry{
			Action: action(method), Target: name, Before: map[string]any{"state": head.State}, Reason: reason,
		})
	})
	if err != nil {
		return nil, err
	}
	refused := s.update(ctx, id, update, process.Command{Actor: auth.From(ctx).Actor, Reason: reason})
	run, err := s.run(ctx, id)
	switch {
	case err != nil:
		return nil, err
	case refused != nil && run.GetEndTime() != nil: // it ended before the command came
		return nil, ended(run.GetState().String())
	case refused != nil:
		return nil, refused
	}
	return run, nil
}

func ended(state string) error {
	return rpc.Precondition("ENDED", "the run has ended: %s", strings.ToLower(state))
}

// update sends one Update to the workflow and waits for its answer, not longer than a person would.
func (s *Service) update(ctx context.Context, id uuid.UUID, name string, command process.Command) error {
	ctx, cancel := context.WithTimeout(ctx, commandTimeout)
	defer cancel()
	handle, err := s.temporal.UpdateWorkflow(ctx, client.UpdateWorkflowOptions{
		WorkflowID: id.String(), UpdateName: name, Args: []any{command}, WaitForStage: client.WorkflowUpdateStageCompleted,
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

// RetryRun starts a new run with the input of one that ended without success.
func (s *Service) RetryRun(ctx context.Context, req *runsv1.RetryRunRequest) (*runsv1.Run, error) {
	id, err := runID(req.GetName())
	if err != nil {
		return nil, err
	}
	var row store.Run
	var head events.RunHead
	err = s.tx(ctx, func(tx pgx.Tx) (err error) {
		row, head, err = runWithHead(ctx, tx, id)
		return err
	})
	if err != nil {
		return nil, err
	}
	if row.EndedAt == nil || head.State == runsv1.Run_COMPLETED.String() {
		return nil, rpc.Precondition("NOT_FAILED", "only a run that ended without success can be retried; this one is %s", strings.ToLower(head.State))
	}
	e, err := s.catalogue.get(row.Process)
	if err != nil {
		return nil, err
	}
	if err := mayRun(ctx, e); err != nil {
		return nil, err
	}
	input := e.Input.ProtoReflect().New().Interface()
	if err := protojson.Unmarshal(row.Input, input); err != nil {
		return nil, rpc.Precondition("INPUT_OUTDATED", "the process has changed since; start it anew (%s)", plain(err))
	}
	if err := validInput(input); err != nil {
		return nil, err
	}
	retried, err := s.accept(ctx, acceptance{
		method: "RetryRun", process: e, input: input, key: rpc.IdempotencyKey(ctx), title: row.Title,
		actor: auth.From(ctx).Actor, reason: req.GetReason(), retriedFrom: &id,
	})
	if err != nil {
		return nil, err
	}
	return s.run(ctx, retried)
}
