package runs

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/microservicehub/mshub/internal/postgres"
)

const (
	// launchesEvery is how long a launch may wait for others to be noted with; lateness is much longer.
	launchesEvery = 250 * time.Millisecond
	// launchesPatience bounds the noting.
	launchesPatience = 5 * time.Second
)

// launches notes of which runs Temporal has heard, many at once: one write for each run would be a transaction more for
// each. What a crash loses is launched once more by the reconciler, which is harmless.
type launches struct {
	db     *postgres.DB
	logger *slog.Logger

	mu   sync.Mutex
	runs []uuid.UUID
}

func (l *launches) add(run uuid.UUID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.runs = append(l.runs, run); len(l.runs) == 1 {
		time.AfterFunc(launchesEvery, l.note)
	}
}

func (l *launches) note() {
	l.mu.Lock()
	runs := l.runs
	l.runs = nil
	l.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), launchesPatience)
	defer cancel()
	err := l.db.System(ctx, func(tx pgx.Tx) error { return queries.SetLaunched(ctx, tx, runs) })
	if err != nil {
		l.logger.WarnContext(ctx, "launched runs are not noted; the reconciler will launch them once more", "runs", len(runs), "error", err)
	}
}
