package process

import (
	"fmt"
	"time"

	"go.temporal.io/sdk/workflow"
)

// UndoPatience is the setting, known to every process, of how long an undo is tried before a person is asked.
const UndoPatience = "undo-patience"

// kitSettings are those that every process has.
var kitSettings = map[string]time.Duration{UndoPatience: time.Hour}

// SettingDefault returns what a setting is unless an operator changed it; false if there is no such setting.
func (d Definition) SettingDefault(name string) (time.Duration, bool) {
	if value, ok := d.Settings[name]; ok {
		return value, true
	}
	value, ok := kitSettings[name]
	return value, ok
}

// settingsMemo is the memo key under which the runs service hands changed settings to a run; they hold for its life.
const settingsMemo = "mshub-settings"

// SettingsMemo is the memo with which a run starts under settings that an operator changed.
func SettingsMemo(settings map[string]time.Duration) map[string]any {
	return map[string]any{settingsMemo: settings}
}

// Setting returns a duration of Definition.Settings as it was when the run started. An undeclared name is a bug of the
// process and panics at its first test.
func Setting(ctx workflow.Context, name string) time.Duration {
	f := frameOf(ctx)
	value, declared := f.definition.SettingDefault(name)
	if !declared {
		panic(fmt.Sprintf("process %q: setting %q is not declared", f.definition.Name, name))
	}
	if changed, ok := f.settings[name]; ok {
		return changed
	}
	return value
}
