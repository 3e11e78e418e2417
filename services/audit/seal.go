package audit

import (
	"context"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/microservicehub/mshub/internal/postgres"
	"github.com/microservicehub/mshub/services/audit/store"
)

const (
	// sealEvery bounds how long an entry is unchained.
	sealEvery = time.Second
	// sealBatch entries of each organisation are chained in one transaction.
	sealBatch = 1000
)

// Sealer chains new entries. Every node may run one; a lock in the database lets one of them work.
type Sealer struct {
	db     *postgres.DB
	logger *slog.Logger
}

// NewSealer makes a sealer; Run starts it.
func NewSealer(db *postgres.DB, logger *slog.Logger) *Sealer { return &Sealer{db, logger} }

// Run seals every second until ctx ends. A database that is away is waited for.
func (s *Sealer) Run(ctx context.Context) error {
	return s.db.Leader(ctx, "audit.seal", sealEvery, func(ctx context.Context) error {
		ticker := time.NewTicker(sealEvery)
		defer ticker.Stop()
		for {
			if err := s.Seal(ctx); err != nil && ctx.Err() == nil {
				s.logger.WarnContext(ctx, "audit entries wait to be sealed", "error", err)
			}
			select {
			case <-ctx.Done():
				return nil
			case <-ticker.C:
			}
		}
	})
}

// Seal chains everything that is committed now.
func (s *Sealer) Seal(ctx context.Context) error {
	for {
		var sealed int64
		err := s.db.System(ctx, func(tx pgx.Tx) (err error) {
			sealed, err = store.New().Seal(ctx, tx, sealBatch)
			return err
		})
		if err != nil || sealed == 0 {
			return err
		}
	}
}
