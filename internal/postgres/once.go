package postgres

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"google.golang.org/protobuf/proto"

	"github.com/microservicehub/mshub/internal/auth"
	"github.com/microservicehub/mshub/internal/rpc"
)

// idempotencyLifetime is how long an answer is kept: longer than any client retries.
const idempotencyLifetime = 7 * 24 * time.Hour

// Once runs f, which fills response, and keeps the response under the call's key in the same transaction. The same
// caller, method, key and request again: f is not run, response is the kept one. Another request under the key is
// `already_exists`. Without a key f simply runs; a run must send one.
//
// The key is held from the first statement on (an advisory lock), so two calls at once give one change.
func Once(ctx context.Context, tx pgx.Tx, schema, method, key string, request, response proto.Message, f func() error) error {
	caller := auth.From(ctx)
	who := caller.Actor
	if caller.Kind == auth.Run {
		who = "runs/" + caller.Run.String()
	}
	if key == "" {
		if caller.Kind == auth.Run {
			return rpc.Invalid(rpc.IdempotencyHeader, "a run must send the header %s", rpc.IdempotencyHeader)
		}
		return f()
	}
	raw, err := proto.MarshalOptions{Deterministic: true}.Marshal(request)
	if err != nil {
		return err
	}
	hash := sha256.Sum256(raw)
	table := pgx.Identifier{schema, "idempotency"}.Sanitize()
	var kept, keptHash []byte
	batch := &pgx.Batch{}
	batch.Queue("SELECT pg_advisory_xact_lock(hashtextextended($1, 1))", schema+who+method+key)
	batch.Queue(fmt.Sprintf("SELECT request_hash, response FROM %s WHERE caller = $1 AND method = $2 AND key = $3", table), who, method, key).
		QueryRow(func(row pgx.Row) error {
			if err := row.Scan(&keptHash, &kept); !errors.Is(err, pgx.ErrNoRows) {
				return err
			}
			return nil
		})
	if err := tx.SendBatch(ctx, batch).Close(); err != nil {
		return err
	}
	if keptHash != nil {
		if string(keptHash) != string(hash[:]) {
			return rpc.AlreadyExists("IDEMPOTENCY_KEY_REUSED", "the idempotency key %q was used for another request; choose a new one", key)
		}
		return proto.Unmarshal(kept, response)
	}
	if err := f(); err != nil {
		return err
	}
	out, err := proto.Marshal(response)
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, fmt.Sprintf(`INSERT INTO %s (organisation_id, caller, key, method, request_hash, response, expires_at)
		VALUES ($1, $2, $3, $4, $5, $6, now() + $7::interval)`, table),
		caller.Organisation, who, key, method, hash[:], out, idempotencyLifetime)
	return err
}

// ForgetOnce deletes answers whose time is over, at most limit in one statement. For a room's housekeeping (System).
func ForgetOnce(ctx context.Context, tx pgx.Tx, schema string, limit int) (int64, error) {
	table := pgx.Identifier{schema, "idempotency"}.Sanitize()
	tag, err := tx.Exec(ctx, fmt.Sprintf("DELETE FROM %[1]s WHERE ctid = ANY (ARRAY(SELECT ctid FROM %[1]s WHERE expires_at < now() LIMIT $1))", table), limit)
	return tag.RowsAffected(), err
}

// ForgetAnswersAbout deletes the active organisation's kept answers that hold a text: what an erasure must not leave. A call
// that is repeated afterwards is a new one.
func ForgetAnswersAbout(ctx context.Context, tx pgx.Tx, schema, text string) error {
	table := pgx.Identifier{schema, "idempotency"}.Sanitize()
	_, err := tx.Exec(ctx, fmt.Sprintf("DELETE FROM %s WHERE position(convert_to($1, 'UTF8') IN response) > 0", table), text)
	return err
}
