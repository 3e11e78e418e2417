// Package revocation takes access back before it expires.
//
//	book.go  Book: writes revocations in the transaction of the change that causes them, and wakes the nodes after it
//	feed.go  GET /oauth2/revocations: what every node of the house polls
//	sync.go  changes of access that the identity service reports (a person disabled, a role changed) become revocations
//
// An access token lives five minutes and no service asks about it, so every node holds the last minutes' revocations in
// memory (internal/auth). The rows are the truth; the wake-up by Redis may be lost and only saves the wait.
package revocation

import (
	"context"
	"log/slog"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"

	"github.com/microservicehub/mshub/authserver/store"
	"github.com/microservicehub/mshub/internal/auth"
	"github.com/microservicehub/mshub/internal/postgres"
)

// Channel is where Redis says "look again" after a revocation was committed.
const Channel = "mshub:revocations"

// The kinds of a revocation, see auth.Revocation.
const (
	// Session is a browser session, or the family of tokens that one authorization code began.
	Session = "sid"
	// Subject is everything of a user, client or service.
	Subject = "sub"
	// Client is everything through a client, whoever used it.
	Client = "client"
	// Token is one access token.
	Token = "jti"
)

// Book writes revocations.
type Book struct {
	db    *postgres.DB
	q     *store.Queries
	redis redis.UniversalClient
	log   *slog.Logger
	now   func() time.Time
}

// NewBook wakes the nodes through redis, which may be nil: they then look every two seconds.
func NewBook(db *postgres.DB, redis redis.UniversalClient, log *slog.Logger, now func() time.Time) *Book {
	return &Book{db: db, q: store.New(), redis: redis, log: log, now: now}
}

// Add takes back what the ids of one kind name, in the caller's transaction. Call Announce after it.
func (b *Book) Add(ctx context.Context, tx pgx.Tx, kind string, ids ...string) error {
	for _, id := range ids {
		if err := b.q.Revoke(ctx, tx, store.RevokeParams{Kind: kind, ID: id, Time: b.now()}); err != nil {
			return err
		}
	}
	return nil
}

// Announce wakes the nodes. Call it after the commit; a failure costs the nodes two seconds.
func (b *Book) Announce(ctx context.Context) {
	if b.redis == nil {
		return
	}
	if err := b.redis.Publish(ctx, Channel, "").Err(); err != nil {
		b.log.DebugContext(ctx, "revocations were not announced; nodes find them within two seconds", "error", err)
	}
}

// EndFamily deletes the refresh tokens that descend from one code and takes their access tokens back.
func (b *Book) EndFamily(ctx context.Context, family uuid.UUID) error {
	err := b.db.Global(ctx, func(tx pgx.Tx) error {
		if _, err := b.q.DeleteFamily(ctx, tx, family); err != nil {
			return err
		}
		return b.Add(ctx, tx, Session, family.String())
	})
	if err != nil {
		return err
	}
	b.Announce(ctx)
	return nil
}

// EndToken takes one access token back.
func (b *Book) EndToken(ctx context.Context, id string) error {
	if err := b.db.Global(ctx, func(tx pgx.Tx) error { return b.Add(ctx, tx, Token, id) }); err != nil {
		return err
	}
	b.Announce(ctx)
	return nil
}

// Revoked asks the database itself whether the caller's token was taken back: for the protocol's own endpoints, which
// must not be two seconds behind.
func (b *Book) Revoked(ctx context.Context, caller auth.Caller, subject string) (bool, error) {
	var rows []store.Revocation
	err := b.db.Global(ctx, func(tx pgx.Tx) (err error) {
		rows, err = b.q.RevocationsOf(ctx, tx, store.RevocationsOfParams{
			Sid: caller.SessionID, Sub: subject, Client: caller.ClientID, Jti: caller.TokenID,
		})
		return err
	})
	for _, row := range rows {
		if !caller.IssuedAt.After(row.Time) {
			return true, err
		}
	}
	return false, err
}

// EndSignIns ends what a user began by signing in before a moment: browser sessions, and the tokens of third parties.
// It returns how many there were. Call Announce after the transaction.
func (b *Book) EndSignIns(ctx context.Context, tx pgx.Tx, user uuid.UUID, before time.Time) (int, error) {
	sessions, err := b.q.DeleteSessionsOfUser(ctx, tx, store.DeleteSessionsOfUserParams{UserID: user, Before: before})
	if err != nil {
		return 0, err
	}
	families, err := b.q.DeleteFamiliesOfUser(ctx, tx, store.DeleteFamiliesOfUserParams{UserID: user, Before: before})
	if err != nil {
		return 0, err
	}
	ended := slices.Concat(sessions, families)
	for _, id := range ended {
		if err := b.Add(ctx, tx, Session, id.String()); err != nil {
			return 0, err
		}
	}
	return len(ended), nil
}
