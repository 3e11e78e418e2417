package clients

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	authserverv1 "github.com/microservicehub/mshub/authserver/v1"

	"github.com/microservicehub/mshub/authserver/protocol"
	"github.com/microservicehub/mshub/authserver/revocation"
	"github.com/microservicehub/mshub/authserver/store"
	"github.com/microservicehub/mshub/authserver/v1/authserverv1connect"
	"github.com/microservicehub/mshub/internal/audit"
	"github.com/microservicehub/mshub/internal/auth"
	"github.com/microservicehub/mshub/internal/postgres"
	"github.com/microservicehub/mshub/internal/rpc"
)

const schema = "authserver"

// Service implements ClientService for the caller's active organisation.
type Service struct {
	DB   *postgres.DB
	Book *revocation.Book
	Now  func() time.Time
}

// ListClients pages through the clients, the oldest first.
func (s *Service) ListClients(ctx context.Context, req *authserverv1.ListClientsRequest) (*authserverv1.ListClientsResponse, error) {
	after := ""
	if token := req.GetPageToken(); token != "" {
		if err := postgres.DecodePage(token, &after); err != nil {
			return nil, err
		}
	}
	size := postgres.PageSize(req.GetPageSize())
	var rows []store.Client
	err := s.DB.Tx(ctx, auth.From(ctx).Organisation, func(tx pgx.Tx) (err error) {
		rows, err = store.New().ListClients(ctx, tx, store.ListClientsParams{After: after, Most: int32(size + 1)})
		return err
	})
	if err != nil {
		return nil, err
	}
	res := &authserverv1.ListClientsResponse{}
	if len(rows) > size {
		rows = rows[:size]
		res.NextPageToken = postgres.EncodePage(rows[size-1].ID)
	}
	for _, row := range rows {
		res.Clients = append(res.Clients, wire(row))
	}
	return res, nil
}

// GetClient shows one.
func (s *Service) GetClient(ctx context.Context, req *authserverv1.GetClientRequest) (*authserverv1.Client, error) {
	var row store.Client
	err := s.DB.Tx(ctx, auth.From(ctx).Organisation, func(tx pgx.Tx) (err error) {
		row, err = store.New().GetClient(ctx, tx, id(req.GetName()))
		return found(err, req.GetName())
	})
	if err != nil {
		return nil, err
	}
	return wire(row), nil
}

// CreateClient registers a client. The secret is in this answer alone: a repeated call with the same idempotency key
// gets the client without it.
func (s *Service) CreateClient(ctx context.Context, req *authserverv1.CreateClientRequest) (*authserverv1.CreateClientResponse, error) {
	in := req.GetClient()
	kind, ok := kinds[in.GetKind()]
	if !ok {
		return nil, rpc.Invalid("client.kind", "must be MACHINE, CONFIDENTIAL or PUBLIC")
	}
	if err := checkScopes(kind, in.GetScopes()); err != nil {
		return nil, err
	}
	if err := checkRedirects(kind, in.GetRedirectUris()); err != nil {
		return nil, err
	}
	caller := auth.From(ctx)
	if err := checkHandOn(caller, in.GetScopes()); err != nil {
		return nil, err
	}
	var res authserverv1.CreateClientResponse
	secret := ""
	err := s.DB.Tx(ctx, caller.Organisation, func(tx pgx.Tx) error {
		const method = authserverv1connect.ClientServiceCreateClientProcedure
		secret = ""
		return postgres.Once(ctx, tx, schema, method, rpc.IdempotencyKey(ctx), req, &res, func() error {
			row, made, err := create(ctx, tx, store.Client{
				OrganisationID: caller.Organisation, Title: in.GetTitle(), Kind: string(kind), RedirectUris: in.GetRedirectUris(),
				Scopes: in.GetScopes(), Keepers: caller.People(),
			}, s.Now())
			if err != nil {
				return err
			}
			secret = made
			res.Client, res.ClientId = wire(row), row.ID
			return nil
		})
	})
	if err != nil {
		return nil, err
	}
	res.ClientSecret = secret
	return &res, nil
}

