package runs

import (
	"testing"
	"time"
)

// In spring 02:30 does not exist in Berlin, in autumn it comes twice.
func TestPlanInTheHoursThatClocksChange(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, cron, zone, from string
		want                   []string
	}{
		{"left out in spring", "30 2 * * *", "Europe/Berlin", "2026-03-28T00:00:00Z", []string{"2026-03-28T01:30:00Z", "2026-03-29T01:30:00Z", "2026-03-30T00:30:00Z"}},
		{"repeated in autumn", "30 2 * * *", "Europe/Berlin", "2026-10-24T00:00:00Z", []string{"2026-10-24T00:30:00Z", "2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"}},
		{"every half hour in autumn", "*/30 * * * *", "Europe/Berlin", "2026-10-25T00:15:00Z", []string{"2026-10-25T00:30:00Z", "2026-10-25T01:00:00Z", "2026-10-25T01:30:00Z", "2026-10-25T02:00:00Z"}},
		{"half an hour in Lord Howe", "45 1 * * *", "Australia/Lord_Howe", "2026-04-04T00:00:00Z", []string{"2026-04-04T14:45:00Z", "2026-04-05T15:15:00Z"}},
		{"either day", "0 12 13 * 5", "", "2026-02-12T13:00:00Z", []string{"2026-02-13T12:00:00Z", "2026-02-20T12:00:00Z", "2026-02-27T12:00:00Z", "2026-03-06T12:00:00Z", "2026-03-13T12:00:00Z"}},
		{"a leap day", "0 0 29 2 *", "", "2026-01-01T00:00:00Z", []string{"2028-02-29T00:00:00Z", "2032-02-29T00:00:00Z"}},
		{"monthly", "@monthly", "America/New_York", "2026-11-22T00:00:00Z", []string{"2026-12-01T05:00:00Z", "2027-01-01T05:00:00Z"}},
	} {
		from, err := time.Parse(time.RFC3339, tc.from)
		if err != nil {
			t.Fatal(err)
		}
		p, fault := newPlan(tc.cron, tc.zone, from)
		if fault != nil {
			t.Errorf("%s: %v", tc.name, fault)
			continue
		}
		at := from
		for _, want := range tc.want {
			at = p.next(at)
			if got := at.Format(time.RFC3339); got != want {
				t.Errorf("%s: %s, not %s", tc.name, got, want)
			}
		}
	}
}
