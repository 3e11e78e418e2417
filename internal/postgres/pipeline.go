package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Pipeline returns a view of a transaction whose statements without an answer travel with the next one that has one, in one
// round trip: a change, its audit and its event. The last statement must have an answer (events.Append has), or Flush.
// Errors of what was held back are the answer's. Only for statements whose number of rows nobody asks for.
func Pipeline(tx pgx.Tx) *Pipelined { return &Pipelined{Tx: tx, held: &pgx.Batch{}} }

// Pipelined is a transaction seen through Pipeline.
type Pipelined struct {
	pgx.Tx
	held *pgx.Batch
}

// Exec holds a statement back; the tag says nothing.
func (p *Pipelined) Exec(_ context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	p.held.Queue(sql, args...)
	return pgconn.CommandTag{}, nil
}

// QueryRow runs what was held back, then the query.
func (p *Pipelined) QueryRow(ctx context.Context, sql string, args ...any) pgx.Row {
	before := p.held.Len()
	p.held.Queue(sql, args...)
	results := p.send(ctx)
	for range before {
		if _, err := results.Exec(); err != nil {
			_ = results.Close() // says the same
			return failedRow{err}
		}
	}
	return lastRow{results}
}

// Query runs what was held back, then the query.
func (p *Pipelined) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	if err := p.Flush(ctx); err != nil {
		return nil, err
	}
	return p.Tx.Query(ctx, sql, args...)
}

// Flush runs what was held back.
func (p *Pipelined) Flush(ctx context.Context) error {
	if p.held.Len() == 0 {
		return nil
	}
	return p.send(ctx).Close()
}

func (p *Pipelined) send(ctx context.Context) pgx.BatchResults {
	batch := p.held
	p.held = &pgx.Batch{}
	return p.SendBatch(ctx, batch)
}

type failedRow struct{ err error }

func (r failedRow) Scan(...any) error { return r.err }

// lastRow is the answer of a batch's last statement.
type lastRow struct{ results pgx.BatchResults }

func (r lastRow) Scan(into ...any) error {
	err := r.results.QueryRow().Scan(into...)
	if closing := r.results.Close(); err == nil {
		err = closing
	}
	return err
}
