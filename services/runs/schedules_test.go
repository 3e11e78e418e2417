package runs_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"google.golang.org/protobuf/types/known/fieldmaskpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/microservicehub/mshub/internal/rpc"
	"github.com/microservicehub/mshub/services/runs"
	runsv1 "github.com/microservicehub/mshub/services/runs/v1"
	"github.com/microservicehub/mshub/services/runs/v1/runsv1connect"
)

func (c *clock) set(now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = now
}

// planned is a house whose schedules live in a time of the test's.
func planned(t *testing.T, now time.Time, on func(context.Context, string) error) (*house, *clock, runsv1connect.RunsServiceClient) {
	h := newHouse(t, on)
	c := &clock{now: now}
	path, handler := runsv1connect.NewRunsServiceHandler(h.newService(c.Now), h.issuer.Options()...)
	h.url = h.serve(path, handler)
	return h, c, h.as(h.admin())
}

func nightly(t *testing.T) *runsv1.Schedule {
	return &runsv1.Schedule{Title: "Every hour", Process: "three", Input: input(t, ada), Cron: "0 * * * *", TimeZone: "Europe/Berlin"}
}

// starts are the runs that a schedule has started, by now.
func (h *house) starts() (n int) {
	h.system(func(tx pgx.Tx) error {
		return tx.QueryRow(h.t.Context(), "SELECT count(*) FROM runs.run WHERE schedule = 'nightly'").Scan(&n)
	})
	return n
}

// lead runs the reconciler of a service until the condition holds, then kills it: the next one is another node.
func (h *house) lead(s *runs.Service, ok func() bool) {
	h.t.Helper()
	ctx, stop := context.WithCancel(h.t.Context())
	done := make(chan error)
	go func() { done <- s.Run(ctx) }()
	eventually(h.t, func() (bool, string) { return ok(), "the schedule has not fired" })
	stop()
	<-done
}

