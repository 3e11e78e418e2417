package runs

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/microservicehub/mshub/events"
	"github.com/microservicehub/mshub/services/runs/store"
	runsv1 "github.com/microservicehub/mshub/services/runs/v1"
)

// What other systems may hear of runs, by webhooks: that a run has ended, that a task was created. Each fact is written in
// the transaction of what it tells.

// tellEnd publishes the end of a run. Runs that deliver such facts end in silence, or there would be no end of them.
func (s *Service) tellEnd(ctx context.Context, tx pgx.Tx, row store.Run, end *runsv1.FinishRunRequest) error {
	if s.catalogue.byName[row.Process].StartOn == events.FactWebhookDue {
		return nil
	}
	fact := map[string]any{
		"run": events.RunName(row.ID), "process": row.Process, "title": row.Title, "actor": row.Actor,
		"state": end.GetState().String(), "startTime": row.CreatedAt.UTC().Format(time.RFC3339Nano),
	}
	if row.EndedAt != nil {
		fact["endTime"] = row.EndedAt.UTC().Format(time.RFC3339Nano)
	}
	if failure := end.GetError(); failure != nil {
		fact["error"] = map[string]any{
			"code": failure.GetCode(), "reason": failure.GetReason(), "message": failure.GetMessage(), "step": failure.GetStep(),
		}
	}
	return events.PublishFact(ctx, tx, "runs."+outcomes[end.GetState()], fact, uuid.Nil)
}

// tellTask publishes that somebody is asked to decide.
func tellTask(ctx context.Context, tx pgx.Tx, row store.Task) error {
	fact := map[string]any{
		"task": taskName(row.ID), "run": events.RunName(row.Run), "process": row.Process, "step": row.Step,
		"title": row.Title, "assignee": row.Assignee,
	}
	if row.DueAt != nil {
		fact["dueTime"] = row.DueAt.UTC().Format(time.RFC3339Nano)
	}
	return events.PublishFact(ctx, tx, events.FactTaskCreated, fact, uuid.Nil)
}
