package runs

import (
	"context"
	"math"

	"github.com/jackc/pgx/v5"

	"github.com/microservicehub/mshub/services/runs/store"
	runsv1 "github.com/microservicehub/mshub/services/runs/v1"
)

// ReserveRate takes the next place in the organisation's line to an outside system; whoever asks waits and then calls. A
// repeated call takes another place: the line gets longer, never too fast.
func (s *Service) ReserveRate(ctx context.Context, req *runsv1.ReserveRateRequest) (*runsv1.ReserveRateResponse, error) {
	if _, err := callingRun(ctx); err != nil {
		return nil, err
	}
	var wait float64
	err := s.tx(ctx, func(tx pgx.Tx) (err error) {
		wait, err = queries.ReserveRate(ctx, tx, store.ReserveRateParams{
			Name: req.GetRate(), Spacing: 1 / req.GetPerSecond(), Beyond: float64(max(req.GetBurst(), 1) - 1),
		})
		return err
	})
	return &runsv1.ReserveRateResponse{WaitMilliseconds: int64(math.Ceil(wait))}, err
}
