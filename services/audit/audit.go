package audit

import (
	"context"
	"errors"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/microservicehub/mshub/internal/auth"
	"github.com/microservicehub/mshub/internal/filter"
	"github.com/microservicehub/mshub/internal/postgres"
	"github.com/microservicehub/mshub/services/audit/store"
	auditv1 "github.com/microservicehub/mshub/services/audit/v1"
	"github.com/microservicehub/mshub/services/audit/v1/auditv1connect"
)

// Service implements the door. Safe for concurrent use.
type Service struct{ db *postgres.DB }

var _ auditv1connect.AuditServiceHandler = (*Service)(nil)

// New makes the service; the sealer is started apart (NewSealer).
func New(db *postgres.DB) *Service { return &Service{db} }

// columns of the filter.
var columns = map[string]filter.Column{
	"actor":  {Type: filter.Text, SQL: "e.actor"},
	"action": {Type: filter.Text, SQL: "e.action"},
	"target": {Type: filter.Text, SQL: "e.target"},
	"run":    {Type: filter.Text, SQL: "e.run", Convert: runID},
	"time":   {Type: filter.Time, SQL: "e.time"},
}

func runID(name string) (any, error) {
	id, err := uuid.Parse(strings.TrimPrefix(name, "runs/"))
	if err != nil {
		return nil, errors.New("use runs/ID")
	}
	return id, nil
}

// ListEntries returns the active organisation's entries, newest first.
func (s *Service) ListEntries(ctx context.Context, req *auditv1.ListEntriesRequest) (*auditv1.ListEntriesResponse, error) {
	size := postgres.PageSize(req.GetPageSize())
	listing := store.Listing{Before: uuid.Max, Limit: size + 1}
	if req.GetPageToken() != "" {
		if err := postgres.DecodePage(req.GetPageToken(), &listing.Before); err != nil {
			return nil, err
		}
	}
	expr, err := filter.Parse(req.GetFilter())
	if err != nil {
		return nil, err
	}
	if listing.Where, listing.Args, err = filter.SQL(expr, columns, 3); err != nil {
		return nil, err
	}
	var rows []store.Listed
	err = s.db.Tx(ctx, auth.From(ctx).Organisation, func(tx pgx.Tx) (err error) {
		rows, err = store.List(ctx, tx, listing)
		return err
	})
	if err != nil {
		return nil, err
	}
	res := &auditv1.ListEntriesResponse{}
	if len(rows) > size {
		rows = rows[:size]
		res.NextPageToken = postgres.EncodePage(rows[size-1].ID)
	}
	for _, row := range rows {
		entry, err := wire(row)
		if err != nil {
			return nil, err
		}
		res.Entries = append(res.Entries, entry)
	}
	return res, nil
}

// VerifyChain recomputes the active organisation's chain. Entries younger than a second may not be part of it yet.
func (s *Service) VerifyChain(ctx context.Context, _ *auditv1.VerifyChainRequest) (*auditv1.VerifyChainResponse, error) {
	organisation := auth.From(ctx).Organisation
	res := &auditv1.VerifyChainResponse{}
	err := s.db.Tx(postgres.Unhurried(ctx), organisation, func(tx pgx.Tx) error {
		chain, err := store.New().VerifyChain(ctx, tx, organisation)
		res.Entries, res.BrokenAt, res.Valid = chain.Entries, chain.BrokenAt, chain.BrokenAt == 0
		return err
	})
	if err != nil {
		return nil, err
	}
	return res, nil
}

func wire(row store.Listed) (*auditv1.Entry, error) {
	entry := &auditv1.Entry{
		Name:          "auditEntries/" + row.ID.String(),
		Time:          timestamppb.New(row.Time),
		Actor:         row.Actor,
		Action:        row.Action,
		Target:        row.Target,
		RemoteAddress: row.RemoteAddress,
		Reason:        row.Reason,
		Before:        &structpb.Struct{},
		After:         &structpb.Struct{},
	}
	if row.Run != nil {
		entry.Run = "runs/" + row.Run.String()
	}
	if row.Position != nil {
		entry.Position = *row.Position
	}
	if err := protojson.Unmarshal(row.Before, entry.GetBefore()); err != nil {
		return nil, err
	}
	if err := protojson.Unmarshal(row.After, entry.GetAfter()); err != nil {
		return nil, err
	}
	return entry, nil
}
