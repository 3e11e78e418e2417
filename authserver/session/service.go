package session

import (
	"context"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"google.golang.org/protobuf/types/known/timestamppb"

	authserverv1 "github.com/microservicehub/mshub/authserver/v1"

	"github.com/microservicehub/mshub/authserver/revocation"
	"github.com/microservicehub/mshub/authserver/store"
	"github.com/microservicehub/mshub/internal/audit"
	"github.com/microservicehub/mshub/internal/auth"
	"github.com/microservicehub/mshub/internal/rpc"
)

// Service implements SessionService: about the caller's own sessions alone.
type Service struct{ Sessions *Manager }

// ListSessions returns the caller's sessions that still live, the one used last first.
func (s Service) ListSessions(ctx context.Context, _ *authserverv1.ListSessionsRequest) (*authserverv1.ListSessionsResponse, error) {
	caller, err := person(ctx, "identity:read")
	if err != nil {
		return nil, err
	}
	m, now := s.Sessions, s.Sessions.now()
	var rows []store.Session
	err = m.db.Global(ctx, func(tx pgx.Tx) (err error) {
		rows, err = m.q.ListSessions(ctx, tx, store.ListSessionsParams{UserID: caller.User, Now: now, Idle: now.Add(-m.idle)})
		return err
	})
	if err != nil {
		return nil, err
	}
	res := &authserverv1.ListSessionsResponse{}
	for _, row := range rows {
		res.Sessions = append(res.Sessions, &authserverv1.Session{
			Name:          "sessions/" + row.ID.String(),
			RemoteAddress: row.RemoteAddress,
			UserAgent:     row.UserAgent,
			CreateTime:    timestamppb.New(row.CreatedAt),
			LastUseTime:   timestamppb.New(row.UsedAt),
			Current:       row.ID.String() == caller.SessionID,
		})
	}
	return res, nil
}

// RevokeSession ends one of the caller's sessions; its tokens die within seconds.
func (s Service) RevokeSession(ctx context.Context, req *authserverv1.RevokeSessionRequest) (*authserverv1.RevokeSessionResponse, error) {
	caller, err := person(ctx, "identity:write")
	if err != nil {
		return nil, err
	}
	id, err := uuid.Parse(strings.TrimPrefix(req.GetName(), "sessions/"))
	if err != nil {
		return nil, rpc.NotFound("session", req.GetName())
	}
	m := s.Sessions
	err = m.db.Global(ctx, func(tx pgx.Tx) error {
		n, err := m.q.DeleteSession(ctx, tx, store.DeleteSessionParams{ID: id, UserID: caller.User})
		if err != nil {
			return err
		}
		if n == 0 {
			return rpc.NotFound("session", req.GetName())
		}
		if err := m.book.Add(ctx, tx, revocation.Session, id.String()); err != nil {
			return err
		}
		return audit.Append(ctx, tx, audit.Entry{Action: "authserver.v1.SessionService/RevokeSession", Target: req.GetName()})
	})
	if err != nil {
		return nil, err
	}
	m.book.Announce(ctx)
	return &authserverv1.RevokeSessionResponse{}, nil
}

// person returns the caller if it is one. Third parties see a person's sessions only if they were allowed to see people.
func person(ctx context.Context, scope string) (auth.Caller, error) {
	caller := auth.From(ctx)
	switch {
	case caller.Kind != auth.User:
		return caller, rpc.Denied("NOT_A_PERSON", "only people have sessions")
	case !caller.HasScope(scope):
		return caller, rpc.Denied("MISSING_SCOPE", "the token lacks the scope %q", scope)
	}
	return caller, nil
}
