package runs

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"connectrpc.com/connect"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/microservicehub/mshub/events"
	"github.com/microservicehub/mshub/internal/auth"
	"github.com/microservicehub/mshub/internal/postgres"
	"github.com/microservicehub/mshub/internal/rpc"
	"github.com/microservicehub/mshub/services/runs/store"
	runsv1 "github.com/microservicehub/mshub/services/runs/v1"
)

const (
	// fireEvery is how often the leader looks for times that have come.
	fireEvery = time.Second
	// fireRound is how many schedules are dealt with before it is asked anew whose turn it is.
	fireRound = 100
	// maxBackfill bounds one request.
	maxBackfill = 1000
	// backfills are started so many at once.
	backfills = 8
)

// fire starts the runs of times that have come, until none is left or the other duties are due. Run and move to the next
// time are one transaction, so a crash before it starts nothing, and after it nothing twice. Organisations take turns, one
// time of one schedule each: who has thousands delays another's single one by a round.
func (s *Service) fire(ctx context.Context) error {
	for began := time.Now(); ; {
		var due []store.DueSchedulesRow
		err := s.db.System(ctx, func(tx pgx.Tx) (err error) {
			due, err = queries.DueSchedules(ctx, tx, store.DueSchedulesParams{Now: s.now(), Most: fireRound})
			return err
		})
		moved := false
		for _, d := range due {
			more, e := s.fireOne(ctx, d)
			if moved = moved || more; e != nil {
				err = errors.Join(err, fmt.Errorf("schedule %s of organisation %s: %w", d.ID, d.OrganisationID, e))
			}
		}
		if err != nil || !moved || ctx.Err() != nil || time.Since(began) > fireEvery {
			return err
		}
	}
}

// onBehalf is the caller who acts for somebody that is not there: with the rights it had, which its token had cut down to
// its scopes already, and with the keepers, if it is a client.
func onBehalf(organisation uuid.UUID, actor string, permissions, keepers []string) auth.Caller {
	return auth.Caller{Kind: auth.Client, Organisation: organisation, Actor: actor, Permissions: permissions, Keepers: keepers, Scopes: []string{"admin"}}
}

// fireOne deals with one time of a schedule; moved says that there may be another one.
func (s *Service) fireOne(ctx context.Context, d store.DueSchedulesRow) (moved bool, err error) {
	var row store.Schedule
	var open []uuid.UUID
	err = s.db.Tx(ctx, d.OrganisationID, func(tx pgx.Tx) (err error) {
		if row, err = queries.GetSchedule(ctx, tx, d.ID); err != nil {
			return err
		}
		open, err = queries.OpenRunsOfSchedule(ctx, tx, &d.ID)
		return err
	})
	if errors.Is(err, pgx.ErrNoRows) {
		return false, nil // deleted
	}
	if err != nil {
		return false, err
	}
	return s.step(auth.With(ctx, onBehalf(row.OrganisationID, row.Actor, row.Permissions, row.Keepers)), row, open)
}

// step does the next thing that a schedule asks for; false if there is none now.
func (s *Service) step(ctx context.Context, row store.Schedule, open []uuid.UUID) (more bool, err error) {
	now := s.now()
	p, fault := newPlan(row.Cron, row.TimeZone, now)
	if fault != nil { // it fired when it was made; a year may have been its last
		return false, s.move(ctx, row, nil, nil, 0)
	}
	if row.BufferedAt != nil && len(open) == 0 {
		return true, s.startAt(ctx, row, *row.BufferedAt, row.NextAt, nil)
	}
	if row.NextAt == nil || row.NextAt.After(now) {
		return false, nil
	}
	due := *row.NextAt
	if oldest := now.Add(-time.Duration(row.CatchupSeconds) * time.Second); due.Before(oldest) {
		passed := int64(0)
		for due = *row.NextAt; due.Before(oldest); due = p.next(due) {
			passed++
		}
		return true, s.move(ctx, row, &due, row.BufferedAt, passed)
	}
	next := p.next(due)
	overlap := runsv1.Schedule_Overlap(runsv1.Schedule_Overlap_value[row.Overlap])
	switch {
	case len(open) == 0 && row.BufferedAt == nil || overlap == runsv1.Schedule_ALLOW:
	case overlap == runsv1.Schedule_CANCEL_OTHER:
		for _, run := range open {
			s.cancelFor(ctx, row, run)
		}
	case overlap == runsv1.Schedule_BUFFER_ONE && row.BufferedAt == nil:
		return true, s.move(ctx, row, &next, &due, 0)
	default:
		return true, s.move(ctx, row, &next, row.BufferedAt, 1)
	}
	return true, s.startAt(ctx, row, due, &next, row.BufferedAt)
}

