package runs

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/microservicehub/mshub/events"
	eventsv1 "github.com/microservicehub/mshub/events/v1"
	"github.com/microservicehub/mshub/internal/audit"
	"github.com/microservicehub/mshub/internal/rpc"
	"github.com/microservicehub/mshub/services/runs/store"
	runsv1 "github.com/microservicehub/mshub/services/runs/v1"
)

// admitEvery is how often each node looks for slots that fell free without its knowing.
const admitEvery = 2 * time.Second

// admit gives free slots of a process to queued runs and launches them, until there are no more of either. Every node
// may do it at any time: the choice is made under a lock, of rows alone, so no slot is given twice and a crash leaks none.
// A crash before the launch is mended as any run's that Temporal never heard of.
func (s *Service) admit(ctx context.Context, name string) error {
	e, err := s.catalogue.get(name)
	if err != nil {
		return nil //nolint:nilerr // a process of another version of the house: its nodes admit it
	}
	ctx = context.WithoutCancel(ctx) // whoever asked may leave; the run that got its slot must be launched
	for {
		row, seq, err := s.admitOne(ctx, e)
		if err != nil || row == nil {
			return err
		}
		s.events.Wake(ctx, row.ID, seq)
		if err := s.launch(ctx, *row); err != nil {
			return err
		}
	}
}

// admitOne gives one slot, in a transaction of its own: it holds the run's journal. No row means that nobody is next.
func (s *Service) admitOne(ctx context.Context, e entry) (row *store.Run, seq int64, err error) {
	err = s.db.System(ctx, func(tx pgx.Tx) error {
		row = nil
		if err := queries.LockAdmission(ctx, tx, e.Name); err != nil {
			return err
		}
		if e.limits.installation > 0 {
			held, err := queries.Held(ctx, tx, e.Name)
			if err != nil || held >= e.limits.installation {
				return err
			}
		}
		for {
			id, err := queries.NextInLine(ctx, tx, store.NextInLineParams{Process: e.Name, KeyLimit: e.limits.key, OrganisationLimit: e.limits.organisation})
			if errors.Is(err, pgx.ErrNoRows) {
				return nil
			}
			if err != nil {
				return err
			}
			admitted, err := queries.Admit(ctx, tx, id)
			if err != nil {
				return err
			}
			if len(admitted) == 0 {
				continue // it was cancelled at this moment
			}
			row = &admitted[0]
			seq, _, err = events.Append(ctx, tx, events.Entry{
				Organisation: row.OrganisationID, Run: id, ID: events.RunAdmitted, Event: &eventsv1.Event{Kind: events.RunAdmitted},
			})
			return err
		}
	})
	return row, seq, err
}

// admissions admits when a slot falls free on this node, and every so often, until ctx ends.
func (s *Service) admissions(ctx context.Context) {
	ticker := time.NewTicker(admitEvery)
	defer ticker.Stop()
	for {
		var waiting []string
		var err error
		select {
		case <-ctx.Done():
			return
		case name := <-s.freed:
			waiting = []string{name}
		case <-ticker.C:
			err = s.db.System(ctx, func(tx pgx.Tx) (err error) {
				waiting, err = queries.QueuedProcesses(ctx, tx)
				return err
			})
		}
		for _, name := range waiting {
			err = errors.Join(err, s.admit(ctx, name))
		}
		if err != nil && ctx.Err() == nil {
			s.logger.WarnContext(ctx, "admission will look again", "error", err)
		}
	}
}

// slotFreed wakes the admission of a process whose runs are limited.
func (s *Service) slotFreed(name string) {
	if !s.catalogue.byName[name].limits.any() {
		return
	}
	select {
	case s.freed <- name:
	default: // it is being looked at anyway
	}
}

// endQueued ends a run that still waits for a slot: Temporal has never heard of it, and nothing is to be undone. False if
// it does not wait (any more).
func (s *Service) endQueued(ctx context.Context, method string, id uuid.UUID, state runsv1.Run_State, reason string) (bool, error) {
	end := &runsv1.FinishRunRequest{State: state, Error: &runsv1.RunError{Code: "canceled", Reason: state.String(), Message: reason}}
	queued := false
	err := s.endIf(ctx, method, id, end, func(tx pgx.Tx) (bool, error) {
		rows, err := queries.LockQueued(ctx, tx, id)
		queued = len(rows) > 0
		return queued, err
	})
	return queued && err == nil, err
}

// PrioritiseRun moves a queued run before or behind others of its organisation, and of all organisations.
func (s *Service) PrioritiseRun(ctx context.Context, req *runsv1.PrioritiseRunRequest) (*runsv1.Run, error) {
	id, err := runID(req.GetName())
	if err != nil {
		return nil, err
	}
	run := &runsv1.Run{}
	err = s.tx(ctx, func(tx pgx.Tx) error {
		row, head, err := runWithHead(ctx, tx, id)
		if err != nil {
			return err
		}
		e, err := s.catalogue.get(row.Process)
		if err != nil {
			return err
		}
		if err := mayRun(ctx, e); err != nil {
			return err
		}
		return once(ctx, tx, "PrioritiseRun", req, run, func() (*runsv1.Run, error) {
			changed, err := queries.SetPriority(ctx, tx, store.SetPriorityParams{ID: id, Priority: int16(req.GetPriority())})
			if err != nil {
				return nil, err
			}
			if changed == 0 {
				return nil, rpc.Precondition("NOT_QUEUED", "only a run that waits for a slot can be moved; this one is %s", strings.ToLower(head.State))
			}
			err = audit.Append(ctx, tx, audit.Entry{
				Action: action("PrioritiseRun"), Target: req.GetName(), Reason: req.GetReason(),
				Before: map[string]any{"priority": row.Priority}, After: map[string]any{"priority": req.GetPriority()},
			})
			if err != nil {
				return nil, err
			}
			return s.runIn(ctx, tx, id)
		})
	})
	if err != nil {
		return nil, err
	}
	return run, nil
}

// GetLoad counts the organisation's open runs by build and process, and how full the limits are.
func (s *Service) GetLoad(ctx context.Context, _ *runsv1.GetLoadRequest) (*runsv1.Load, error) {
	load := &runsv1.Load{}
	var limited []string
	for _, name := range s.catalogue.order {
		if s.catalogue.byName[name].limits.any() {
			limited = append(limited, name)
		}
	}
	err := s.tx(ctx, func(tx pgx.Tx) error {
		builds, err := queries.OpenByBuild(ctx, tx)
		if err != nil {
			return err
		}
		load.Builds, load.Limits = nil, nil
		for _, b := range builds {
			load.Builds = append(load.Builds, &runsv1.Load_Build{Build: b.Build, Process: b.Process, Runs: b.Runs})
		}
		counts, err := queries.LoadOf(ctx, tx, limited)
		if err != nil {
			return err
		}
		byProcess := map[string]store.LoadOfRow{}
		for _, c := range counts {
			byProcess[c.Process] = c
		}
		for _, name := range limited {
			count := byProcess[name]
			limit, perKey := s.catalogue.byName[name].limits.narrowest()
			load.Limits = append(load.Limits, &runsv1.Load_Limit{
				Process: name, Limit: int32(limit), Running: count.Running, Queued: count.Queued, PerKey: perKey,
			})
		}
		return nil
	})
	return load, err
}