// create gives a client its id, writes it and its audit entry, and returns its secret: "" for a public one.
func create(ctx context.Context, tx pgx.Tx, row store.Client, now time.Time) (store.Client, string, error) {
	name, err := uuid.NewV7()
	if err != nil {
		return row, "", err
	}
	row.ID, row.CreatedAt = name.String(), now.Truncate(time.Microsecond)
	row.RedirectUris, row.Keepers = append([]string{}, row.RedirectUris...), append([]string{}, row.Keepers...)
	secret := ""
	if protocol.Kind(row.Kind) != protocol.Public {
		secret = protocol.SecretPrefix + protocol.RandomSecret()
		row.SecretHash = protocol.Hash(secret)
	}
	err = store.New().CreateClient(ctx, tx, store.CreateClientParams{
		OrganisationID: row.OrganisationID, ID: row.ID, Title: row.Title, Kind: row.Kind,
		RedirectUris: row.RedirectUris, Scopes: row.Scopes, SecretHash: row.SecretHash, CreatedAt: row.CreatedAt, Keepers: row.Keepers,
	})
	if err != nil {
		return row, "", err
	}
	return row, secret, audit.Append(ctx, tx, audit.Entry{
		Action: "authserver.v1.ClientService/CreateClient", Target: "clients/" + row.ID, Organisation: row.OrganisationID, After: facts(row),
	})
}

// UpdateClient changes title, redirect URIs and scopes. If scopes are taken away, the tokens that have them die. Whose
// redirect URIs one may change, its codes one may collect: so it is for those alone who could have registered the client.
func (s *Service) UpdateClient(ctx context.Context, req *authserverv1.UpdateClientRequest) (*authserverv1.Client, error) {
	in, name := req.GetClient(), req.GetClient().GetName()
	paths := req.GetUpdateMask().GetPaths()
	if len(paths) == 0 {
		return nil, rpc.Invalid("updateMask", "name what to change: title, redirectUris, scopes")
	}
	caller := auth.From(ctx)
	var res authserverv1.Client
	fewer := false
	err := s.DB.Tx(ctx, caller.Organisation, func(tx pgx.Tx) error {
		const method = authserverv1connect.ClientServiceUpdateClientProcedure
		fewer = false
		proto.Reset(&res)
		return postgres.Once(ctx, tx, schema, method, rpc.IdempotencyKey(ctx), req, &res, func() error {
			before, err := store.New().LockClient(ctx, tx, id(name))
			if err != nil {
				return found(err, name)
			}
			if err := checkReach(caller, before.Scopes); err != nil {
				return err
			}
			row, err := merge(before, in, paths)
			if err != nil {
				return err
			}
			if err := check(caller, row); err != nil {
				return err
			}
			fewer = slices.ContainsFunc(before.Scopes, func(scope string) bool { return !slices.Contains(row.Scopes, scope) })
			if err := store.New().UpdateClient(ctx, tx, store.UpdateClientParams{ID: row.ID, Title: row.Title, RedirectUris: row.RedirectUris, Scopes: row.Scopes}); err != nil {
				return err
			}
			if fewer {
				if err := s.Book.Add(ctx, tx, revocation.Client, row.ID); err != nil {
					return err
				}
			}
			proto.Merge(&res, wire(row))
			return audit.Append(ctx, tx, audit.Entry{
				Action: "authserver.v1.ClientService/UpdateClient", Target: name, Before: facts(before), After: facts(row),
			})
		})
	})
	if err != nil {
		return nil, err
	}
	if fewer {
		s.Book.Announce(ctx)
	}
	return &res, nil
}

// merge lays what the mask names over a row.
func merge(row store.Client, in *authserverv1.Client, paths []string) (store.Client, error) {
	for _, path := range paths {
		switch path {
		case "title":
			row.Title = in.GetTitle()
		case "redirect_uris", "redirectUris":
			row.RedirectUris = in.GetRedirectUris()
		case "scopes":
			row.Scopes = in.GetScopes()
		default:
			return row, rpc.Invalid("updateMask", "%q can't be changed; title, redirectUris and scopes can", path)
		}
	}
	return row, nil
}

// check holds a changed client to the rules of a new one.
func check(caller auth.Caller, after store.Client) error {
	if n := len(after.Title); n == 0 || n > 200 {
		return rpc.Invalid("client.title", "must have 1 to 200 characters")
	}
	kind := protocol.Kind(after.Kind)
	if err := checkScopes(kind, after.Scopes); err != nil {
		return err
	}
	if err := checkRedirects(kind, after.RedirectUris); err != nil {
		return err
	}
	return checkHandOn(caller, after.Scopes)
}

