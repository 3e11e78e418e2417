package audit

import (
	"context"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	trail "github.com/microservicehub/mshub/internal/audit"
	"github.com/microservicehub/mshub/internal/auth"
	"github.com/microservicehub/mshub/internal/rpc"
	"github.com/microservicehub/mshub/services/audit/store"
	auditv1 "github.com/microservicehub/mshub/services/audit/v1"
	"github.com/microservicehub/mshub/services/audit/v1/auditv1connect"
)

// EraseDetails counts or deletes the details of entries by a person (they hold the network address), about the person, or
// that mention the person's id or address. Entries, digests and hashes stay: the chain verifies as before.
func (s *Service) EraseDetails(ctx context.Context, req *auditv1.EraseDetailsRequest) (*auditv1.EraseDetailsResponse, error) {
	caller := auth.From(ctx)
	id, err := uuid.Parse(strings.TrimPrefix(req.GetUser(), "users/"))
	if err != nil {
		return nil, rpc.NotFound("user", req.GetUser())
	}
	who := store.DetailsAboutParams{
		OrganisationID: caller.Organisation, Person: "users/" + id.String(), ID: id.String(), Email: strings.ToLower(strings.TrimSpace(req.GetEmail())),
	}
	res := &auditv1.EraseDetailsResponse{}
	// As mshub_system, which alone may delete details; the organisation is part of each condition.
	err = s.db.System(ctx, func(tx pgx.Tx) (err error) {
		q := store.New()
		if req.GetDryRun() {
			res.Entries, err = q.DetailsAbout(ctx, tx, who)
			return err
		}
		if res.Entries, err = q.EraseDetailsAbout(ctx, tx, store.EraseDetailsAboutParams(who)); err != nil || res.GetEntries() == 0 {
			return err
		}
		return trail.Append(ctx, tx, trail.Entry{
			Action: auditv1connect.AuditServiceEraseDetailsProcedure[1:], Target: who.Person, After: map[string]any{"entries": res.GetEntries()},
		})
	})
	if err != nil {
		return nil, err
	}
	return res, nil
}
