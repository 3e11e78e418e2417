package records

import (
	"context"

	recordsv1 "github.com/microservicehub/mshub/services/records/v1"
	"github.com/microservicehub/mshub/services/records/v1/recordsv1connect"
)

// Exports are the verbs of the second door.
type Exports struct {
	client recordsv1connect.ExportServiceClient
}

// NewExports makes the activities over a client that carries the run's identity and idempotency key.
func NewExports(client recordsv1connect.ExportServiceClient) *Exports { return &Exports{client} }

// PlanExport checks what the run asks for and divides the dataset.
func (e *Exports) PlanExport(ctx context.Context, in *recordsv1.PlanExportRequest) (*recordsv1.PlanExportResponse, error) {
	return e.client.PlanExport(ctx, in)
}

// ExportPart writes one part of the run's export to scratch space; repeating it changes nothing.
func (e *Exports) ExportPart(ctx context.Context, in *recordsv1.ExportPartRequest) (*recordsv1.ExportPartResponse, error) {
	return e.client.ExportPart(ctx, in)
}

// FinishExport makes one file of all parts and sends it.
func (e *Exports) FinishExport(ctx context.Context, in *recordsv1.FinishExportRequest) (*recordsv1.FinishExportResponse, error) {
	return e.client.FinishExport(ctx, in)
}

// AbortExport frees what the run's export holds.
func (e *Exports) AbortExport(ctx context.Context, in *recordsv1.AbortExportRequest) (*recordsv1.AbortExportResponse, error) {
	return e.client.AbortExport(ctx, in)
}