// cancelFor makes way for the next run of a schedule. A run that is ending already needs no cancel.
func (s *Service) cancelFor(ctx context.Context, row store.Schedule, run uuid.UUID) {
	_, err := s.CancelRun(ctx, &runsv1.CancelRunRequest{Name: events.RunName(run), Reason: "the next run of " + scheduleName(row.ID) + " starts"})
	if err != nil && connect.CodeOf(err) != connect.CodeFailedPrecondition {
		s.logger.WarnContext(ctx, "run goes on beside the next one of its schedule", "run", run, "schedule", row.ID, "error", err)
	}
}

// errMoved says that another node, or a change of the schedule, was faster.
var errMoved = errors.New("the schedule has moved")

// startAt starts the run of a time and moves the schedule, in one transaction. A run that is refused for good (its process
// is gone, the input does not fit any more, a singleton is open) is a time passed over.
func (s *Service) startAt(ctx context.Context, row store.Schedule, at time.Time, next, buffered *time.Time) error {
	a, err := s.acceptanceOf(ctx, row, at)
	if err == nil {
		a.also = func(tx pgx.Tx, _ uuid.UUID, _ bool) error { return moveLocked(ctx, tx, row, next, buffered, 0) }
		_, err = s.accept(ctx, a)
	}
	switch connect.CodeOf(err) {
	case connect.CodeInvalidArgument, connect.CodeNotFound, connect.CodeFailedPrecondition:
		s.logger.WarnContext(ctx, "the run of a schedule is refused", "schedule", row.ID, "organisation", row.OrganisationID, "time", at, "error", err)
		return s.move(ctx, row, next, buffered, 1)
	}
	if errors.Is(err, errMoved) {
		return nil
	}
	return err
}

