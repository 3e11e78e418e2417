package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	runsv1 "github.com/microservicehub/mshub/services/runs/v1"
)

// TestApplyFileFaults: what can't be read is told with its line and its field, in words of the file.
func TestApplyFileFaults(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		file string
		want []string
	}{
		"empty":             {"# nothing\n", []string{"is empty", "schedules"}},
		"no YAML":           {"schedules: [\n", []string{"line 1"}},
		"unknown field":     {"schedules:\n  - id: nightly\n    process: digest\n    cron: '@daily'\n    colour: red\n", []string{"line 5", `there is no field "colour"`}},
		"unknown section":   {"roles: []\nplans: []\n", []string{"line 2", `"plans"`}},
		"wrong kind":        {"schedules:\n  - nightly\n", []string{"line 2", "nightly", "does not fit"}},
		"missing fields":    {"schedules:\n  - id: nightly\n    title: Nightly\n", []string{"line 2", "schedules[0] has no process", "schedules[0] has no cron"}},
		"empty field":       {"schedules:\n  - id: nightly\n    process: digest\n    cron:\n", []string{"schedules[0] has no cron"}},
		"missing in a hook": {"webhooks:\n  - title: Chat\n    url: https://chat.example.com\n", []string{"line 2", "webhooks[0] has no events"}},
		"cyclic input":      {"schedules:\n  - id: nightly\n    process: digest\n    cron: '@daily'\n    input: &all\n      again:\n        - *all\n", []string{"line 5", "schedules[0].input.again[0] contains itself"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := parseDesired([]byte(test.file))
			if err == nil {
				t.Fatal("it was taken")
			}
			for _, want := range test.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q does not say %q", err, want)
				}
			}
			if strings.Contains(err.Error(), "main.") {
				t.Errorf("%q speaks of this program's types", err)
			}
		})
	}
}

// TestApplySchedule: a schedule's fields are checked before anything is sent.
func TestApplySchedule(t *testing.T) {
	t.Parallel()
	for field, w := range map[string]desiredSchedule{
		"overlap":  {ID: "nightly", Overlap: "SOMETIMES"},
		"catchup":  {ID: "nightly", Catchup: "long"},
		"input: ":  {ID: "nightly", Input: map[string]any{"at": struct{}{}}},
		"catchup:": {ID: "nightly", Catchup: "3"},
	} {
		if _, err := w.schedule(); err == nil || !strings.HasPrefix(err.Error(), field) {
			t.Errorf("%s: got %v", field, err)
		}
	}
	s, err := (&desiredSchedule{ID: "nightly", Process: "digest", Cron: "@daily", Overlap: "buffer-one", Catchup: "2h"}).schedule()
	if err != nil || s.GetOverlap() != runsv1.Schedule_BUFFER_ONE || s.GetCatchupSeconds() != 7200 {
		t.Errorf("got %v, %v", s, err)
	}
}

// TestApplyScheduleDiff: defaults that the house spells out are no difference; every real one is named.
func TestApplyScheduleDiff(t *testing.T) {
	t.Parallel()
	wanted, err := (&desiredSchedule{ID: "nightly", Title: "Nightly", Process: "digest", Cron: "0 2 * * *"}).schedule()
	if err != nil {
		t.Fatal(err)
	}
	house := &api{}
	same := &runsv1.Schedule{
		Name: "schedules/nightly", Title: "Nightly", Process: "digest", Cron: "0 2 * * *", TimeZone: "UTC", Overlap: runsv1.Schedule_SKIP, CatchupSeconds: 3600,
	}
	if changes := house.updateSchedule(same, wanted); len(changes) != 0 {
		t.Errorf("a difference where there is none: %s", changes[0].line)
	}
	other := &runsv1.Schedule{Name: "schedules/nightly", Title: "Old", Process: "digest", Cron: "0 3 * * *", TimeZone: "Europe/Berlin", Overlap: runsv1.Schedule_ALLOW, CatchupSeconds: 60}
	changes := house.updateSchedule(other, wanted)
	if len(changes) != 1 {
		t.Fatalf("%d changes", len(changes))
	}
	const want = `~ schedule nightly: title "Old" -> "Nightly", cron "0 3 * * *" -> "0 2 * * *", timeZone "Europe/Berlin" -> "UTC", overlap "ALLOW" -> "SKIP", catchup "1m0s" -> "1h0m0s"`
	if diff := cmp.Diff(want, changes[0].line); diff != "" {
		t.Errorf("line (-want +got):\n%s", diff)
	}
}

// TestRunsFilter joins what flags say with what --filter says.
func TestRunsFilter(t *testing.T) {
	t.Parallel()
	for want, f := range map[string]runsFilter{
		"":                                  {},
		`state="RUNNING"`:                   {filter: `state="RUNNING"`},
		`state="QUEUED" AND process="x"`:    {state: "queued", process: "x"},
		`(a=1 OR b=2) AND key="say \"hi\""`: {filter: "a=1 OR b=2", key: `say "hi"`},
	} {
		if got := f.text(); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

// TestCells keeps what stands behind the first equals sign as it is.
func TestCells(t *testing.T) {
	t.Parallel()
	got, err := parseCells([]string{"name=a=b", "note=", "sum=1,5"})
	if diff := cmp.Diff(map[string]string{"name": "a=b", "note": "", "sum": "1,5"}, got); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
	for _, set := range [][]string{nil, {"name"}, {"=x"}} {
		if _, err := parseCells(set); err == nil {
			t.Errorf("%q was taken", set)
		}
	}
}
