package process

import (
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"time"

	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
	"google.golang.org/protobuf/proto"
)

// The task queues of the house. Batch work has its own, so that an import never keeps a person waiting.
const (
	QueueDefault = "mshub"
	QueueBatch   = "mshub-batch"
)

// Definition is a process as data. Registered names are the folder's name: renaming one breaks running histories.
type Definition struct {
	// Name is the folder's: "recordimport".
	Name string
	// Title and Description are for people.
	Title, Description string
	// Input and Result are empty messages of the process's door; the start form is drawn from Input.
	Input, Result proto.Message
	// Steps in the order of the story. The run keeps a snapshot, so old runs are drawn as they were.
	Steps []Step
	// StartOn is the kind of fact that starts the process, if any ("identity.user.signed_up"). The fact's data becomes the
	// Input; fields that Input does not know are ignored.
	StartOn string
	// Permission is needed beside runs.write, to start a run and to command one; empty = nothing more.
	Permission string
	// Queue is QueueDefault if empty.
	Queue string
	// Settings are the durations that an operator may change, with their defaults; see Setting.
	Settings map[string]time.Duration
	// Workflow is func(workflow.Context, *Input) (*Result, error).
	Workflow any
}

// Step is one box of the diagram.
type Step struct {
	// Name is what Do, Each, Task and AwaitFact are called with.
	Name string
	// Title is for people: "Send the invitation".
	Title string
	Kind  Kind
	// After names the steps before it; empty = the one declared before.
	After []string
	// Optional steps may be left out by the story.
	Optional bool
	// Timeout bounds one attempt; 0 = a minute. A dead worker is noticed much earlier.
	Timeout time.Duration
}

// Kind says what a step is.
type Kind int

// The kinds of steps.
const (
	// Activity is one call of a service: Do.
	Activity Kind = iota + 1
	// Human is a task that a person decides: Task.
	Human
	// Timer waits for time or for a fact: AwaitFact.
	Timer
	// Many is many calls of one kind: Each.
	Many
	// Child is another process.
	Child
)

// TaskQueue returns the queue whose workers run the process.
func (d Definition) TaskQueue() string {
	if d.Queue == "" {
		return QueueDefault
	}
	return d.Queue
}

func (d Definition) step(name string) (Step, bool) {
	i := slices.IndexFunc(d.Steps, func(s Step) bool { return s.Name == name })
	if i < 0 {
		return Step{}, false
	}
	return d.Steps[i], true
}

var nameForm = regexp.MustCompile(`^[a-z][a-z0-9-]{0,49}$`)

// Validate reports every fault of the definition.
func (d Definition) Validate() error {
	var faults []error
	fault := func(format string, args ...any) {
		faults = append(faults, fmt.Errorf("process %q: %s", d.Name, fmt.Sprintf(format, args...)))
	}
	if !nameForm.MatchString(d.Name) {
		fault("the name must be lower case letters, digits and hyphens")
	}
	if d.Title == "" || d.Input == nil || d.Result == nil || len(d.Steps) == 0 {
		fault("Title, Input, Result and Steps are required")
		return errors.Join(faults...)
	}
	seen := map[string]bool{}
	for _, s := range d.Steps {
		switch {
		case !nameForm.MatchString(s.Name) || s.Title == "" || s.Kind == 0:
			fault("step %q needs a name in lower case, a title and a kind", s.Name)
		case seen[s.Name]:
			fault("step %q is declared twice", s.Name)
		}
		for _, before := range s.After {
			if !seen[before] {
				fault("step %q comes after %q, which is not declared before it", s.Name, before)
			}
		}
		seen[s.Name] = true
	}
	want := reflect.FuncOf(
		[]reflect.Type{reflect.TypeFor[workflow.Context](), reflect.TypeOf(d.Input)},
		[]reflect.Type{reflect.TypeOf(d.Result), reflect.TypeFor[error]()}, false)
	if reflect.TypeOf(d.Workflow) != want {
		fault("Workflow must be %s, not %T", want, d.Workflow)
	}
	return errors.Join(faults...)
}

// Register makes a worker of the queue able to run the definitions that belong to it.
func Register(registry worker.WorkflowRegistry, queue string, definitions []Definition) {
	for _, d := range definitions {
		if d.TaskQueue() == queue {
			registry.RegisterWorkflowWithOptions(d.Workflow, workflow.RegisterOptions{Name: d.Name})
		}
	}
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
	value, declared := f.definition.Settings[name]
	if !declared {
		panic(fmt.Sprintf("process %q: setting %q is not declared", f.definition.Name, name))
	}
	if changed, ok := f.settings[name]; ok {
		return changed
	}
	return value
}
