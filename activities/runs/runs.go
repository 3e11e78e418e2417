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

// EscalateTask gives an open task to others because nobody decided in time.
func (a *Activities) EscalateTask(ctx context.Context, req *runsv1.EscalateTaskRequest) (*runsv1.Task, error) {
	return a.client.EscalateTask(ctx, req)
}

// ReserveRate takes a place in the line to an outside system, and says how long to wait for it.
func (a *Activities) ReserveRate(ctx context.Context, req *runsv1.ReserveRateRequest) (*runsv1.ReserveRateResponse, error) {
	return a.client.ReserveRate(ctx, req)
}

// PlanBulk keeps the runs that a filter names, for a command to all of them.
func (a *Activities) PlanBulk(ctx context.Context, req *runsv1.PlanBulkRequest) (*runsv1.PlanBulkResponse, error) {
	return a.client.PlanBulk(ctx, req)
}

// ApplyBulk gives one batch of the plan its command.
func (a *Activities) ApplyBulk(ctx context.Context, req *runsv1.ApplyBulkRequest) (*runsv1.ApplyBulkResponse, error) {
	return a.client.ApplyBulk(ctx, req)
}

// FinishBulk sums up, and sends the list of refusals if there are any.
func (a *Activities) FinishBulk(ctx context.Context, req *runsv1.FinishBulkRequest) (*runsv1.FinishBulkResponse, error) {
	return a.client.FinishBulk(ctx, req)
}

// SummariseWork says which tasks are open and which runs failed.
func (a *Activities) SummariseWork(ctx context.Context, req *runsv1.SummariseWorkRequest) (*runsv1.SummariseWorkResponse, error) {
	return a.client.SummariseWork(ctx, req)
}

// EraseSubject blanks what runs and tasks say about a person.
func (a *Activities) EraseSubject(ctx context.Context, req *runsv1.EraseSubjectRequest) (*runsv1.EraseSubjectResponse, error) {
	return a.client.EraseSubject(ctx, req)
}