func TestScheduleFiresEachTimeOnce(t *testing.T) {
	t.Parallel()
	noon := time.Date(2026, 3, 2, 11, 30, 0, 0, time.UTC)
	h, now, c := planned(t, noon, nil)
	made, err := c.CreateSchedule(t.Context(), &runsv1.CreateScheduleRequest{ScheduleId: "nightly", Schedule: nightly(t)})
	if err != nil {
		t.Fatal(err)
	}
	if made.GetOverlap() != runsv1.Schedule_SKIP || made.GetCatchupSeconds() != 3600 || len(made.GetNextTimes()) != 5 || !made.GetNextTimes()[0].AsTime().Equal(noon.Add(30*time.Minute)) {
		t.Errorf("made: %s", made)
	}
	now.set(noon.Add(31 * time.Minute))
	h.lead(h.newService(now.Now), func() bool { return h.starts() == 1 })
	// Another node, at the same time: nothing more. Then the house is away for hours: the last hour is made up for.
	get := func() *runsv1.Schedule {
		s, err := c.GetSchedule(t.Context(), &runsv1.GetScheduleRequest{Name: made.GetName()})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	run := until(t, c, get().GetRecentRuns()[0], "completed", inState(runsv1.Run_COMPLETED))
	if run.GetSchedule() != "schedules/nightly" || run.GetActor() != made.GetActor() {
		t.Errorf("run: %s", run)
	}
	now.set(noon.Add(6*time.Hour + 10*time.Minute)) // 13:00 to 17:00 have passed; 17:00 within the hour
	h.lead(h.newService(now.Now), func() bool { return h.starts() == 2 && get().GetSkipped() == 4 })

	// A crash after the commit of run and move would repeat nothing; had only the run been committed, its key would hold.
	h.system(func(tx pgx.Tx) error {
		_, err := tx.Exec(t.Context(), "UPDATE runs.schedule SET next_at = $1 WHERE id = 'nightly'", noon.Add(5*time.Hour+30*time.Minute))
		return err
	})
	until(t, c, get().GetRecentRuns()[0], "completed", inState(runsv1.Run_COMPLETED))
	h.lead(h.newService(now.Now), func() bool {
		var next time.Time
		h.system(func(tx pgx.Tx) error {
			return tx.QueryRow(t.Context(), "SELECT next_at FROM runs.schedule WHERE id = 'nightly'").Scan(&next)
		})
		return next.Equal(noon.Add(6*time.Hour + 30*time.Minute))
	})
	if n := h.starts(); n != 2 {
		t.Errorf("%d runs", n)
	}
	list, err := c.ListRuns(t.Context(), &runsv1.ListRunsRequest{Filter: `schedule="schedules/nightly"`})
	if err != nil || len(list.GetRuns()) != 2 {
		t.Errorf("list: %v, %v", list, err)
	}
}

func TestScheduleOverlap(t *testing.T) {
	t.Parallel()
	for overlap, want := range map[runsv1.Schedule_Overlap]struct{ started, skipped int }{
		runsv1.Schedule_SKIP:         {1, 2},
		runsv1.Schedule_BUFFER_ONE:   {1, 1},
		runsv1.Schedule_ALLOW:        {3, 0},
		runsv1.Schedule_CANCEL_OTHER: {3, 0},
	} {
		t.Run(overlap.String(), func(t *testing.T) {
			t.Parallel()
			noon := time.Date(2026, 3, 2, 11, 30, 0, 0, time.UTC)
			at := holdAt("one")
			h, now, c := planned(t, noon, at.on)
			schedule := nightly(t)
			schedule.Overlap, schedule.CatchupSeconds = overlap, 86400
			if _, err := c.CreateSchedule(t.Context(), &runsv1.CreateScheduleRequest{ScheduleId: "nightly", Schedule: schedule}); err != nil {
				t.Fatal(err)
			}
			now.set(noon.Add(31 * time.Minute))
			h.lead(h.newService(now.Now), func() bool { return h.starts() == 1 })
			<-at.came
			now.set(noon.Add(3 * time.Hour)) // two more
			state := func() *runsv1.Schedule {
				s, err := c.GetSchedule(t.Context(), &runsv1.GetScheduleRequest{Name: "schedules/nightly"})
				if err != nil {
					t.Fatal(err)
				}
				return s
			}
			h.lead(h.newService(now.Now), func() bool { return h.starts() == want.started && int(state().GetSkipped()) == want.skipped })
			close(at.release)
			if overlap != runsv1.Schedule_BUFFER_ONE {
				return
			}
			until(t, c, state().GetRecentRuns()[0], "completed", inState(runsv1.Run_COMPLETED))
			h.lead(h.newService(now.Now), func() bool { return h.starts() == 2 })
		})
	}
}

func TestScheduleIsSteered(t *testing.T) {
	t.Parallel()
	noon := time.Date(2026, 3, 2, 11, 30, 0, 0, time.UTC)
	h, now, c := planned(t, noon, nil)
	if _, err := c.CreateSchedule(t.Context(), &runsv1.CreateScheduleRequest{ScheduleId: "nightly", Schedule: nightly(t)}); err != nil {
		t.Fatal(err)
	}
	name := "schedules/nightly"
	paused, err := c.PauseSchedule(t.Context(), &runsv1.PauseScheduleRequest{Name: name, Reason: "holiday"})
	if err != nil || !paused.GetPaused() || paused.GetPauseReason() != "holiday" || len(paused.GetNextTimes()) != 0 {
		t.Errorf("paused: %v, %v", paused, err)
	}
	if _, err := c.PauseSchedule(t.Context(), &runsv1.PauseScheduleRequest{Name: name}); rpc.ReasonOf(err) != "ALREADY_PAUSED" {
		t.Errorf("pause twice: %v", err)
	}
	run, err := c.TriggerSchedule(t.Context(), &runsv1.TriggerScheduleRequest{Name: name})
	if err != nil || run.GetSchedule() != name {
		t.Errorf("trigger: %v, %v", run, err)
	}
	now.set(noon.Add(5 * time.Hour))
	resumed, err := c.ResumeSchedule(t.Context(), &runsv1.ResumeScheduleRequest{Name: name})
	if err != nil || !resumed.GetNextTimes()[0].AsTime().Equal(noon.Add(5*time.Hour+30*time.Minute)) {
		t.Errorf("resumed: %v, %v", resumed, err)
	}
	backfill := &runsv1.BackfillScheduleRequest{Name: name, From: timestamppb.New(noon), Until: timestamppb.New(noon.Add(3 * time.Hour))}
	first, err := c.BackfillSchedule(t.Context(), backfill)
	if err != nil || len(first.GetRuns()) != 3 {
		t.Fatalf("backfill: %v, %v", first, err)
	}
	again, err := c.BackfillSchedule(t.Context(), backfill)
	if err != nil || !cmp.Equal(first.GetRuns(), again.GetRuns()) {
		t.Errorf("backfill again: %v, %v", again, err)
	}
	shorter := &runsv1.BackfillScheduleRequest{Name: name, From: backfill.GetFrom(), Until: timestamppb.New(noon.Add(2 * time.Hour))}
	twice(h, "BackfillSchedule", h.keyed(h.admin()).BackfillSchedule, backfill, shorter)()
	changed, err := c.UpdateSchedule(t.Context(), &runsv1.UpdateScheduleRequest{
		Schedule: &runsv1.Schedule{Name: name, Cron: "30 6 * * 1-5", Title: "ignored"}, UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"cron"}},
	})
	if err != nil || changed.GetTitle() != "Every hour" || !changed.GetNextTimes()[0].AsTime().Equal(time.Date(2026, 3, 3, 5, 30, 0, 0, time.UTC)) {
		t.Errorf("changed: %v, %v", changed, err)
	}
	if _, err := c.DeleteSchedule(t.Context(), &runsv1.DeleteScheduleRequest{Name: name}); err != nil {
		t.Error(err)
	}
	if list, err := c.ListSchedules(t.Context(), &runsv1.ListSchedulesRequest{}); err != nil || len(list.GetSchedules()) != 1 || list.GetSchedules()[0].GetName() != "schedules/own" {
		t.Errorf("left: %v, %v", list, err)
	}
	h.stopWorker()
}

