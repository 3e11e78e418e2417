// Package audit is how a workflow reaches services/audit: verb -> client call.
package audit

import (
	"context"

	auditv1 "github.com/microservicehub/mshub/services/audit/v1"
	"github.com/microservicehub/mshub/services/audit/v1/auditv1connect"
)

// Activities are registered on the workers; their names are the verbs.
type Activities struct {
	client auditv1connect.AuditServiceClient
}

// New makes the activities over a client that carries the run's identity and idempotency key.
func New(client auditv1connect.AuditServiceClient) *Activities { return &Activities{client} }

// EraseDetails counts or removes what the audit's details say about a person.
func (a *Activities) EraseDetails(ctx context.Context, in *auditv1.EraseDetailsRequest) (*auditv1.EraseDetailsResponse, error) {
	return a.client.EraseDetails(ctx, in)
}
