// Package runs has the verbs of the runs service that the frame of workflows calls. FinishRun and RecordEvents run as
// local activities: one short transaction each, without a task of their own.
package runs

import (
	"context"

	runsv1 "github.com/microservicehub/mshub/services/runs/v1"
	"github.com/microservicehub/mshub/services/runs/v1/runsv1connect"
)

// Activities is registered with a worker; its methods are the verbs.
type Activities struct {
	client runsv1connect.RunsServiceClient
}

// New calls the service through client, which names the run (activities.ClientInterceptors).
func New(client runsv1connect.RunsServiceClient) *Activities { return &Activities{client} }

// FinishRun writes the end of the run.
func (a *Activities) FinishRun(ctx context.Context, req *runsv1.FinishRunRequest) (*runsv1.FinishRunResponse, error) {
	return a.client.FinishRun(ctx, req)
}

// RecordEvents writes lines of the journal that only the frame knows.
func (a *Activities) RecordEvents(ctx context.Context, req *runsv1.RecordEventsRequest) (*runsv1.RecordEventsResponse, error) {
	return a.client.RecordEvents(ctx, req)
}

// CreateTask puts a task into the inbox.
func (a *Activities) CreateTask(ctx context.Context, req *runsv1.CreateTaskRequest) (*runsv1.Task, error) {
	return a.client.CreateTask(ctx, req)
}

// ExpireTask ends an open task at its deadline, and says what the row says.
func (a *Activities) ExpireTask(ctx context.Context, req *runsv1.ExpireTaskRequest) (*runsv1.Task, error) {
	return a.client.ExpireTask(ctx, req)
}

// WithdrawTask takes an open task of a cancelled run out of the inbox.
func (a *Activities) WithdrawTask(ctx context.Context, req *runsv1.WithdrawTaskRequest) (*runsv1.Task, error) {
	return a.client.WithdrawTask(ctx, req)
}

// AcknowledgeTask says that the run has seen the decision.
func (a *Activities) AcknowledgeTask(ctx context.Context, req *runsv1.AcknowledgeTaskRequest) (*runsv1.AcknowledgeTaskResponse, error) {
	return a.client.AcknowledgeTask(ctx, req)
}