func TestAProcessHasItsOwnSchedule(t *testing.T) {
	t.Parallel()
	noon := time.Date(2026, 3, 2, 11, 30, 0, 0, time.UTC)
	h, now, c := planned(t, noon, nil)
	h.begin(c, "three", "Ada") // the organisation is alive
	h.lead(h.newService(now.Now), func() bool {
		n := 0
		h.system(func(tx pgx.Tx) error { return tx.QueryRow(t.Context(), "SELECT count(*) FROM runs.schedule").Scan(&n) })
		return n == 1
	})
	own := "schedules/own"
	if _, err := c.DeleteSchedule(t.Context(), &runsv1.DeleteScheduleRequest{Name: own}); rpc.ReasonOf(err) != "OWN_SCHEDULE" {
		t.Errorf("delete: %v", err)
	}
	now.set(noon.Add(18*time.Hour + 40*time.Minute)) // seven in the morning has just passed
	h.lead(h.newService(now.Now), func() bool {
		list, err := c.ListRuns(t.Context(), &runsv1.ListRunsRequest{Filter: `actor="processes/own"`})
		return err == nil && len(list.GetRuns()) == 1
	})
	taken, err := c.UpdateSchedule(t.Context(), &runsv1.UpdateScheduleRequest{
		Schedule: &runsv1.Schedule{Name: own, Cron: "@weekly"}, UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"cron"}},
	})
	if err != nil || taken.GetActor() == "processes/own" || taken.GetCron() != "@weekly" {
		t.Errorf("taken over: %v, %v", taken, err)
	}
	if _, err := c.DeleteSchedule(t.Context(), &runsv1.DeleteScheduleRequest{Name: own}); err != nil {
		t.Error(err)
	}
	again, err := c.PauseSchedule(t.Context(), &runsv1.PauseScheduleRequest{Name: own})
	if err != nil || again.GetActor() != "processes/own" || again.GetCron() != "0 7 * * *" {
		t.Errorf("the process's own again: %v, %v", again, err)
	}

	// It concerns everybody, so members and operators leave it as it is, and make none beside it.
	operator := h.as(h.user([]string{"operator"}, "runs.*"))
	for command, err := range map[string]error{
		"update": second(operator.UpdateSchedule(t.Context(), &runsv1.UpdateScheduleRequest{Schedule: &runsv1.Schedule{Name: own, Cron: "* * * * *"}})),
		"resume": second(operator.ResumeSchedule(t.Context(), &runsv1.ResumeScheduleRequest{Name: own})),
		"delete": second(operator.DeleteSchedule(t.Context(), &runsv1.DeleteScheduleRequest{Name: own})),
		"create": second(operator.CreateSchedule(t.Context(), &runsv1.CreateScheduleRequest{
			ScheduleId: "often", Schedule: &runsv1.Schedule{Title: "Often", Process: "own", Cron: "* * * * *", TimeZone: "UTC"},
		})),
	} {
		if connect.CodeOf(err) != connect.CodePermissionDenied || rpc.ReasonOf(err) != "OWN_SCHEDULE" {
			t.Errorf("%s: %v", command, err)
		}
	}
}

