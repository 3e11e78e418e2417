// Package records is how a workflow reaches services/records: verb -> client call.
package records

import (
	"context"

	recordsv1 "github.com/microservicehub/mshub/services/records/v1"
	"github.com/microservicehub/mshub/services/records/v1/recordsv1connect"
)

// Activities are registered on the workers; their names are the verbs.
type Activities struct {
	client recordsv1connect.RecordsServiceClient
}

// New makes the activities over a client that carries the run's identity and idempotency key.
func New(client recordsv1connect.RecordsServiceClient) *Activities { return &Activities{client} }

// GetDataset returns a dataset's schema and key.
func (a *Activities) GetDataset(ctx context.Context, in *recordsv1.GetDatasetRequest) (*recordsv1.Dataset, error) {
	return a.client.GetDataset(ctx, in)
}

// PlanImport checks the run's source and cuts it into chunks.
func (a *Activities) PlanImport(ctx context.Context, in *recordsv1.PlanImportRequest) (*recordsv1.PlanImportResponse, error) {
	return a.client.PlanImport(ctx, in)
}

// ImportChunk writes one chunk of the run's import; repeating it changes nothing.
func (a *Activities) ImportChunk(ctx context.Context, in *recordsv1.ImportChunkRequest) (*recordsv1.ImportChunkResponse, error) {
	return a.client.ImportChunk(ctx, in)
}

// FinishImport sums the run's import up and sends the rejected rows.
func (a *Activities) FinishImport(ctx context.Context, in *recordsv1.FinishImportRequest) (*recordsv1.FinishImportResponse, error) {
	return a.client.FinishImport(ctx, in)
}

// AbortImport frees what the run's import holds.
func (a *Activities) AbortImport(ctx context.Context, in *recordsv1.AbortImportRequest) (*recordsv1.AbortImportResponse, error) {
	return a.client.AbortImport(ctx, in)
}

// EraseRecords counts records with a person's address, or puts a pseudonym in its place.
func (a *Activities) EraseRecords(ctx context.Context, in *recordsv1.EraseRecordsRequest) (*recordsv1.EraseRecordsResponse, error) {
	return a.client.EraseRecords(ctx, in)
}
