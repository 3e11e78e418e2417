package runs

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/microservicehub/mshub/internal/postgres"
	"github.com/microservicehub/mshub/services/runs/store"
	runsv1 "github.com/microservicehub/mshub/services/runs/v1"
)

const (
	// launchPatience is how long a start waits until Temporal has heard of its run, so that whoever commands the run next
	// finds it there. A start is accepted whether or not Temporal keeps up: where starts pile up, none waits.
	launchPatience = 20 * time.Millisecond
	// launchesAtOnce is how many runs Temporal is told of at once: more would only wait inside it, until they time out.
	launchesAtOnce = 8
	// launchesWaiting bounds the runs of this node that wait for that; the reconciler launches what is beyond.
	launchesWaiting = 1000
	// launchesEvery is how long a launch may wait for others to be noted with; lateness is much longer.
	launchesEvery = 250 * time.Millisecond
	// launchesPatience bounds the noting.
	launchesPatience = 5 * time.Second
)

// launchSoon launches a new run. The answer to its start does not wait for a Temporal that is slow or away.
func (s *Service) launchSoon(ctx context.Context, row store.Run) {
	select {
	case s.launches.waiting <- struct{}{}:
	default:
		s.logger.WarnContext(ctx, "many runs wait to be launched; the reconciler launches this one", "run", row.ID)
		return
	}
	pile := len(s.launches.waiting) > launchesAtOnce
	launched := make(chan struct{})
	go func() {
		defer close(launched)
		waited := false
		select {
		case s.launches.under <- struct{}{}:
		default:
			waited = true
			s.launches.under <- struct{}{}
		}
		var err error
		if waited {
			err = s.launchOpen(context.WithoutCancel(ctx), row.ID)
		} else {
			err = s.launch(ctx, row)
		}
		<-s.launches.under
		<-s.launches.waiting
		if err != nil {
			s.logger.WarnContext(ctx, "run accepted, Temporal will hear of it later", "run", row.ID, "error", err)
		}
	}()
	if pile {
		return
	}
	patience := time.NewTimer(launchPatience)
	defer patience.Stop()
	select {
	case <-launched:
	case <-patience.C:
	}
}

// launchOpen launches a run that has waited for it: meanwhile it may have been launched, or ended.
func (s *Service) launchOpen(ctx context.Context, id uuid.UUID) error {
	var row store.Run
	err := s.tx(ctx, func(tx pgx.Tx) (err error) {
		row, err = queries.GetRun(ctx, tx, id)
		return err
	})
	if err != nil || row.Queued || row.LaunchedAt != nil || row.EndedAt != nil {
		return err
	}
	return s.launch(ctx, row)
}

// unlaunchable ends a run that Temporal refuses for good: asking again would change nothing, and others wait behind it.
func (s *Service) unlaunchable(ctx context.Context, row store.Run, refused error) error {
	ctx = asHouse(context.WithoutCancel(ctx), row.OrganisationID)
	s.logger.WarnContext(ctx, "Temporal refuses a run for good", "run", row.ID, "error", refused)
	return s.end(ctx, "Launch", row.ID, &runsv1.FinishRunRequest{State: runsv1.Run_FAILED, Error: &runsv1.RunError{
		Code: "invalid_argument", Reason: "UNLAUNCHABLE",
		Message: "the run can't begin, and nothing was done: Temporal refuses it (" + strings.TrimSuffix(refused.Error(), ".") + ")",
	}})
}

// launches notes of which runs Temporal has heard, many at once: one write for each run would be a transaction more for
// each. What a crash loses is launched once more by the reconciler, which is harmless.
type launches struct {
	db     *postgres.DB
	logger *slog.Logger
	// terminate ends a run in Temporal that was ended at the moment of its launch.
	terminate func(ctx context.Context, run uuid.UUID, reason string) error
	// waiting and under hold a place for each run that is to be launched, and for each that is being.
	waiting, under chan struct{}

	mu   sync.Mutex
	runs []uuid.UUID
}

func newLaunches(db *postgres.DB, logger *slog.Logger) *launches {
	return &launches{db: db, logger: logger, waiting: make(chan struct{}, launchesWaiting), under: make(chan struct{}, launchesAtOnce)}
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
	var late []uuid.UUID
	err := l.db.System(ctx, func(tx pgx.Tx) (err error) {
		late, err = queries.SetLaunched(ctx, tx, runs)
		return err
	})
	if err != nil {
		l.logger.WarnContext(ctx, "launched runs are not noted; the reconciler will launch them once more", "runs", len(runs), "error", err)
	}
	for _, run := range late {
		if err := l.terminate(ctx, run, "terminated before it began"); err != nil {
			l.logger.WarnContext(ctx, "a terminated run may be running in Temporal", "run", run, "error", err)
		}
	}
}
