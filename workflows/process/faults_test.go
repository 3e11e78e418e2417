package process_test

import (
	"strings"
	"testing"

	"github.com/microservicehub/mshub/workflows/process"
)

// Definitions that could never be run as they say: steps in a circle, schedules that never fire, limits that let nothing start.
func TestDefinitionsThatCannotBe(t *testing.T) {
	t.Parallel()
	step := func(name string, after ...string) process.Step {
		return process.Step{Name: name, Title: name, Kind: process.Activity, After: after}
	}
	for want, change := range map[string]func(*process.Definition){
		`step "a" comes after "b", which is not declared before it`: func(d *process.Definition) { d.Steps = []process.Step{step("a", "b"), step("b", "a")} },
		`step "a" comes after "a", which is not declared before it`: func(d *process.Definition) { d.Steps = []process.Step{step("a", "a")} },
		"a schedule without a cron line never fires":                func(d *process.Definition) { d.Schedule.TimeZone = "Europe/Berlin" },
		`there is no time zone "Europe/Atlantis"`: func(d *process.Definition) {
			d.Schedule = process.Schedule{Cron: "0 7 * * *", TimeZone: "Europe/Atlantis"}
		},
		"a limit of -1 lets no run start":  func(d *process.Definition) { d.Concurrency = -1 },
		"KeyConcurrency needs a Key":       func(d *process.Definition) { d.KeyConcurrency = 1 },
		`Key: the Input has no field "no"`: func(d *process.Definition) { d.Key = "no" },
		"priority 6 is not within 1":       func(d *process.Definition) { d.Priority = 6 },
		`waits for the rate "crm"`:         func(d *process.Definition) { d.Steps[0].Rate = "crm" },
		`rate "crm" needs a name in lower case and more than 0`: func(d *process.Definition) {
			d.Rates = map[string]process.Rate{"crm": {}}
		},
	} {
		d := four
		d.Steps = append([]process.Step{}, four.Steps...)
		change(&d)
		if err := d.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("no word about %q in: %v", want, err)
		}
	}
	if err := four.Validate(); err != nil {
		t.Error(err)
	}
}