// acceptanceOf is the run of one of a schedule's times; however often it is asked for, it is one run.
func (s *Service) acceptanceOf(ctx context.Context, row store.Schedule, at time.Time) (acceptance, error) {
	e, err := s.catalogue.get(row.Process)
	if err != nil {
		return acceptance{}, err
	}
	input := e.Input.ProtoReflect().New().Interface()
	if err := (protojson.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(row.Input, input); err != nil {
		return acceptance{}, rpc.Invalid("schedule.input", "does not fit the process any more: %s", plain(err))
	}
	a := acceptance{
		method: "StartRun", process: e, input: input, actor: auth.From(ctx).Actor, schedule: row.ID, title: row.Title, anyInput: true,
		key: fmt.Sprintf("schedules/%s/%s", row.Uid, at.UTC().Format(time.RFC3339)),
	}
	return a, rpc.Valid("schedule.input", input)
}

// move is moveLocked in a transaction of its own.
func (s *Service) move(ctx context.Context, row store.Schedule, next, buffered *time.Time, passed int64) error {
	err := s.db.Tx(ctx, row.OrganisationID, func(tx pgx.Tx) error { return moveLocked(ctx, tx, row, next, buffered, passed) })
	if errors.Is(err, errMoved) {
		return nil
	}
	return err
}

// moveLocked moves a schedule that still is as it was read.
func moveLocked(ctx context.Context, tx pgx.Tx, row store.Schedule, next, buffered *time.Time, passed int64) error {
	now, err := queries.LockSchedule(ctx, tx, row.ID)
	if errors.Is(err, pgx.ErrNoRows) {
		return errMoved
	}
	if err != nil {
		return err
	}
	if now.Uid != row.Uid || !now.UpdatedAt.Equal(row.UpdatedAt) || !same(now.NextAt, row.NextAt) || !same(now.BufferedAt, row.BufferedAt) {
		return errMoved
	}
	return queries.MoveSchedule(ctx, tx, store.MoveScheduleParams{Uid: row.Uid, NextAt: next, BufferedAt: buffered, Passed: passed})
}

func same(a, b *time.Time) bool { return a == nil && b == nil || a != nil && b != nil && a.Equal(*b) }

// TriggerSchedule starts a run now, beside the plan, in the name of who asks.
func (s *Service) TriggerSchedule(ctx context.Context, req *runsv1.TriggerScheduleRequest) (*runsv1.Run, error) {
	a, err := s.beside(ctx, req.GetName(), s.now())
	if err != nil {
		return nil, err
	}
	a.method, a.reason, a.key = "TriggerSchedule", req.GetReason(), rpc.IdempotencyKey(ctx)
	id, err := s.accept(ctx, a)
	if err != nil {
		return nil, err
	}
	return s.run(ctx, id)
}

// beside is a run of a schedule that a person asks for, who may start the process.
func (s *Service) beside(ctx context.Context, name string, at time.Time) (a acceptance, err error) {
	row, err := s.scheduleFor(ctx, name)
	if err != nil {
		return a, err
	}
	return s.acceptanceOf(ctx, row, at)
}

// scheduleFor reads a schedule whose process the caller may start.
func (s *Service) scheduleFor(ctx context.Context, name string) (row store.Schedule, err error) {
	err = s.tx(ctx, func(tx pgx.Tx) (err error) {
		if err := s.ensureOwn(ctx, tx); err != nil {
			return err
		}
		row, err = scheduleRow(ctx, tx, name, queries.GetSchedule)
		return err
	})
	if err != nil {
		return row, err
	}
	e, err := s.catalogue.get(row.Process)
	if err != nil {
		return row, err
	}
	return row, mayRun(ctx, e)
}

// BackfillSchedule starts the runs of times past, in the name of who asks; times that were started are not started again.
// Overlap is not judged: a process that must not run beside itself has a limit.
func (s *Service) BackfillSchedule(ctx context.Context, req *runsv1.BackfillScheduleRequest) (*runsv1.BackfillScheduleResponse, error) {
	row, err := s.scheduleFor(ctx, req.GetName())
	if err != nil {
		return nil, err
	}
	from, until, now := req.GetFrom().AsTime(), req.GetUntil().AsTime(), s.now()
	switch {
	case from.Before(time.Unix(0, 0)):
		return nil, rpc.Invalid("from", "is before 1970; only times since then can be made up for")
	case !from.Before(until):
		return nil, rpc.Invalid("until", "must be after from")
	case until.After(now):
		return nil, rpc.Invalid("until", "is in the future; only times past can be made up for")
	}
	p, fault := newPlan(row.Cron, row.TimeZone, from)
	if fault != nil {
		return nil, rpc.Precondition("NEVER_FIRES", "%s %s", fault.field, fault.text)
	}
	times := p.times(from, until, maxBackfill)
	if len(times) > maxBackfill {
		return nil, rpc.Invalid("until", "more than %d times lie between; ask for fewer at once", maxBackfill)
	}
	e, err := s.catalogue.get(row.Process)
	switch {
	case err != nil:
		return nil, err
	case e.Singleton && len(times) > 1:
		return nil, rpc.Precondition("SINGLETON",
			"%s has one run at a time, and %d times lie between; make up for one of them, or trigger the schedule", row.Process, len(times))
	}
	res := &runsv1.BackfillScheduleResponse{}
	switch answered, err := s.beginBackfill(ctx, req, res); {
	case err != nil:
		return nil, err
	case answered:
		return res, nil
	}
	res.Runs = make([]string, len(times))
	faults := make([]error, len(times))
	var group sync.WaitGroup
	slots := make(chan struct{}, backfills)
	for i, at := range times {
		group.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			a, err := s.acceptanceOf(ctx, row, at)
			if err == nil {
				a.method, a.reason = "BackfillSchedule", req.GetReason()
				var id uuid.UUID
				id, err = s.accept(ctx, a)
				res.Runs[i] = events.RunName(id)
			}
			faults[i] = err
		})
	}
	group.Wait()
	for _, err := range faults { // the first tells enough; another call goes on where this one stopped
		if err != nil {
			return nil, err
		}
	}
	answer := &runsv1.BackfillScheduleResponse{}
	err = s.tx(ctx, func(tx pgx.Tx) error {
		return once(ctx, tx, "BackfillSchedule", req, answer, func() (*runsv1.BackfillScheduleResponse, error) { return res, nil })
	})
	if err != nil {
		return nil, err
	}
	return answer, nil
}

// beginBackfill gives the answer that was kept under the call's key. Without one it keeps what the key is for: its runs are
// started in transactions of their own, and a repeated call goes on where the first was lost.
func (s *Service) beginBackfill(ctx context.Context, req *runsv1.BackfillScheduleRequest, res *runsv1.BackfillScheduleResponse) (answered bool, err error) {
	const method = "BackfillSchedule"
	key := rpc.IdempotencyKey(ctx)
	err = s.tx(ctx, func(tx pgx.Tx) (err error) {
		if answered, err = postgres.Answered(ctx, tx, "runs", method, key, req, res); err != nil || answered {
			return err
		}
		return postgres.Once(ctx, tx, "runs", method+" begun", key, req, &emptypb.Empty{}, func() error { return nil })
	})
	return answered, err
}
