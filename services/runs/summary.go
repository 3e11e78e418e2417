package runs

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/microservicehub/mshub/events"
	"github.com/microservicehub/mshub/services/runs/store"
	runsv1 "github.com/microservicehub/mshub/services/runs/v1"
)

// summaryLines is how many tasks and runs a summary names; it counts all.
const summaryLines = 200

// SummariseWork says which tasks are open, the most urgent first, and which runs have failed, the latest first.
func (s *Service) SummariseWork(ctx context.Context, req *runsv1.SummariseWorkRequest) (*runsv1.SummariseWorkResponse, error) {
	if _, err := callingRun(ctx); err != nil {
		return nil, err
	}
	since := s.now().Add(-24 * time.Hour)
	if req.GetSince() != nil {
		since = req.GetSince().AsTime()
	}
	var res *runsv1.SummariseWorkResponse
	err := s.tx(ctx, func(tx pgx.Tx) error {
		res = &runsv1.SummariseWorkResponse{}
		tasks, err := queries.SummariseTasks(ctx, tx, summaryLines)
		if err != nil {
			return err
		}
		for _, t := range tasks {
			res.Tasks = append(res.Tasks, &runsv1.SummariseWorkResponse_Line{
				Name: taskName(t.ID), Title: t.Title, Time: optional(t.DueAt), Concerns: t.Assignee, Process: t.Process,
			})
		}
		failed, err := queries.SummariseFailures(ctx, tx, store.SummariseFailuresParams{Since: since, Most: summaryLines})
		if err != nil {
			return err
		}
		for _, r := range failed {
			line := &runsv1.SummariseWorkResponse_Line{Name: events.RunName(r.ID), Title: r.Title, Concerns: r.Actor, Process: r.Process, Time: optional(r.EndedAt)}
			if r.Error != nil {
				failure := &runsv1.RunError{}
				if err := (protojson.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(r.Error, failure); err != nil {
					return err
				}
				line.Message = failure.GetMessage()
			}
			res.FailedRuns = append(res.FailedRuns, line)
		}
		if res.TaskCount, err = queries.CountOpenTasks(ctx, tx); err != nil {
			return err
		}
		res.FailedCount, err = queries.CountFailures(ctx, tx, since)
		return err
	})
	return res, err
}
