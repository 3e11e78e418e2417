package runs

import (
	"testing"
	"time"
)

// Lines that look like plans: fields that are missing, too many, out of range or backwards, days that no month has.
func TestPlansThatAreNone(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ name, cron, zone, field string }{
		{"empty", "", "", "cron"},
		{"four fields", "0 7 * *", "", "cron"},
		{"six fields", "0 0 7 * * *", "", "cron"},
		{"a field without value", "0 , * * *", "", "cron"},
		{"a minute too many", "60 * * * *", "", "cron"},
		{"no such hour", "0 24 * * *", "", "cron"},
		{"day 0", "0 0 0 * *", "", "cron"},
		{"month 13", "0 0 1 13 *", "", "cron"},
		{"no such weekday", "0 0 * * 9", "", "cron"},
		{"a step of nothing", "*/0 * * * *", "", "cron"},
		{"a range that goes round and round", "0 22-20/0 * * *", "", "cron"},
		{"30 February", "0 0 30 2 *", "", "cron"},
		{"day 31 of short months", "0 0 31 2,4,6,9,11 *", "", "cron"},
		{"every second", "@every 1s", "", "cron"},
		{"at start", "@reboot", "", "cron"},
		{"its own zone", "TZ=UTC 0 7 * * *", "", "cron"},
		{"its own zone, five fields", "CRON_TZ=UTC 7 * * *", "", "cron"},
		{"an unknown zone", "0 7 * * *", "Europe/Atlantis", "timeZone"},
		{"the machine's zone", "0 7 * * *", "Local", "timeZone"},
		{"a path as zone", "0 7 * * *", "../../etc/passwd", "timeZone"},
		{"an offset as zone", "0 7 * * *", "+02:00", "timeZone"},
	} {
		_, fault := newPlan(tc.cron, tc.zone, time.Unix(1_790_000_000, 0))
		if fault == nil || fault.field != tc.field || fault.text == "" {
			t.Errorf("%s: %v", tc.name, fault)
		}
	}
}
