package runs

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"

	"github.com/microservicehub/mshub/events"
	"github.com/microservicehub/mshub/internal/auth"
	"github.com/microservicehub/mshub/internal/postgres"
	"github.com/microservicehub/mshub/services/runs/store"
	runsv1 "github.com/microservicehub/mshub/services/runs/v1"
)

const (
	reconcileEvery = 5 * time.Second
	// untold is how long a run may take to acknowledge a decision before it is told again.
	untold = 5 * time.Second
	// silence is how long an open run may say nothing before Temporal is asked about it.
	silence = time.Minute
	// passPatience is how long a pass over rows bears failures: where nothing answers, the next pass tries again.
	passPatience = 5 * time.Second
	// cleanEvery is how often what is too old is deleted.
	cleanEvery = 10 * time.Minute
)

// Run claims facts and gives slots on every node, and on one of them mends what a crash left half done, until ctx ends.
func (s *Service) Run(ctx context.Context) error {
	var everywhere sync.WaitGroup
	everywhere.Go(func() { s.claimFacts(ctx) })
	everywhere.Go(func() { s.admissions(ctx) })
	defer everywhere.Wait()
	return s.db.Leader(ctx, "runs/reconciler", reconcileEvery, s.reconcile)
}

// reconcile is the leader's loop.
func (s *Service) reconcile(ctx context.Context) error {
	duties := []struct {
		name  string
		every time.Duration
		do    func(context.Context) error
	}{
		{"launch runs", reconcileEvery, s.relaunch},
		{"tell decisions", reconcileEvery, s.retell},
		{"check silent runs", reconcileEvery, s.check},
		{"fire schedules", fireEvery, s.fire},
		{"keep the processes' own schedules", ownEvery, s.keepOwn},
		{"delete old runs", cleanEvery, s.clean},
	}
	last := make([]time.Time, len(duties))
	ticker := time.NewTicker(fireEvery)
	defer ticker.Stop()
	for {
		for i, duty := range duties {
			if time.Since(last[i]) < duty.every {
				continue
			}
			last[i] = time.Now()
			if err := duty.do(ctx); err != nil && ctx.Err() == nil {
				s.logger.WarnContext(ctx, "reconciler will try again", "duty", duty.name, "error", err)
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

// eachRow does a duty to one row after the other; what one of them fails at keeps no other waiting.
func eachRow[Row any](ctx context.Context, rows []Row, do func(Row) error) error {
	var first error
	failed, began := 0, time.Now()
	for _, row := range rows {
		err := do(row)
		if err == nil {
			continue
		}
		if failed++; first == nil {
			first = err
		}
		if ctx.Err() != nil || time.Since(began) > passPatience {
			break
		}
	}
	if first == nil {
		return nil
	}
	return fmt.Errorf("%d of %d rows, the first: %w", failed, len(rows), first)
}

// asHouse is the context of what the house does to an organisation's run by itself.
func asHouse(ctx context.Context, organisation uuid.UUID) context.Context {
	return auth.With(ctx, auth.Caller{Kind: auth.Service, Organisation: organisation, Actor: "services/runs"})
}

// retell signals decisions again that their runs have not acknowledged.
func (s *Service) retell(ctx context.Context) error {
	var rows []store.Task
	var votes map[uuid.UUID][]store.Vote
	err := s.db.System(ctx, func(tx pgx.Tx) (err error) {
		before := s.now().Add(-untold)
		if rows, err = queries.Untold(ctx, tx, store.UntoldParams{Before: before, Most: 100}); err != nil {
			return err
		}
		votes, err = votesOf(ctx, tx, rows...)
		return err
	})
	if err != nil {
		return err
	}
	return eachRow(ctx, rows, func(row store.Task) error {
		task, err := s.wireTask(row, votes[row.ID], auth.Caller{})
		if err != nil {
			return err
		}
		return s.tellDecision(ctx, row.Run, task)
	})
}

// check asks Temporal about open runs that say nothing, and writes the end that nobody else can write.
func (s *Service) check(ctx context.Context) error {
	var rows []store.SilentRow
	err := s.db.System(ctx, func(tx pgx.Tx) (err error) {
		rows, err = queries.Silent(ctx, tx, store.SilentParams{Before: s.now().Add(-silence), Most: 200})
		return err
	})
	if err != nil {
		return err
	}
	return eachRow(ctx, rows, func(row store.SilentRow) error {
		end, err := s.fate(ctx, row)
		switch {
		case err != nil:
			return err
		case end == nil:
			return s.db.Tx(ctx, row.OrganisationID, func(tx pgx.Tx) error { return queries.SetChecked(ctx, tx, row.ID) })
		}
		return s.end(asHouse(ctx, row.OrganisationID), "Reconcile", row.ID, end)
	})
}

// fate is how a run ended that did not write it; nil if it lives.
func (s *Service) fate(ctx context.Context, row store.SilentRow) (*runsv1.FinishRunRequest, error) {
	description, err := s.temporal.DescribeWorkflowExecution(ctx, row.ID.String(), "")
	var gone *serviceerror.NotFound
	if err != nil && !errors.As(err, &gone) {
		return nil, err
	}
	if err != nil {
		return unwritten(runsv1.Run_LOST, "LOST", "Temporal does not know this run any more; retry it"), nil
	}
	switch description.GetWorkflowExecutionInfo().GetStatus() {
	case enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING, enumspb.WORKFLOW_EXECUTION_STATUS_CONTINUED_AS_NEW, enumspb.WORKFLOW_EXECUTION_STATUS_UNSPECIFIED:
		return nil, nil
	case enumspb.WORKFLOW_EXECUTION_STATUS_TERMINATED:
		return unwritten(runsv1.Run_TERMINATED, "TERMINATED", "terminated in Temporal; nothing was undone"), nil
	case enumspb.WORKFLOW_EXECUTION_STATUS_TIMED_OUT:
		return unwritten(runsv1.Run_TIMED_OUT, "TIMED_OUT", "took longer than it may; nothing was undone"), nil
	}
	return unwritten(runsv1.Run_LOST, "LOST", "the run ended without saying how; retry it"), nil
}

func unwritten(state runsv1.Run_State, reason, message string) *runsv1.FinishRunRequest {
	return &runsv1.FinishRunRequest{State: state, Error: &runsv1.RunError{Code: "aborted", Reason: reason, Message: message}}
}

// clean deletes, in small batches, what is older than the retention.
func (s *Service) clean(ctx context.Context) error {
	for {
		var deleted int
		err := s.db.System(ctx, func(tx pgx.Tx) error {
			before := s.now().Add(-s.retention)
			runs, err := queries.Forgettable(ctx, tx, store.ForgettableParams{Before: before, Most: 500})
			if err != nil {
				return err
			}
			deleted = len(runs)
			if err := queries.DeleteRuns(ctx, tx, runs); err != nil {
				return err
			}
			if err := events.DeleteRuns(ctx, tx, runs...); err != nil {
				return err
			}
			if _, err := events.ForgetFacts(ctx, tx, before, 500); err != nil {
				return err
			}
			_, err = postgres.ForgetOnce(ctx, tx, "runs", 500)
			return err
		})
		if err != nil || deleted < 500 {
			return err
		}
	}
}