// One organisation's many schedules delay another's single one by no more than a turn.
func TestOrganisationsTakeTurnsWithSchedules(t *testing.T) {
	t.Parallel()
	noon := time.Date(2026, 3, 2, 11, 30, 0, 0, time.UTC)
	h, now, c := planned(t, noon, nil)
	h.stopWorker() // when the runs begin is all that matters
	if _, err := c.CreateSchedule(t.Context(), &runsv1.CreateScheduleRequest{ScheduleId: "nightly", Schedule: nightly(t)}); err != nil {
		t.Fatal(err)
	}
	const many = 120 // more than one round
	other := uuid.Must(uuid.NewV7())
	h.system(func(tx pgx.Tx) error {
		_, err := tx.Exec(t.Context(), `
			INSERT INTO runs.schedule (uid, organisation_id, id, title, process, input, cron, time_zone, overlap, catchup_seconds, actor, created_at, updated_at, next_at)
			SELECT gen_random_uuid(), CASE i WHEN $1 THEN $2 ELSE organisation_id END, 'n' || i, title, process, input, cron, time_zone, overlap,
			       catchup_seconds, actor, created_at, updated_at, next_at + i * interval '10 milliseconds'
			FROM runs.schedule, generate_series(2, $1) AS i WHERE id = 'nightly'`, many+1, other)
		return err
	})
	now.set(noon.Add(31 * time.Minute))
	count := func(query string, args ...any) (n int) {
		h.system(func(tx pgx.Tx) error { return tx.QueryRow(t.Context(), query, args...).Scan(&n) })
		return n
	}
	h.lead(h.newService(now.Now), func() bool { return count("SELECT count(*) FROM runs.run") == many+1 })
	before := count(`SELECT count(*) FROM runs.run WHERE organisation_id <> $1 AND created_at < (SELECT created_at FROM runs.run WHERE organisation_id = $1)`, other)
	if before != 1 {
		t.Errorf("the single schedule, the last to be due, waited for %d runs of the other organisation", before)
	}
}

// One organisation's schedules are bounded; the processes' own do not count.
func TestSchedulesAreBounded(t *testing.T) {
	t.Parallel()
	h, _, c := planned(t, time.Now(), nil)
	create := func(id string) error {
		return second(c.CreateSchedule(t.Context(), &runsv1.CreateScheduleRequest{ScheduleId: id, Schedule: nightly(t)}))
	}
	if err := create("nightly"); err != nil {
		t.Fatal(err)
	}
	h.system(func(tx pgx.Tx) error {
		_, err := tx.Exec(t.Context(), `
			INSERT INTO runs.schedule (uid, organisation_id, id, title, process, input, cron, time_zone, overlap, catchup_seconds, actor, created_at, updated_at)
			SELECT gen_random_uuid(), organisation_id, 'n' || i, title, process, input, cron, time_zone, overlap, catchup_seconds, actor, created_at, updated_at
			FROM runs.schedule, generate_series(2, 199) AS i WHERE id = 'nightly'`)
		return err
	})
	if list, err := c.ListSchedules(t.Context(), &runsv1.ListSchedulesRequest{PageSize: 1000}); err != nil || len(list.GetSchedules()) != 200 {
		t.Fatalf("%d schedules and the process's own, %v", len(list.GetSchedules())-1, err)
	}
	if err := create("last"); err != nil {
		t.Errorf("the two hundredth: %v", err)
	}
	if err := create("one-more"); rpc.ReasonOf(err) != "TOO_MANY_SCHEDULES" {
		t.Errorf("one more: %v", err)
	}
	if err := create("last"); rpc.ReasonOf(err) != "SCHEDULE_EXISTS" {
		t.Errorf("the same: %v", err)
	}
}