// DeleteClient ends everything that came through the client.
func (s *Service) DeleteClient(ctx context.Context, req *authserverv1.DeleteClientRequest) (*authserverv1.DeleteClientResponse, error) {
	res := &authserverv1.DeleteClientResponse{}
	err := s.DB.Tx(ctx, auth.From(ctx).Organisation, func(tx pgx.Tx) error {
		const method = authserverv1connect.ClientServiceDeleteClientProcedure
		return postgres.Once(ctx, tx, schema, method, rpc.IdempotencyKey(ctx), req, res, func() error {
			row, err := store.New().LockClient(ctx, tx, id(req.GetName()))
			if err != nil {
				return found(err, req.GetName())
			}
			err = errors.Join(
				store.New().DeleteClient(ctx, tx, row.ID),
				store.New().DeleteConsentsOfClient(ctx, tx, row.ID),
				store.New().DeleteTokensOfClient(ctx, tx, row.ID),
				s.Book.Add(ctx, tx, revocation.Client, row.ID),
			)
			if err != nil {
				return err
			}
			return audit.Append(ctx, tx, audit.Entry{
				Action: "authserver.v1.ClientService/DeleteClient", Target: req.GetName(), Before: facts(row),
			})
		})
	})
	if err != nil {
		return nil, err
	}
	s.Book.Announce(ctx)
	return res, nil
}

// RotateClientSecret makes a new secret. Without an overlap the old one, and every token it got, dies now. Who has the
// secret is the client: so it is for those alone who could have registered it. A repeated call with the same idempotency key
// makes no secret, and shows none.
func (s *Service) RotateClientSecret(ctx context.Context, req *authserverv1.RotateClientSecretRequest) (*authserverv1.CreateClientResponse, error) {
	secret, shown := protocol.SecretPrefix+protocol.RandomSecret(), ""
	overlap := time.Duration(req.GetOverlapSeconds()) * time.Second
	caller := auth.From(ctx)
	var res authserverv1.CreateClientResponse
	err := s.DB.Tx(ctx, caller.Organisation, func(tx pgx.Tx) error {
		const method = authserverv1connect.ClientServiceRotateClientSecretProcedure
		shown = ""
		return postgres.Once(ctx, tx, schema, method, rpc.IdempotencyKey(ctx), req, &res, func() error {
			row, err := store.New().LockClient(ctx, tx, id(req.GetName()))
			if err != nil {
				return found(err, req.GetName())
			}
			if err := checkReach(caller, row.Scopes); err != nil {
				return err
			}
			if protocol.Kind(row.Kind) == protocol.Public {
				return rpc.Precondition("NO_SECRET", "a public client has no secret")
			}
			until := s.Now().Add(overlap)
			row.Keepers = joined(row.Keepers, caller.People())
			err = store.New().RotateClientSecret(ctx, tx, store.RotateClientSecretParams{
				ID: row.ID, SecretHash: protocol.Hash(secret), PreviousExpiresAt: &until, Keepers: row.Keepers,
			})
			if err != nil {
				return err
			}
			if overlap == 0 {
				if err := s.Book.Add(ctx, tx, revocation.Client, row.ID); err != nil {
					return err
				}
			}
			res.Client, res.ClientId, shown = wire(row), row.ID, secret
			return audit.Append(ctx, tx, audit.Entry{
				Action: "authserver.v1.ClientService/RotateClientSecret", Target: req.GetName(), After: map[string]any{"overlapSeconds": req.GetOverlapSeconds()},
			})
		})
	})
	if err != nil {
		return nil, err
	}
	s.Book.Announce(ctx)
	res.ClientSecret = shown
	return &res, nil
}

// joined is a list with those of more that it lacks.
func joined(list, more []string) []string {
	list = append([]string{}, list...)
	for _, one := range more {
		if !slices.Contains(list, one) {
			list = append(list, one)
		}
	}
	return list
}

func id(name string) string { return strings.TrimPrefix(name, "clients/") }

func found(err error, name string) error {
	if errors.Is(err, pgx.ErrNoRows) {
		return rpc.NotFound("client", name)
	}
	return err
}

// facts is a client as the audit remembers it.
func facts(row store.Client) map[string]any {
	return map[string]any{"title": row.Title, "kind": row.Kind, "redirectUris": row.RedirectUris, "scopes": row.Scopes}
}

func wire(row store.Client) *authserverv1.Client {
	c := &authserverv1.Client{
		Name:         "clients/" + row.ID,
		Title:        row.Title,
		RedirectUris: row.RedirectUris,
		Scopes:       row.Scopes,
		CreateTime:   timestamppb.New(row.CreatedAt),
		Keepers:      row.Keepers,
	}
	for wired, kind := range kinds {
		if string(kind) == row.Kind {
			c.Kind = wired
		}
	}
	if row.UsedAt != nil {
		c.LastUseTime = timestamppb.New(*row.UsedAt)
	}
	return c
}
