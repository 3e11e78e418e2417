package consent

import (
	"context"
	"errors"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"google.golang.org/protobuf/types/known/timestamppb"

	authserverv1 "github.com/microservicehub/mshub/authserver/v1"

	"github.com/microservicehub/mshub/authserver/revocation"
	"github.com/microservicehub/mshub/authserver/store"
	"github.com/microservicehub/mshub/internal/audit"
	"github.com/microservicehub/mshub/internal/auth"
	"github.com/microservicehub/mshub/internal/postgres"
	"github.com/microservicehub/mshub/internal/rpc"
)

// Service implements GrantService: about what the caller itself has allowed.
type Service struct {
	DB   *postgres.DB
	Book *revocation.Book
}

// ListGrants returns what the caller allowed, the one used last first.
func (s Service) ListGrants(ctx context.Context, _ *authserverv1.ListGrantsRequest) (*authserverv1.ListGrantsResponse, error) {
	caller, err := person(ctx, "identity:read")
	if err != nil {
		return nil, err
	}
	var rows []store.Consent
	err = s.DB.Global(ctx, func(tx pgx.Tx) (err error) {
		rows, err = store.New().ListConsents(ctx, tx, caller.User)
		return err
	})
	if err != nil {
		return nil, err
	}
	res := &authserverv1.ListGrantsResponse{}
	for _, row := range rows {
		res.Grants = append(res.Grants, &authserverv1.Grant{
			Name:        "grants/" + row.ID.String(),
			Client:      "clients/" + row.ClientID,
			ClientTitle: row.ClientTitle,
			Scopes:      row.Scopes,
			CreateTime:  timestamppb.New(row.CreatedAt),
			LastUseTime: timestamppb.New(row.UsedAt),
		})
	}
	return res, nil
}

// RevokeGrant takes everything back from one client: what was remembered, its refresh tokens, and within seconds its
// access tokens.
func (s Service) RevokeGrant(ctx context.Context, req *authserverv1.RevokeGrantRequest) (*authserverv1.RevokeGrantResponse, error) {
	caller, err := person(ctx, "identity:write")
	if err != nil {
		return nil, err
	}
	id, err := uuid.Parse(strings.TrimPrefix(req.GetName(), "grants/"))
	if err != nil {
		return nil, rpc.NotFound("grant", req.GetName())
	}
	q := store.New()
	err = s.DB.Global(ctx, func(tx pgx.Tx) error {
		row, err := q.DeleteConsent(ctx, tx, store.DeleteConsentParams{ID: id, UserID: caller.User})
		if errors.Is(err, pgx.ErrNoRows) {
			return rpc.NotFound("grant", req.GetName())
		}
		if err != nil {
			return err
		}
		families, err := q.DeleteFamiliesOfGrant(ctx, tx, store.DeleteFamiliesOfGrantParams{UserID: caller.User, ClientID: row.ClientID})
		if err != nil {
			return err
		}
		for _, family := range families {
			if err := s.Book.Add(ctx, tx, revocation.Session, family.String()); err != nil {
				return err
			}
		}
		return audit.Append(ctx, tx, audit.Entry{
			Action: "authserver.v1.GrantService/RevokeGrant", Target: "clients/" + row.ClientID, Before: map[string]any{"scopes": row.Scopes},
		})
	})
	if err != nil {
		return nil, err
	}
	s.Book.Announce(ctx)
	return &authserverv1.RevokeGrantResponse{}, nil
}

// person returns the caller if it is one. Third parties see what else was allowed only if they may see people.
func person(ctx context.Context, scope string) (auth.Caller, error) {
	caller := auth.From(ctx)
	switch {
	case caller.Kind != auth.User:
		return caller, rpc.Denied("NOT_A_PERSON", "only people grant access")
	case !caller.HasScope(scope):
		return caller, rpc.Denied("MISSING_SCOPE", "the token lacks the scope %q", scope)
	}
	return caller, nil
}
