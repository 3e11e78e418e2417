package runs

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/microservicehub/mshub/events"
	"github.com/microservicehub/mshub/internal/audit"
	"github.com/microservicehub/mshub/internal/auth"
	"github.com/microservicehub/mshub/internal/postgres"
	"github.com/microservicehub/mshub/internal/rpc"
	"github.com/microservicehub/mshub/services/runs/store"
	runsv1 "github.com/microservicehub/mshub/services/runs/v1"
)

// named is a request about one thing.
type named interface {
	proto.Message
	GetName() string
}

// once does a command of one transaction, and keeps its answer under the call's key for a repeat. The transaction may be tried
// more than once: into is filled anew.
func once[Res proto.Message](ctx context.Context, tx pgx.Tx, method string, req proto.Message, into Res, f func() (Res, error)) error {
	proto.Reset(into)
	return postgres.Once(ctx, tx, "runs", method, rpc.IdempotencyKey(ctx), req, into, func() error {
		answer, err := f()
		if err != nil {
			return err
		}
		proto.Merge(into, answer)
		return nil
	})
}

// A command takes effect in Temporal, between two transactions: the first writes that it has begun, the last its answer. So a
// command that is repeated under its idempotency key gets the answer that was lost; if none was written, Temporal is asked
// again under the same id, and the command is done and audited once all the same.

// beginning is what the first transaction of a command finds.
type beginning struct {
	head events.RunHead
	// answer that the command got before; nil if it got none.
	answer *runsv1.Run
	// again: the command was given before, and may have worked.
	again bool
}

// begin makes sure that the caller may command this run and that it has not ended, and writes the audit. Whether a run that
// has ended meanwhile took a repeated command is for Temporal to say.
func (s *Service) begin(ctx context.Context, id uuid.UUID, c steering) (b beginning, err error) {
	key := rpc.IdempotencyKey(ctx)
	err = s.tx(ctx, func(tx pgx.Tx) error {
		b = beginning{}
		var row store.Run
		if row, b.head, err = runWithHead(ctx, tx, id); err != nil {
			return err
		}
		if err := s.permits(ctx, row.Process, c); err != nil {
			return err
		}
		answer := &runsv1.Run{}
		kept, err := postgres.Answered(ctx, tx, "runs", c.method, key, c.req, answer)
		if err != nil {
			return err
		}
		if kept {
			b.answer = answer
			return nil
		}
		b.again = true
		return postgres.Once(ctx, tx, "runs", c.method+" begun", key, c.req, &emptypb.Empty{}, func() error {
			b.again = false
			if row.EndedAt != nil {
				return ended(b.head.State)
			}
			before := map[string]any{"state": b.head.State}
			if c.step != "" {
				before["step"] = c.step
			}
			return audit.Append(ctx, tx, audit.Entry{Action: action(c.method), Target: c.req.GetName(), Before: before, Reason: c.req.GetReason()})
		})
	})
	return b, err
}

// answer is the run as a command left it, kept for a repeat.
func (s *Service) answer(ctx context.Context, id uuid.UUID, c steering, err error) (*runsv1.Run, error) {
	run, err := s.after(ctx, id, err)
	if err != nil {
		return nil, err
	}
	return s.remember(ctx, c, run)
}

// remember keeps a command's answer under its key. Of two calls at once both get the first one's.
func (s *Service) remember(ctx context.Context, c steering, run *runsv1.Run) (*runsv1.Run, error) {
	key := rpc.IdempotencyKey(ctx)
	if key == "" {
		return run, nil
	}
	if auth.From(ctx).Run != uuid.Nil { // a bulk command: nobody reads its answers
		run = &runsv1.Run{Name: run.GetName(), State: run.GetState()}
	}
	answer := &runsv1.Run{}
	err := s.tx(ctx, func(tx pgx.Tx) error {
		return once(ctx, tx, c.method, c.req, answer, func() (*runsv1.Run, error) { return run, nil })
	})
	if err != nil {
		return nil, err
	}
	return answer, nil
}

// commandID names a command, so that Temporal and the workflow know it again; empty without a key.
func commandID(ctx context.Context, method string) string {
	key := rpc.IdempotencyKey(ctx)
	if key == "" {
		return ""
	}
	caller := auth.From(ctx)
	sum := sha256.Sum256([]byte(strings.Join([]string{caller.Organisation.String(), caller.Actor, method, key}, "\x00")))
	return hex.EncodeToString(sum[:16])
}
