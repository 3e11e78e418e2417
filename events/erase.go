package events

import (
	"context"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/microservicehub/mshub/events/store"
)

// Blank takes the words and the names out of the journals of runs and returns how many events had some. What happened,
// when and in which order stays.
func Blank(ctx context.Context, tx pgx.Tx, runs []uuid.UUID) (int64, error) {
	return queries.BlankEvents(ctx, tx, runs)
}

// CountBlankable says how many events Blank would change.
func CountBlankable(ctx context.Context, tx pgx.Tx, runs []uuid.UUID) (int64, error) {
	return queries.CountEvents(ctx, tx, runs)
}

// Anonymise puts a pseudonym in the place of an actor in the journals of runs, and takes the actor's words out.
func Anonymise(ctx context.Context, tx pgx.Tx, runs []uuid.UUID, actor, pseudonym string) (int64, error) {
	return queries.AnonymiseEvents(ctx, tx, store.AnonymiseEventsParams{Runs: runs, Actor: actor, Nobody: pseudonym})
}
