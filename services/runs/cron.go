package runs

import (
	"fmt"
	"strings"
	"time"
	_ "time/tzdata" // schedules must not depend on what the machine has

	"github.com/netresearch/go-cron"
)

// cronParser reads what crontab reads: five fields, or @hourly, @daily, @weekly, @monthly. If both a day of the month and
// a day of the week are named, either will do.
var cronParser = cron.MustNewParser(cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow | cron.Descriptor | cron.DowOrDom)

// plan is a cron line in a time zone. What falls into the hour that spring leaves out comes an hour later; in the hour that autumn
// repeats, a time of a fixed hour comes once.
type plan struct {
	cron cron.Schedule
	zone *time.Location
	// hourly lines ("*/20 * * * *") run on through a repeated hour.
	hourly bool
}

// fault is what is wrong with a field, in words for people.
type fault struct{ field, text string }

// newPlan reads a plan; now tells whether it ever fires.
func newPlan(line, zone string, now time.Time) (plan, *fault) {
	location, err := time.LoadLocation(zone)
	if err != nil || strings.EqualFold(zone, "local") {
		return plan{}, &fault{"timeZone", fmt.Sprintf("there is no time zone %q; give an IANA name such as Europe/Berlin", zone)}
	}
	fields := strings.Fields(line)
	described := len(fields) == 1 && strings.HasPrefix(line, "@")
	switch {
	case described && line != "@hourly" && line != "@daily" && line != "@weekly" && line != "@monthly":
		return plan{}, &fault{"cron", "is @hourly, @daily, @weekly, @monthly, or five fields"}
	case !described && len(fields) != 5:
		return plan{}, &fault{"cron", fmt.Sprintf("has %d fields; five are expected: minute, hour, day of the month, month, day of the week", len(fields))}
	case strings.Contains(line, "TZ="):
		return plan{}, &fault{"cron", "names a time zone; give it in timeZone"}
	}
	schedule, err := cronParser.Parse(line)
	if err != nil {
		return plan{}, &fault{"cron", "can't be read: " + strings.TrimPrefix(err.Error(), "cron: ")}
	}
	p := plan{cron: schedule, zone: location, hourly: line == "@hourly" || !described && strings.HasPrefix(fields[1], "*")}
	if p.next(now).IsZero() {
		return plan{}, &fault{"cron", "never fires: there is no such day"}
	}
	return p, nil
}

// next is the first time after a moment; zero if there is none within years.
func (p plan) next(after time.Time) time.Time {
	next := p.cron.Next(after.In(p.zone))
	if !p.hourly && !next.IsZero() && repeated(next) {
		return p.next(next)
	}
	return next.UTC()
}

// repeated is true for the second of two moments with the same reading of the clock: zones go back by an hour, or half.
func repeated(t time.Time) bool {
	for _, back := range []time.Duration{30 * time.Minute, time.Hour} {
		if before := t.Add(-back); before.Hour() == t.Hour() && before.Minute() == t.Minute() {
			return true
		}
	}
	return false
}

// times are those in [from, until), at most limit + 1 of them.
func (p plan) times(from, until time.Time, limit int) []time.Time {
	var all []time.Time
	for t := p.next(from.Add(-time.Nanosecond)); !t.IsZero() && t.Before(until) && len(all) <= limit; t = p.next(t) {
		all = append(all, t)
	}
	return all
}

// plannable says whether the process's own schedule, if it has one, can be kept.
func (e entry) plannable() error {
	if e.Schedule.Cron == "" {
		return nil
	}
	if _, fault := newPlan(e.Schedule.Cron, e.Schedule.TimeZone, time.Unix(0, 0)); fault != nil {
		return fmt.Errorf("schedule: %s: %s", fault.field, fault.text)
	}
	if err := validInput(e.Input.ProtoReflect().New().Interface()); err != nil {
		return fmt.Errorf("schedule: it would start with an empty input, which is refused: %w", err)
	}
	return nil
}

func scheduleName(id string) string { return "schedules/" + id }
