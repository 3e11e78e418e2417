package events

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/microservicehub/mshub/events/store"
)

// Fact is something that happened in a service and may start a process. Its id is the idempotency key of what it starts.
type Fact struct {
	ID, Organisation uuid.UUID
	// Kind reads room.noun.verb: "identity.user.signed_up".
	Kind string
	// Run caused it; zero if no run did.
	Run uuid.UUID
	// Payload is a JSON object: the input of the process that starts on it.
	Payload json.RawMessage
	Time    time.Time
	// Attempt counts the claims, this one included.
	Attempt int
}

// PublishFact writes a fact in the transaction of the change that it tells, which must be one organisation's. Payload is a
// proto message or anything that encodes to a JSON object; run is zero if no run caused it.
func PublishFact(ctx context.Context, tx pgx.Tx, kind string, payload any, run uuid.UUID) error {
	return publishFact(ctx, tx, kind, payload, run, false)
}

// PublishInside is PublishFact for what concerns the house alone: no webhook is told.
func PublishInside(ctx context.Context, tx pgx.Tx, kind string, payload any) error {
	return publishFact(ctx, tx, kind, payload, uuid.Nil, true)
}

func publishFact(ctx context.Context, tx pgx.Tx, kind string, payload any, run uuid.UUID, inside bool) error {
	raw, err := encodeFact(payload)
	if err != nil {
		return fmt.Errorf("fact %s: %w", kind, err)
	}
	id, err := uuid.NewV7()
	if err != nil {
		return err
	}
	params := store.InsertFactParams{ID: id, Kind: kind, Payload: raw, Inside: inside}
	if run != uuid.Nil {
		params.Run = &run
	}
	return queries.InsertFact(ctx, tx, params)
}

func encodeFact(payload any) ([]byte, error) {
	if message, ok := payload.(proto.Message); ok {
		return protojson.Marshal(message)
	}
	return json.Marshal(payload)
}

// ClaimFacts takes at most limit facts that are due, for the runs role, in a System transaction. A claim is a lease: a
// fact comes back after half a minute, then later and later, until FinishFact. So commit the claim first or keep the
// transaction open, as suits; starting twice is harmless by the fact's id.
func ClaimFacts(ctx context.Context, tx pgx.Tx, limit int) ([]Fact, error) {
	rows, err := queries.ClaimFacts(ctx, tx, int32(limit))
	if err != nil {
		return nil, err
	}
	facts := make([]Fact, 0, len(rows))
	for _, row := range rows {
		fact := Fact{
			ID: row.ID, Organisation: row.OrganisationID, Kind: row.Kind, Payload: row.Payload,
			Time: row.CreatedAt, Attempt: int(row.Attempts),
		}
		if row.Run != nil {
			fact.Run = *row.Run
		}
		facts = append(facts, fact)
	}
	return facts, nil
}

// FinishFact says that everything the fact starts was started.
func FinishFact(ctx context.Context, tx pgx.Tx, id uuid.UUID) error {
	return queries.FinishFact(ctx, tx, id)
}

// FinishFacts is FinishFact for many: those that start nothing and wake nobody cost one update together.
func FinishFacts(ctx context.Context, tx pgx.Tx, facts []Fact) error {
	return queries.FinishFacts(ctx, tx, idsOf(facts))
}

// FailFact keeps why an attempt failed, for the operator; the fact comes back at the end of its lease.
func FailFact(ctx context.Context, tx pgx.Tx, id uuid.UUID, reason string) error {
	return queries.FailFact(ctx, tx, store.FailFactParams{ID: id, Failure: reason})
}

// UntoldFacts locks at most limit facts that the webhooks were not told of, for the notify role, in a System transaction,
// to be ended by ToldFacts in the same one. Nodes pass by what another one holds.
func UntoldFacts(ctx context.Context, tx pgx.Tx, limit int) ([]Fact, error) {
	rows, err := queries.UntoldFacts(ctx, tx, int32(limit))
	if err != nil {
		return nil, err
	}
	facts := make([]Fact, 0, len(rows))
	for _, row := range rows {
		facts = append(facts, Fact{ID: row.ID, Organisation: row.OrganisationID, Kind: row.Kind, Payload: row.Payload, Time: row.CreatedAt})
	}
	return facts, nil
}

// ToldFacts says that every webhook that asked for one of the facts has its delivery.
func ToldFacts(ctx context.Context, tx pgx.Tx, facts []Fact) error {
	return queries.ToldFacts(ctx, tx, idsOf(facts))
}

func idsOf(facts []Fact) []uuid.UUID {
	ids := make([]uuid.UUID, len(facts))
	for i, fact := range facts {
		ids[i] = fact.ID
	}
	return ids
}

// BlankFacts takes the payload off the facts that name one of the words ("users/ID", an address, "runs/ID"), for erasure.
// Facts that somebody is still to be told of stay.
func BlankFacts(ctx context.Context, tx pgx.Tx, words ...string) (int64, error) {
	return queries.BlankFacts(ctx, tx, slices.DeleteFunc(words, func(word string) bool { return word == "" }))
}

// ForgetFacts deletes at most limit facts that were finished before a moment, and told, and returns how many. In a System
// transaction.
func ForgetFacts(ctx context.Context, tx pgx.Tx, before time.Time, limit int) (int64, error) {
	return queries.ForgetFacts(ctx, tx, store.ForgetFactsParams{ProcessedAt: &before, Limit: int32(limit)})
}
