package postgres

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/microservicehub/mshub/internal/auth"
)

const (
	beginApp    = "BEGIN; SELECT set_config('mshub.org', '%s', true)"
	beginPerson = beginApp + ", set_config('statement_timeout', '%d', true)"
	beginGlobal = "BEGIN"
	beginSystem = "BEGIN; SET LOCAL ROLE mshub_system"

	// attempts of a transaction that lost against another one.
	attempts = 4

	// patience is how long a statement of a person's call may take, the wait for locks included: otherwise one who asks for
	// much takes the pool's connections from all. Runs, services and duties of the house take their time.
	patience = 15 * time.Second
)

// DB is a pool whose connections act as mshub_app: no owner, no way around row-level security.
type DB struct{ pool *pgxpool.Pool }

// Open connects lazily; the first query fails if the server is away. MaxConns 0 means pgx's default (4 or the number of cores).
func Open(ctx context.Context, url string, maxConns int32) (*DB, error) {
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, errors.New("DATABASE_URL: not a PostgreSQL address") // the parser's error would repeat the password
	}
	if maxConns > 0 {
		config.MaxConns = maxConns
	}
	config.MaxConnIdleTime = 5 * time.Minute
	config.AfterConnect = func(ctx context.Context, conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, "SET ROLE mshub_app")
		return err
	}
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, err
	}
	return &DB{pool}, nil
}

// Close waits for queries under way.
func (db *DB) Close() { db.pool.Close() }

// Ping says whether the server answers.
func (db *DB) Ping(ctx context.Context) error { return db.pool.Ping(ctx) }

// Pool is for measuring (connections in use); queries go through Tx, Global or System.
func (db *DB) Pool() *pgxpool.Pool { return db.pool }

// Tx runs f in a transaction that sees the rows of one organisation alone. The setting travels with BEGIN, so the
// wall costs no round trip. f is run again if the transaction lost against another one, so it must have no other effects.
// In a call of a person or a client a statement ends after 15 seconds, which people are told as deadline_exceeded; see
// Unhurried.
func (db *DB) Tx(ctx context.Context, organisation uuid.UUID, f func(tx pgx.Tx) error) error {
	if organisation == uuid.Nil {
		return errors.New("postgres: a tenant's transaction needs an organisation")
	}
	begin := fmt.Sprintf(beginApp, organisation)
	if limit, hurried := Patience(ctx); hurried {
		begin = fmt.Sprintf(beginPerson, organisation, limit.Milliseconds())
	}
	return db.run(ctx, begin, f)
}

// Patience is how long a statement of the call may take, here or in another database; false if it may take its time.
func Patience(ctx context.Context) (time.Duration, bool) {
	kind := auth.From(ctx).Kind
	return patience, (kind == auth.User || kind == auth.Client) && ctx.Value(unhurried{}) == nil
}

type unhurried struct{}

// Unhurried lets the statements of a person's call take their time: for one that has to read everything.
func Unhurried(ctx context.Context) context.Context {
	return context.WithValue(ctx, unhurried{}, true)
}

// Batch runs the queued statements in one transaction of an organisation, and in one round trip: for what happens so often
// that round trips matter. No statement can use another's answer; one that fails fails all. Like Tx it may run again, so
// what is queued must be the same each time.
func (db *DB) Batch(ctx context.Context, organisation uuid.UUID, queue func(b *pgx.Batch)) error {
	if organisation == uuid.Nil {
		return errors.New("postgres: a tenant's transaction needs an organisation")
	}
	for attempt := 1; ; attempt++ {
		b := &pgx.Batch{}
		b.Queue("SELECT set_config('mshub.org', $1, true)", organisation.String())
		queue(b)
		err := db.pool.SendBatch(ctx, b).Close() // a batch without BEGIN is one transaction
		if err == nil || attempt == attempts || !lost(err) {
			return err
		}
	}
}

// Global runs f as mshub_app without an organisation: only tables without a tenant can be read (users, signing keys);
// tables behind the wall raise an error.
func (db *DB) Global(ctx context.Context, f func(tx pgx.Tx) error) error {
	return db.run(ctx, beginGlobal, f)
}

// System runs f as mshub_system, which sees all organisations. For reconcilers and sealers, never for a request.
func (db *DB) System(ctx context.Context, f func(tx pgx.Tx) error) error {
	return db.run(ctx, beginSystem, f)
}

func (db *DB) run(ctx context.Context, begin string, f func(tx pgx.Tx) error) error {
	for attempt := 1; ; attempt++ {
		err := pgx.BeginTxFunc(ctx, db.pool, pgx.TxOptions{BeginQuery: begin}, f)
		if err == nil || attempt == attempts || !lost(err) {
			return err
		}
	}
}

// lost is true for a serialization failure or a deadlock: the same transaction may succeed now.
func lost(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && (pg.Code == "40001" || pg.Code == "40P01")
}

// Violates reports whether err is a violation of the named constraint; with "" of any unique constraint.
func Violates(err error, constraint string) bool {
	var pg *pgconn.PgError
	if !errors.As(err, &pg) {
		return false
	}
	if constraint == "" {
		return pg.Code == "23505"
	}
	return pg.ConstraintName == constraint
}

// Leader runs f for as long as this process holds the named lock and ctx lives; it waits for the lock by asking every
// interval. The lock lives on a connection of its own, so it is lost exactly when the connection is; f's context ends then.
func (db *DB) Leader(ctx context.Context, name string, every time.Duration, f func(ctx context.Context) error) error {
	for {
		if err := db.lead(ctx, name, every, f); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(every):
		}
	}
}

func (db *DB) lead(ctx context.Context, name string, every time.Duration, f func(ctx context.Context) error) error {
	conn, err := pgx.ConnectConfig(ctx, db.pool.Config().ConnConfig)
	if err != nil {
		return nil // the server is away: ask again later
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	var held bool
	if err := conn.QueryRow(ctx, "SELECT pg_try_advisory_lock(hashtextextended($1, 0))", "mshub/"+name).Scan(&held); err != nil || !held {
		return nil
	}
	leading, stop := context.WithCancel(ctx)
	var watch sync.WaitGroup
	defer watch.Wait() // before the connection closes: it serves one at a time
	defer stop()
	watch.Go(func() {
		defer stop()
		ticker := time.NewTicker(every)
		defer ticker.Stop()
		for {
			select {
			case <-leading.Done():
				return
			case <-ticker.C:
				if conn.Ping(leading) != nil {
					return
				}
			}
		}
	})
	return f(leading)
}