// The audit tells that an input was changed, and in whose name the schedule runs since, but not what the input says.
func TestAuditOfAChangedSchedule(t *testing.T) {
	t.Parallel()
	h, _, c := planned(t, time.Now(), nil)
	made, err := c.CreateSchedule(t.Context(), &runsv1.CreateScheduleRequest{ScheduleId: "nightly", Schedule: nightly(t)})
	if err != nil {
		t.Fatal(err)
	}
	other := h.user([]string{"operator"}, "runs.*")
	changed := &runsv1.Schedule{Name: made.GetName(), Input: input(t, map[string]any{"email": "grace@example.org", "displayName": "Grace", "role": "member"})}
	mask := &fieldmaskpb.FieldMask{Paths: []string{"input"}}
	if _, err := h.as(other).UpdateSchedule(t.Context(), &runsv1.UpdateScheduleRequest{Schedule: changed, UpdateMask: mask}); err != nil {
		t.Fatal(err)
	}
	var before, after map[string]any
	h.system(func(tx pgx.Tx) error {
		return tx.QueryRow(t.Context(), `SELECT d.before, d.after FROM audit.entry e JOIN audit.detail d ON d.organisation_id = e.organisation_id AND d.entry_id = e.id
			WHERE e.action LIKE '%/UpdateSchedule'`).Scan(&before, &after)
	})
	var differs []string
	for key := range after {
		if !cmp.Equal(before[key], after[key]) {
			differs = append(differs, key)
		}
	}
	slices.Sort(differs)
	if !cmp.Equal(differs, []string{"actor", "inputSha256", "permissions"}) || after["actor"] != other.Actor || contains(fmt.Sprint(before, after), "example.org") {
		t.Errorf("from %v to %v", before, after)
	}
}

