package runs

import (
	"context"
	"errors"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"go.temporal.io/api/serviceerror"

	"github.com/microservicehub/mshub/events"
	"github.com/microservicehub/mshub/internal/auth"
	"github.com/microservicehub/mshub/internal/rpc"
	"github.com/microservicehub/mshub/services/runs/store"
	runsv1 "github.com/microservicehub/mshub/services/runs/v1"
	"github.com/microservicehub/mshub/workflows/process"
)

// DecideTask writes one person's vote, and with the last that is needed the one decision. It holds from its commit on,
// whether or not a worker is there to hear of it.
func (s *Service) DecideTask(ctx context.Context, req *runsv1.DecideTaskRequest) (*runsv1.Task, error) {
	id, err := taskID(req.GetName())
	if err != nil {
		return nil, err
	}
	if req.GetDecision() == runsv1.Task_REJECT && strings.TrimSpace(req.GetReason()) == "" {
		return nil, rpc.Invalid("reason", "a rejection needs a reason; the person concerned will read it")
	}
	task, decided := &runsv1.Task{}, (*store.Task)(nil)
	err = s.tx(ctx, func(tx pgx.Tx) error {
		decided = nil
		return once(ctx, tx, "DecideTask", req, task, func() (*runsv1.Task, error) {
			row, votes, err := s.decide(ctx, tx, id, req)
			if err != nil {
				return nil, err
			}
			decided = &row
			return s.wireTask(row, votes, auth.From(ctx))
		})
	})
	if err != nil {
		return nil, err
	}
	if decided != nil {
		s.hintInbox(ctx, *decided)
		if decided.State != "DECIDED" {
			return task, nil // others must vote too
		}
		if err := s.tellDecision(ctx, decided.Run, task); err != nil {
			s.logger.InfoContext(ctx, "decision will be told later", "run", decided.Run, "task", decided.ID, "error", err)
		}
	}
	return task, nil
}

// decide keeps the caller's vote under the lock of the task's row: one rejection rejects, the quorum's last approval
// approves.
func (s *Service) decide(ctx context.Context, tx pgx.Tx, id uuid.UUID, req *runsv1.DecideTaskRequest) (store.Task, []store.Vote, error) {
	caller := auth.From(ctx)
	before, votes, err := lockTask(ctx, tx, id, req.GetName())
	if err != nil {
		return before, nil, err
	}
	if err := claimable(before, votes, caller); err != nil {
		return before, nil, err
	}
	if v := req.GetVersion(); v != 0 && v != before.Version {
		return before, nil, rpc.Precondition("CHANGED", "the task has changed since you saw it (version %d, not %d); look again", before.Version, v)
	}
	head, err := events.Head(ctx, tx, before.Run)
	if err != nil {
		return before, nil, err
	}
	if head.State == runsv1.Run_PAUSED.String() {
		return before, nil, rpc.Precondition("RUN_PAUSED", "%s is paused; decide once it is resumed", events.RunName(before.Run))
	}
	form, err := s.decisionForm(before, req)
	if err != nil {
		return before, nil, err
	}
	_, err = queries.InsertVote(ctx, tx, store.InsertVoteParams{
		Task: id, OrganisationID: before.OrganisationID, Actor: caller.Actor, Decision: req.GetDecision().String(), Reason: req.GetReason(),
	})
	if err != nil {
		return before, nil, err
	}
	all, err := queries.Votes(ctx, tx, []uuid.UUID{id})
	if err != nil {
		return before, nil, err
	}
	var row store.Task
	if req.GetDecision() == runsv1.Task_APPROVE && approvals(all) < before.Quorum {
		row, err = queries.KeepOpen(ctx, tx, store.KeepOpenParams{ID: id, Form: form})
	} else {
		row, err = queries.DecideTask(ctx, tx, store.DecideTaskParams{
			ID: id, Version: before.Version, Decision: req.GetDecision().String(), DecidedBy: caller.Actor, Reason: req.GetReason(), Form: form,
		})
	}
	if err != nil {
		return before, nil, err
	}
	told := row
	told.Reason = req.GetReason()
	return row, all, s.auditTask(ctx, tx, "DecideTask", before, told)
}

// tellDecision signals the run. A run that is gone needs no telling.
func (s *Service) tellDecision(ctx context.Context, run uuid.UUID, task *runsv1.Task) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), signalTimeout)
	defer cancel()
	err := s.temporal.SignalWorkflow(ctx, run.String(), "", process.SignalTask, task)
	if _, ok := errors.AsType[*serviceerror.NotFound](err); ok {
		return nil
	}
	return err
}
