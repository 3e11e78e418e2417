package runs

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/microservicehub/mshub/events"
	"github.com/microservicehub/mshub/internal/audit"
	"github.com/microservicehub/mshub/internal/auth"
	"github.com/microservicehub/mshub/internal/postgres"
	"github.com/microservicehub/mshub/internal/rpc"
	"github.com/microservicehub/mshub/services/runs/store"
	runsv1 "github.com/microservicehub/mshub/services/runs/v1"
)

const (
	// nextTimes is how many of its coming times a schedule shows.
	nextTimes = 5
	// maxSchedules of one organisation, beside the processes' own: one node fires those of all organisations.
	maxSchedules = 200
	// catchup is how late a time may be started unless the schedule says otherwise.
	catchup = time.Hour
)

// CreateSchedule keeps a new schedule. Its runs act in the name of who made or last changed it, with the rights that this
// person had then; the process's permission is asked for at each change.
func (s *Service) CreateSchedule(ctx context.Context, req *runsv1.CreateScheduleRequest) (*runsv1.Schedule, error) {
	wanted := req.GetSchedule()
	e, input, p, err := s.checkSchedule(ctx, wanted)
	if err != nil {
		return nil, err
	}
	uid, err := uuid.NewV7()
	if err != nil {
		return nil, err
	}
	caller, now := auth.From(ctx), s.now()
	next := p.next(now)
	out := &runsv1.Schedule{}
	err = s.tx(ctx, func(tx pgx.Tx) error {
		return once(ctx, tx, "CreateSchedule", req, out, func() (*runsv1.Schedule, error) {
			inserted, err := queries.InsertSchedule(ctx, tx, store.InsertScheduleParams{
				Uid: uid, OrganisationID: caller.Organisation, ID: req.GetScheduleId(), Title: wanted.GetTitle(), Process: e.Name, Input: input,
				Cron: wanted.GetCron(), TimeZone: wanted.GetTimeZone(), Overlap: overlapOf(wanted), CatchupSeconds: catchupOf(wanted),
				Actor: caller.Actor, Permissions: append([]string{}, caller.Permissions...), Keepers: append([]string{}, caller.Keepers...),
				CreatedAt: now, NextAt: &next,
			})
			if err != nil {
				return nil, err
			}
			if own := s.catalogue.byName[req.GetScheduleId()].Schedule.Cron != ""; inserted == 0 || own {
				return nil, rpc.AlreadyExists("SCHEDULE_EXISTS", "there is a schedule %q already; choose another id, or change that one", req.GetScheduleId())
			}
			kept, err := queries.CountSchedules(ctx, tx)
			if err != nil {
				return nil, err
			}
			if kept > maxSchedules {
				return nil, rpc.Precondition("TOO_MANY_SCHEDULES", "the organisation has %d schedules; delete one first", maxSchedules)
			}
			row, err := queries.GetSchedule(ctx, tx, req.GetScheduleId())
			if err != nil {
				return nil, err
			}
			err = audit.Append(ctx, tx, audit.Entry{Action: action("CreateSchedule"), Target: scheduleName(row.ID), After: auditable(row)})
			if err != nil {
				return nil, err
			}
			return s.wireSchedule(ctx, tx, row)
		})
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// GetSchedule returns one schedule.
func (s *Service) GetSchedule(ctx context.Context, req *runsv1.GetScheduleRequest) (out *runsv1.Schedule, err error) {
	err = s.tx(ctx, func(tx pgx.Tx) error {
		if err := s.ensureOwn(ctx, tx); err != nil {
			return err
		}
		row, err := scheduleRow(ctx, tx, req.GetName(), queries.GetSchedule)
		if err != nil {
			return err
		}
		out, err = s.wireSchedule(ctx, tx, row)
		return err
	})
	return out, err
}

// ListSchedules returns the organisation's schedules by name.
func (s *Service) ListSchedules(ctx context.Context, req *runsv1.ListSchedulesRequest) (*runsv1.ListSchedulesResponse, error) {
	var after string
	if req.GetPageToken() != "" {
		if err := postgres.DecodePage(req.GetPageToken(), &after); err != nil {
			return nil, err
		}
	}
	size := postgres.PageSize(req.GetPageSize())
	var res *runsv1.ListSchedulesResponse
	err := s.tx(ctx, func(tx pgx.Tx) error {
		res = &runsv1.ListSchedulesResponse{}
		if err := s.ensureOwn(ctx, tx); err != nil {
			return err
		}
		rows, err := queries.ListSchedules(ctx, tx, store.ListSchedulesParams{ID: after, Limit: int32(size + 1)})
		if err != nil {
			return err
		}
		if len(rows) > size {
			rows = rows[:size]
			res.NextPageToken = postgres.EncodePage(rows[size-1].ID)
		}
		for _, row := range rows {
			schedule, err := s.wireSchedule(ctx, tx, row)
			if err != nil {
				return err
			}
			res.Schedules = append(res.Schedules, schedule)
		}
		return nil
	})
	return res, err
}

// UpdateSchedule changes what the mask names, or all that can be changed. Times already passed are not started again. Who
// changes a process's own schedule takes it over; once it is deleted, the process's own is there again.
func (s *Service) UpdateSchedule(ctx context.Context, req *runsv1.UpdateScheduleRequest) (*runsv1.Schedule, error) {
	wanted := req.GetSchedule()
	if wanted == nil {
		return nil, rpc.Invalid("schedule", "is missing")
	}
	return s.changeSchedule(ctx, "UpdateSchedule", wanted.GetName(), "", req, func(tx pgx.Tx, row store.Schedule) (store.Schedule, error) {
		merged, err := s.wireSchedule(ctx, tx, row)
		if err != nil {
			return row, err
		}
		if err := mergeSchedule(merged, wanted, req.GetUpdateMask().GetPaths()); err != nil {
			return row, err
		}
		_, input, p, err := s.checkSchedule(ctx, merged)
		if err != nil {
			return row, err
		}
		caller, now := auth.From(ctx), s.now()
		params := store.UpdateScheduleParams{
			Uid: row.Uid, Title: merged.GetTitle(), Input: input, Cron: merged.GetCron(), TimeZone: merged.GetTimeZone(),
			Overlap: overlapOf(merged), CatchupSeconds: catchupOf(merged), Actor: caller.Actor,
			Permissions: append([]string{}, caller.Permissions...), Keepers: append([]string{}, caller.Keepers...),
			UpdatedAt: now, NextAt: row.NextAt,
		}
		if !row.Paused && (row.Cron != params.Cron || row.TimeZone != params.TimeZone) {
			next := p.next(now)
			params.NextAt = &next
		}
		return queries.UpdateSchedule(ctx, tx, params)
	})
}

// mergeSchedule takes over the fields of a mask; an empty mask is all that can be changed.
func mergeSchedule(into, from *runsv1.Schedule, paths []string) error {
	if len(paths) == 0 {
		paths = []string{"title", "input", "cron", "time_zone", "overlap", "catchup_seconds"}
	}
	for _, path := range paths {
		switch path {
		case "title":
			into.Title = from.GetTitle()
		case "input":
			into.Input = from.GetInput()
		case "cron":
			into.Cron = from.GetCron()
		case "time_zone", "timeZone":
			into.TimeZone = from.GetTimeZone()
		case "overlap":
			into.Overlap = from.GetOverlap()
		case "catchup_seconds", "catchupSeconds":
			into.CatchupSeconds = from.GetCatchupSeconds()
		default:
			return rpc.Invalid("updateMask", "%q can't be changed; title, input, cron, timeZone, overlap and catchupSeconds can", path)
		}
	}
	return nil
}

// PauseSchedule lets times pass until the schedule is resumed.
func (s *Service) PauseSchedule(ctx context.Context, req *runsv1.PauseScheduleRequest) (*runsv1.Schedule, error) {
	return s.changeSchedule(ctx, "PauseSchedule", req.GetName(), req.GetReason(), req, func(tx pgx.Tx, row store.Schedule) (store.Schedule, error) {
		if row.Paused {
			return row, rpc.Precondition("ALREADY_PAUSED", "the schedule is paused already")
		}
		return queries.SetSchedulePaused(ctx, tx, store.SetSchedulePausedParams{Uid: row.Uid, Paused: true, PauseReason: req.GetReason(), UpdatedAt: s.now()})
	})
}

// ResumeSchedule goes on with the next time; those that passed meanwhile are not made up for (BackfillSchedule does that).
func (s *Service) ResumeSchedule(ctx context.Context, req *runsv1.ResumeScheduleRequest) (*runsv1.Schedule, error) {
	return s.changeSchedule(ctx, "ResumeSchedule", req.GetName(), req.GetReason(), req, func(tx pgx.Tx, row store.Schedule) (store.Schedule, error) {
		if !row.Paused {
			return row, rpc.Precondition("NOT_PAUSED", "the schedule is not paused")
		}
		p, fault := newPlan(row.Cron, row.TimeZone, s.now())
		if fault != nil {
			return row, rpc.Precondition("NEVER_FIRES", "%s %s", fault.field, fault.text)
		}
		next := p.next(s.now())
		return queries.SetSchedulePaused(ctx, tx, store.SetSchedulePausedParams{Uid: row.Uid, NextAt: &next, UpdatedAt: s.now()})
	})
}

// DeleteSchedule ends a schedule; its open runs go on.
func (s *Service) DeleteSchedule(ctx context.Context, req *runsv1.DeleteScheduleRequest) (*runsv1.DeleteScheduleResponse, error) {
	_, err := s.changeSchedule(ctx, "DeleteSchedule", req.GetName(), "", req, func(tx pgx.Tx, row store.Schedule) (store.Schedule, error) {
		if strings.HasPrefix(row.Actor, "processes/") {
			return row, rpc.Precondition("OWN_SCHEDULE", "this schedule belongs to the process %s; pause it instead", row.Process)
		}
		return row, queries.DeleteSchedule(ctx, tx, row.Uid)
	})
	if err != nil {
		return nil, err
	}
	return &runsv1.DeleteScheduleResponse{}, nil
}

// changeSchedule locks a schedule whose process the caller may plan, changes it, and writes the audit.
func (s *Service) changeSchedule(
	ctx context.Context, method, name, reason string, req proto.Message, change func(pgx.Tx, store.Schedule) (store.Schedule, error),
) (*runsv1.Schedule, error) {
	out := &runsv1.Schedule{}
	err := s.tx(ctx, func(tx pgx.Tx) error {
		return once(ctx, tx, method, req, out, func() (*runsv1.Schedule, error) {
			if err := s.ensureOwn(ctx, tx); err != nil {
				return nil, err
			}
			before, err := scheduleRow(ctx, tx, name, queries.LockSchedule)
			if err != nil {
				return nil, err
			}
			if e, known := s.catalogue.byName[before.Process]; known {
				if err := mayPlan(ctx, e); err != nil {
					return nil, err
				}
			}
			after, err := change(tx, before)
			if err != nil {
				return nil, err
			}
			entry := audit.Entry{Action: action(method), Target: name, Before: auditable(before), Reason: reason}
			if method != "DeleteSchedule" {
				entry.After = auditable(after)
			}
			if err := audit.Append(ctx, tx, entry); err != nil {
				return nil, err
			}
			return s.wireSchedule(ctx, tx, after)
		})
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// mayPlan asks for the permission of a schedule's process. What comes by itself in every organisation concerns everybody in
// it: when it comes, and whether, is for administrators to say.
func mayPlan(ctx context.Context, e entry) error {
	if e.Schedule.Cron != "" && !slices.Contains(auth.From(ctx).Permissions, "*") {
		return rpc.Denied("OWN_SCHEDULE", "%s has a schedule of its own, which concerns everybody; ask an administrator to change it", e.Name)
	}
	return mayRun(ctx, e)
}

// checkSchedule reads what a schedule is to do: its process, its input as JSON, its times.
func (s *Service) checkSchedule(ctx context.Context, wanted *runsv1.Schedule) (e entry, input []byte, p plan, err error) {
	if err := rpc.Valid("schedule", wanted); err != nil {
		return e, nil, p, err
	}
	if e, err = s.catalogue.get(wanted.GetProcess()); err != nil {
		return e, nil, p, rpc.Invalid("schedule.process", "there is no process %q", wanted.GetProcess())
	}
	if err := mayPlan(ctx, e); err != nil {
		return e, nil, p, err
	}
	p, fault := newPlan(wanted.GetCron(), wanted.GetTimeZone(), s.now())
	if fault != nil {
		return e, nil, p, rpc.Invalid("schedule."+fault.field, "%s", fault.text)
	}
	message, err := decode(e.Input, wanted.GetInput(), "schedule.input")
	if err == nil {
		_, err = inputJSON(message, "schedule.input")
	}
	if err != nil {
		return e, nil, p, err
	}
	if wanted.GetInput() == nil {
		return e, []byte("{}"), p, nil
	}
	input, err = protojson.Marshal(wanted.GetInput()) // as it was written: who compares finds no difference
	return e, input, p, err
}

func overlapOf(s *runsv1.Schedule) string {
	if s.GetOverlap() == runsv1.Schedule_OVERLAP_UNSPECIFIED {
		return runsv1.Schedule_SKIP.String()
	}
	return s.GetOverlap().String()
}

func catchupOf(s *runsv1.Schedule) int64 {
	if s.GetCatchupSeconds() == 0 {
		return int64(catchup / time.Second)
	}
	return s.GetCatchupSeconds()
}

// scheduleRow reads a schedule by its resource name.
func scheduleRow(ctx context.Context, tx pgx.Tx, name string, read func(context.Context, store.DBTX, string) (store.Schedule, error)) (store.Schedule, error) {
	id, ok := strings.CutPrefix(name, "schedules/")
	if !ok {
		return store.Schedule{}, rpc.NotFound("schedule", name)
	}
	row, err := read(ctx, tx, id)
	if errors.Is(err, pgx.ErrNoRows) {
		return row, rpc.NotFound("schedule", name)
	}
	return row, err
}

// auditable is what the audit says of a schedule: all that can be changed, and in whose name it runs. Of the input only the
// SHA-256: it may tell of people, and who forgets them would not look for them here.
func auditable(row store.Schedule) map[string]any {
	return map[string]any{
		"title": row.Title, "process": row.Process, "inputSha256": fmt.Sprintf("%x", sha256.Sum256(row.Input)),
		"cron": row.Cron, "timeZone": row.TimeZone, "overlap": row.Overlap, "catchupSeconds": row.CatchupSeconds,
		"paused": row.Paused, "actor": row.Actor, "permissions": row.Permissions,
	}
}

func (s *Service) wireSchedule(ctx context.Context, tx pgx.Tx, row store.Schedule) (*runsv1.Schedule, error) {
	out := &runsv1.Schedule{
		Name: scheduleName(row.ID), Title: row.Title, Process: row.Process, Cron: row.Cron, TimeZone: row.TimeZone,
		Overlap: runsv1.Schedule_Overlap(runsv1.Schedule_Overlap_value[row.Overlap]), CatchupSeconds: row.CatchupSeconds,
		Paused: row.Paused, PauseReason: row.PauseReason, Actor: row.Actor, Skipped: row.Skipped,
		CreateTime: timestamppb.New(row.CreatedAt), UpdateTime: timestamppb.New(row.UpdatedAt),
	}
	if err := unmarshal(row.Input, &out.Input); err != nil {
		return nil, err
	}
	if p, fault := newPlan(row.Cron, row.TimeZone, s.now()); fault == nil && !row.Paused {
		for t := p.next(s.now()); !t.IsZero() && len(out.GetNextTimes()) < nextTimes; t = p.next(t) {
			out.NextTimes = append(out.NextTimes, timestamppb.New(t))
		}
	}
	recent, err := queries.RecentRuns(ctx, tx, &row.ID)
	for _, id := range recent {
		out.RecentRuns = append(out.RecentRuns, events.RunName(id))
	}
	return out, err
}

// ownProcesses are those with a schedule of their own.
func (s *Service) ownProcesses() []string {
	return slices.DeleteFunc(slices.Clone(s.catalogue.order), func(name string) bool { return s.catalogue.byName[name].Schedule.Cron == "" })
}

// ensureOwn makes the processes' own schedules of the transaction's organisation, so that whoever looks sees them at once.
func (s *Service) ensureOwn(ctx context.Context, tx pgx.Tx) error {
	return s.makeOwn(ctx, tx, []uuid.UUID{auth.From(ctx).Organisation})
}

func (s *Service) makeOwn(ctx context.Context, tx pgx.Tx, organisations []uuid.UUID) error {
	for _, name := range s.ownProcesses() {
		e, now := s.catalogue.byName[name], s.now()
		p, fault := newPlan(e.Schedule.Cron, e.Schedule.TimeZone, now)
		if fault != nil {
			continue // New has checked it
		}
		next := p.next(now)
		permissions := []string{}
		if e.Permission != "" {
			permissions = append(permissions, e.Permission)
		}
		err := queries.KeepOwnSchedules(ctx, tx, store.KeepOwnSchedulesParams{
			Process: name, Title: e.Title, Cron: e.Schedule.Cron, TimeZone: e.Schedule.TimeZone, CatchupSeconds: int64(catchup / time.Second),
			Permissions: permissions, Now: now, NextAt: &next, Organisations: organisations,
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// ownEvery is how often the processes' own schedules are looked after.
const ownEvery = time.Minute

// keepOwn gives every organisation that has runs the processes' own schedules, and takes back those of processes that have
// none any more.
func (s *Service) keepOwn(ctx context.Context) error {
	own := s.ownProcesses()
	return s.db.System(ctx, func(tx pgx.Tx) error {
		if err := queries.DropOwnSchedules(ctx, tx, own); err != nil || len(own) == 0 {
			return err
		}
		organisations, err := queries.ActiveOrganisations(ctx, tx)
		if err != nil {
			return err
		}
		return s.makeOwn(ctx, tx, organisations)
	})
}
