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
	if key == "" {
		if auth.From(ctx).Kind == auth.Run {
			return rpc.Invalid(rpc.IdempotencyHeader, "a run must send the header %s", rpc.IdempotencyHeader)
		}
		return f()
	}
	if kept, err := Answered(ctx, tx, schema, method, key, request, response); err != nil || kept {
		return err
	}
	if err := f(); err != nil {
		return err
	}
	hash, err := requestHash(request)
	if err != nil {
		return err
	}
	out, err := proto.Marshal(response)
	if err != nil {
		return err
	}
	caller := auth.From(ctx)
	_, err = tx.Exec(ctx, fmt.Sprintf(`INSERT INTO %s (organisation_id, caller, key, method, request_hash, response, expires_at)
		VALUES ($1, $2, $3, $4, $5, $6, now() + $7::interval)`, answers(schema)),
		caller.Organisation, whose(caller), key, method, hash, out, idempotencyLifetime)
	return err
}

// Answered fills response with what Once kept under the call's key, and is false if it has kept nothing. For a call of several
// transactions, which looks in the first and ends the last with Once. It holds the key as Once does.
func Answered(ctx context.Context, tx pgx.Tx, schema, method, key string, request, response proto.Message) (bool, error) {
	if key == "" {
		return false, nil
	}
	hash, err := requestHash(request)
	if err != nil {
		return false, err
	}
	who := whose(auth.From(ctx))
	var kept, keptHash []byte
	batch := &pgx.Batch{}
	batch.Queue("SELECT pg_advisory_xact_lock(hashtextextended($1, 1))", schema+who+method+key)
	batch.Queue(fmt.Sprintf("SELECT request_hash, response FROM %s WHERE caller = $1 AND method = $2 AND key = $3", answers(schema)), who, method, key).
		QueryRow(func(row pgx.Row) error {
			if err := row.Scan(&keptHash, &kept); !errors.Is(err, pgx.ErrNoRows) {
				return err
			}
			return nil
		})
	if err := tx.SendBatch(ctx, batch).Close(); err != nil || keptHash == nil {
		return false, err
	}
	if string(keptHash) != string(hash) {
		return false, rpc.AlreadyExists("IDEMPOTENCY_KEY_REUSED", "the idempotency key %q was used for another request; choose a new one", key)
	}
	return true, proto.Unmarshal(kept, response)
}

// whose calls are told apart by their keys.
func whose(caller auth.Caller) string {
	if caller.Kind == auth.Run {
		return "runs/" + caller.Run.String()
	}
	return caller.Actor
}

func requestHash(request proto.Message) ([]byte, error) {
	raw, err := proto.MarshalOptions{Deterministic: true}.Marshal(request)
	hash := sha256.Sum256(raw)
	return hash[:], err
}

// answers is a room's table of kept answers.
func answers(schema string) string { return pgx.Identifier{schema, "idempotency"}.Sanitize() }

// ForgetOnce deletes answers whose time is over, at most limit in one statement. For a room's housekeeping (System).
func ForgetOnce(ctx context.Context, tx pgx.Tx, schema string, limit int) (int64, error) {
	tag, err := tx.Exec(ctx, fmt.Sprintf("DELETE FROM %[1]s WHERE ctid = ANY (ARRAY(SELECT ctid FROM %[1]s WHERE expires_at < now() LIMIT $1))", answers(schema)), limit)
	return tag.RowsAffected(), err
}

// ForgetAnswersAbout deletes the active organisation's kept answers that hold one of the texts: what an erasure must not
// leave. A call that is repeated afterwards is a new one.
func ForgetAnswersAbout(ctx context.Context, tx pgx.Tx, schema string, texts ...string) error {
	_, err := tx.Exec(ctx, fmt.Sprintf(`DELETE FROM %s
		WHERE EXISTS (SELECT FROM unnest($1::text[]) AS about (text) WHERE position(convert_to(about.text, 'UTF8') IN response) > 0)`, answers(schema)), texts)
	return err
}
