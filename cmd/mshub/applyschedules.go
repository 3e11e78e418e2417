package main

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/fieldmaskpb"
	"google.golang.org/protobuf/types/known/structpb"

	runsv1 "github.com/microservicehub/mshub/services/runs/v1"
)

func (a *api) diffSchedules(ctx context.Context, want *desired) ([]change, error) {
	if len(want.Schedules) == 0 {
		return nil, nil
	}
	have := map[string]*runsv1.Schedule{}
	for token := ""; ; {
		page, err := a.runs.ListSchedules(ctx, &runsv1.ListSchedulesRequest{PageSize: 1000, PageToken: token})
		if err != nil {
			return nil, err
		}
		for _, s := range page.GetSchedules() {
			have[s.GetName()] = s
		}
		if token = page.GetNextPageToken(); token == "" {
			break
		}
	}
	var changes []change
	for _, w := range want.Schedules {
		wanted, err := w.schedule()
		if err != nil {
			return nil, fmt.Errorf("schedules.%s.%w", w.ID, err)
		}
		old := have[wanted.GetName()]
		switch {
		case old == nil:
			changes = append(changes, a.createSchedule(wanted))
		case old.GetProcess() != wanted.GetProcess():
			return nil, fmt.Errorf("schedules.%s.process: is %s and can't be changed; delete the schedule first: mshub schedules delete %s", w.ID, old.GetProcess(), w.ID)
		default:
			changes = append(changes, a.updateSchedule(old, wanted)...)
		}
		if w.Paused != nil && *w.Paused != old.GetPaused() {
			changes = append(changes, a.pauseSchedule(wanted.GetName(), *w.Paused))
		}
	}
	return changes, nil
}

// schedule reads what the file says; its errors begin with the field.
func (w *desiredSchedule) schedule() (*runsv1.Schedule, error) {
	s := &runsv1.Schedule{Name: "schedules/" + w.ID, Title: w.Title, Process: w.Process, Cron: w.Cron, TimeZone: w.TimeZone}
	var err error
	if s.Input, err = structpb.NewStruct(w.Input); err != nil {
		return nil, fmt.Errorf("input: %w", err)
	}
	if s.Overlap, err = overlapPolicy(cmp.Or(w.Overlap, "SKIP")); err != nil {
		return nil, fmt.Errorf("overlap: %w", err)
	}
	if w.Catchup != "" {
		window, err := time.ParseDuration(w.Catchup)
		if err != nil {
			return nil, fmt.Errorf("catchup: %q is no duration such as 2h or 30m", w.Catchup)
		}
		s.CatchupSeconds = int64(window.Seconds())
	}
	return s, nil
}

func (a *api) createSchedule(s *runsv1.Schedule) change {
	id := strings.TrimPrefix(s.GetName(), "schedules/")
	return change{
		line: fmt.Sprintf("+ schedule %s: %s at %s %s", id, s.GetProcess(), s.GetCron(), cmp.Or(s.GetTimeZone(), "UTC")),
		do: func(ctx context.Context) (string, error) {
			_, err := a.runs.CreateSchedule(ctx, &runsv1.CreateScheduleRequest{ScheduleId: id, Schedule: s})
			return "", err
		},
	}
}

// updateSchedule is empty if nothing differs. What the file leaves out is the default, which the house may spell out.
func (a *api) updateSchedule(old, wanted *runsv1.Schedule) []change {
	mask := &fieldmaskpb.FieldMask{}
	var parts []string
	compare := func(field, path, from, to string) {
		if from != to {
			mask.Paths = append(mask.Paths, path)
			parts = append(parts, fmt.Sprintf("%s %q -> %q", field, from, to))
		}
	}
	compare("title", "title", old.GetTitle(), wanted.GetTitle())
	compare("cron", "cron", old.GetCron(), wanted.GetCron())
	compare("timeZone", "time_zone", cmp.Or(old.GetTimeZone(), "UTC"), cmp.Or(wanted.GetTimeZone(), "UTC"))
	compare("overlap", "overlap", cmp.Or(old.GetOverlap(), runsv1.Schedule_SKIP).String(), wanted.GetOverlap().String())
	const hour = 3600
	compare("catchup", "catchup_seconds", seconds(cmp.Or(old.GetCatchupSeconds(), hour)), seconds(cmp.Or(wanted.GetCatchupSeconds(), hour)))
	if !proto.Equal(cmp.Or(old.GetInput(), &structpb.Struct{}), wanted.GetInput()) {
		mask.Paths = append(mask.Paths, "input")
		parts = append(parts, "input")
	}
	if len(parts) == 0 {
		return nil
	}
	return []change{{
		line: fmt.Sprintf("~ schedule %s: %s", strings.TrimPrefix(wanted.GetName(), "schedules/"), strings.Join(parts, ", ")),
		do: func(ctx context.Context) (string, error) {
			_, err := a.runs.UpdateSchedule(ctx, &runsv1.UpdateScheduleRequest{Schedule: wanted, UpdateMask: mask})
			return "", err
		},
	}}
}

func seconds(n int64) string { return (time.Duration(n) * time.Second).String() }

func (a *api) pauseSchedule(name string, paused bool) change {
	id := strings.TrimPrefix(name, "schedules/")
	const reason = "as the apply file says"
	if paused {
		return change{line: "~ schedule " + id + ": paused", do: func(ctx context.Context) (string, error) {
			_, err := a.runs.PauseSchedule(ctx, &runsv1.PauseScheduleRequest{Name: name, Reason: reason})
			return "", err
		}}
	}
	return change{line: "~ schedule " + id + ": resumed", do: func(ctx context.Context) (string, error) {
		_, err := a.runs.ResumeSchedule(ctx, &runsv1.ResumeScheduleRequest{Name: name, Reason: reason})
		return "", err
	}}
}
