// Package store is the authorization server's part of the database: schema `authserver`.
//
//	migrations/  tables and the one function that looks through the wall between tenants
//	queries.sql  compiled by sqlc; rooms of the server call the queries in their own transactions
//	store.go     Store: what fosite needs, and the lookup of a client by its id
//	code.go      fosite's authorization code, PKCE and OpenID Connect storage: one row
//	refresh.go   fosite's refresh token storage
//	request.go   how a request lies in those rows
//
// Keys of codes and refresh tokens are hashed before they reach SQL; access tokens are JWTs and leave no row.
package store

import (
	"context"
	"embed"
	"errors"
	"io/fs"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/ory/fosite"

	"github.com/microservicehub/mshub/authserver/protocol"
	"github.com/microservicehub/mshub/internal/postgres"
)

//go:embed migrations/*.sql
var files embed.FS

// Schema is applied after `audit`, to whose trail the rows' changes are written.
func Schema() postgres.Schema {
	migrations, err := fs.Sub(files, "migrations")
	if err != nil {
		panic(err) // the folder is embedded
	}
	return postgres.Schema{Name: "authserver", Migrations: migrations}
}

// Store implements fosite's storage interfaces. Every method joins the transaction that Atomic put into the context, or
// runs in one of its own.
type Store struct {
	db        *postgres.DB
	q         *Queries
	builtin   map[string]*protocol.Client
	endFamily func(ctx context.Context, family uuid.UUID) error
	now       func() time.Time
}

// NewStore knows the built-in clients beside those in the database; endFamily takes back what descends from one code.
func NewStore(db *postgres.DB, builtin []*protocol.Client, endFamily func(ctx context.Context, family uuid.UUID) error, now func() time.Time) *Store {
	s := &Store{db: db, q: New(), builtin: map[string]*protocol.Client{}, endFamily: endFamily, now: now}
	for _, c := range builtin {
		s.builtin[c.ID] = c
	}
	return s
}

type txKey struct{}

// Atomic runs f in one transaction: everything that fosite stores in it is committed together or not at all. f runs
// again if the transaction lost against another one.
func (s *Store) Atomic(ctx context.Context, f func(ctx context.Context) error) error {
	return s.db.Global(ctx, func(tx pgx.Tx) error {
		return f(context.WithValue(ctx, txKey{}, tx))
	})
}

// Do runs f in the transaction of Atomic, or in one of its own.
func (s *Store) Do(ctx context.Context, f func(tx pgx.Tx) error) error {
	if tx, ok := ctx.Value(txKey{}).(pgx.Tx); ok {
		return f(tx)
	}
	return s.db.Global(ctx, f)
}

// Client returns a client by its id: a built-in one, or one of whichever organisation. fosite.ErrNotFound if there is none.
func (s *Store) Client(ctx context.Context, id string) (*protocol.Client, error) {
	if c, ok := s.builtin[id]; ok {
		return c, nil
	}
	var row Client
	err := s.Do(ctx, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, `SELECT organisation_id, id, title, kind, redirect_uris, scopes, secret_hash, previous_hash, previous_expires_at, created_at, used_at, keepers
			FROM authserver.find_client($1)`, id)
		if err != nil {
			return err
		}
		row, err = pgx.CollectExactlyOneRow(rows, pgx.RowToStructByPos[Client])
		return err
	})
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, fosite.ErrNotFound
	}
	if err != nil {
		return nil, err
	}
	return ToClient(row), nil
}

// GetClient is Client for fosite.
func (s *Store) GetClient(ctx context.Context, id string) (fosite.Client, error) {
	c, err := s.Client(ctx, id)
	if err != nil {
		return nil, err
	}
	return c, nil
}

// ToClient maps a row.
func ToClient(row Client) *protocol.Client {
	c := &protocol.Client{
		ID:           row.ID,
		Organisation: row.OrganisationID,
		Title:        row.Title,
		Kind:         protocol.Kind(row.Kind),
		RedirectURIs: row.RedirectUris,
		Scopes:       row.Scopes,
		Keepers:      row.Keepers,
	}
	if row.UsedAt != nil {
		c.UsedAt = *row.UsedAt
	}
	if row.SecretHash != nil {
		c.Secrets = append(c.Secrets, protocol.Secret{Hash: row.SecretHash})
	}
	if row.PreviousHash != nil && row.PreviousExpiresAt != nil {
		c.Secrets = append(c.Secrets, protocol.Secret{Hash: row.PreviousHash, Expires: *row.PreviousExpiresAt})
	}
	return c
}

// touchAfter bounds how often the use of a client is written down.
const touchAfter = time.Minute

// TouchClient remembers that a client was used.
func (s *Store) TouchClient(ctx context.Context, c *protocol.Client) error {
	now := s.now()
	if c.Organisation == uuid.Nil || now.Sub(c.UsedAt) < touchAfter {
		return nil
	}
	before := now.Add(-touchAfter)
	return s.db.Tx(ctx, c.Organisation, func(tx pgx.Tx) error {
		return s.q.TouchClient(ctx, tx, TouchClientParams{ID: c.ID, Now: &now, Before: &before})
	})
}

// ClientAssertionJWTValid refuses: clients sign in with a secret.
func (s *Store) ClientAssertionJWTValid(context.Context, string) error { return fosite.ErrJTIKnown }

// SetClientAssertionJWT refuses: clients sign in with a secret.
func (s *Store) SetClientAssertionJWT(context.Context, string, time.Time) error {
	return fosite.ErrJTIKnown
}