func TestSchedulesThatAreRefused(t *testing.T) {
	t.Parallel()
	now := time.Now()
	h, _, c := planned(t, now, nil)
	with := func(change func(*runsv1.Schedule)) *runsv1.CreateScheduleRequest {
		s := nightly(t)
		change(s)
		return &runsv1.CreateScheduleRequest{ScheduleId: "nightly", Schedule: s}
	}
	member := h.as(h.user([]string{"member"}, "runs.read", "runs.write"))
	for name, tc := range map[string]struct {
		request *runsv1.CreateScheduleRequest
		client  runsv1connect.RunsServiceClient
		reason  string
		field   string
	}{
		"a day that never comes": {with(func(s *runsv1.Schedule) { s.Cron = "0 0 30 2 *" }), c, "INVALID_FIELD", "schedule.cron"},
		"six fields":             {with(func(s *runsv1.Schedule) { s.Cron = "0 0 0 * * *" }), c, "INVALID_FIELD", "schedule.cron"},
		"no cron line":           {with(func(s *runsv1.Schedule) { s.Cron = "" }), c, "INVALID_FIELD", "schedule.cron"},
		"nonsense":               {with(func(s *runsv1.Schedule) { s.Cron = "a b c d e" }), c, "INVALID_FIELD", "schedule.cron"},
		"every second":           {with(func(s *runsv1.Schedule) { s.Cron = "@every 1s" }), c, "INVALID_FIELD", "schedule.cron"},
		"unknown time zone":      {with(func(s *runsv1.Schedule) { s.TimeZone = "Europe/Atlantis" }), c, "INVALID_FIELD", "schedule.timeZone"},
		"unknown process":        {with(func(s *runsv1.Schedule) { s.Process = "nonsense" }), c, "INVALID_FIELD", "schedule.process"},
		"input that does not fit": {with(func(s *runsv1.Schedule) {
			s.Input = input(t, map[string]any{"email": "ada", "displayName": "A", "role": "r"})
		}), c, "INVALID_FIELD", "schedule.input.email"},
		"a catch-up without an end":   {with(func(s *runsv1.Schedule) { s.CatchupSeconds = 31 * 86400 }), c, "INVALID_FIELD", "schedule.catchupSeconds"},
		"without the process's right": {with(func(s *runsv1.Schedule) { s.Process = "asking" }), member, "MISSING_PERMISSION", ""},
		"an id that a process has":    {&runsv1.CreateScheduleRequest{ScheduleId: "own", Schedule: nightly(t)}, c, "SCHEDULE_EXISTS", ""},
		"an id that is none":          {&runsv1.CreateScheduleRequest{ScheduleId: "Nightly!", Schedule: nightly(t)}, c, "INVALID_FIELD", "scheduleId"},
	} {
		_, err := tc.client.CreateSchedule(t.Context(), tc.request)
		if rpc.ReasonOf(err) != tc.reason || tc.field != "" && !cmp.Equal(rpc.FieldsOf(err), []string{tc.field}) {
			t.Errorf("%s: %v (%v)", name, err, rpc.FieldsOf(err))
		}
	}
	if _, err := c.CreateSchedule(t.Context(), with(func(*runsv1.Schedule) {})); err != nil {
		t.Fatal(err)
	}
	if _, err := c.CreateSchedule(t.Context(), with(func(*runsv1.Schedule) {})); rpc.ReasonOf(err) != "SCHEDULE_EXISTS" {
		t.Errorf("the same id: %v", err)
	}
	for name, request := range map[string]*runsv1.BackfillScheduleRequest{
		"in the future": {From: timestamppb.New(now), Until: timestamppb.New(now.Add(time.Hour))},
		"too many":      {From: timestamppb.New(now.Add(-1002 * time.Hour)), Until: timestamppb.New(now)},
		"backwards":     {From: timestamppb.New(now), Until: timestamppb.New(now.Add(-time.Hour))},
	} {
		request.Name = "schedules/nightly"
		if _, err := c.BackfillSchedule(t.Context(), request); !cmp.Equal(rpc.FieldsOf(err), []string{"until"}) {
			t.Errorf("backfill %s: %v", name, err)
		}
	}
	ages := &runsv1.BackfillScheduleRequest{Name: "schedules/nightly", From: timestamppb.New(time.Time{}), Until: timestamppb.New(now)}
	if _, err := c.BackfillSchedule(t.Context(), ages); !cmp.Equal(rpc.FieldsOf(err), []string{"from"}) {
		t.Errorf("backfill from the first time there is: %v", err)
	}
	alone := with(func(s *runsv1.Schedule) { s.Process = "single" })
	alone.ScheduleId = "alone"
	if _, err := c.CreateSchedule(t.Context(), alone); err != nil {
		t.Fatal(err)
	}
	several := &runsv1.BackfillScheduleRequest{Name: "schedules/alone", From: timestamppb.New(now.AddDate(0, 0, -3)), Until: timestamppb.New(now)}
	if _, err := c.BackfillSchedule(t.Context(), several); rpc.ReasonOf(err) != "SINGLETON" {
		t.Errorf("backfill of what runs alone: %v", err)
	}
	stranger := h.admin()
	stranger.Organisation = uuid.Must(uuid.NewV7())
	if _, err := h.as(stranger).GetSchedule(t.Context(), &runsv1.GetScheduleRequest{Name: "schedules/nightly"}); connect.CodeOf(err) != connect.CodeNotFound {
		t.Errorf("another organisation: %v", err)
	}
	if _, err := h.as(stranger).PauseSchedule(t.Context(), &runsv1.PauseScheduleRequest{Name: "schedules/nightly"}); connect.CodeOf(err) != connect.CodeNotFound {
		t.Errorf("another organisation: %v", err)
	}
}
