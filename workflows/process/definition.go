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
	"google.golang.org/protobuf/reflect/protoreflect"
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
	// Priority in the queue, from 1 (first) to 5; 0 = 1, on the batch queue 4. Who starts a run may say another.
	Priority int
	// Key is the JSON name of the Input field that is the business key ("orderNumber"): runs with the same one are limited
	// together, and found together.
	Key string
	// Runs at most open at once: in the installation, of one organisation, with one Key; 0 = no limit. Others wait.
	Concurrency, OrganisationConcurrency, KeyConcurrency int32
	// Singleton refuses a start while a run of the organisation is open.
	Singleton bool
	// Schedule that every organisation gets by itself.
	Schedule Schedule
	// Rates are the outside systems that bear only so many calls, by name; see Step.Rate.
	Rates map[string]Rate
	// OnFailure says what happens when a step has failed for good.
	OnFailure OnFailure
	// Keepable: who cancels may keep what was done. Then only those undos run that say so (Undo.EvenIfKept).
	Keepable bool
	// RetryInput is the JSON name of the Input field that gets "runs/ID" when a completed run is retried: the new run does
	// what the old one left to do. Without it, a completed run can't be retried.
	RetryInput string
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
	// Skippable steps may be left out by an operator when they have failed; optional ones always may.
	Skippable bool
	// Once is for a step whose service knows it by the run alone ("the import of this run"): it can't be done a second
	// time, so no reset goes back before it.
	Once bool
	// Final is for a step that can't be undone once its service has done it: from its start on the run can't be cancelled or
	// reset any more, because nobody knows whether it has happened until it has answered.
	Final bool
	// Interruptible is for a step that may be broken off in the middle of a call and called again from its beginning, because
	// its service keeps nothing before it answers, or finds it again: a pause or a cancel does not wait for the end of a long
	// call. Of a step that was released without it, the runs that began before are called under Uninterrupted.
	Interruptible bool
	// Rate is the name in Definition.Rates of the system that the step calls: each attempt of a call first waits for its turn.
	// On average no more than that come, however often they fail.
	Rate string
	// Timeout bounds one attempt; 0 = a minute. A dead worker is noticed much earlier.
	Timeout time.Duration
}

// Schedule is a time plan: five fields, or @hourly, @daily, @weekly, @monthly; in an IANA time zone, "" = UTC.
type Schedule struct{ Cron, TimeZone string }

// Rate is what a system bears: so many calls a second on average, and Burst at once.
type Rate struct {
	PerSecond float64
	Burst     int
}

// OnFailure is what happens when a step has failed for good: its attempts are used up, or the service said no.
type OnFailure int

const (
	// Compensate gives the failure to the story, which handles it or ends; then what was done is undone.
	Compensate OnFailure = iota
	// Park keeps the run where it is until an operator decides: try the step again, skip it, or cancel. Calls of services
	// park (Do, Each); a task that expires and a fact that does not come are the story's to judge.
	Park
)

// mayBeSkipped is true if an operator may leave the step out once it has failed.
func (s Step) mayBeSkipped() bool { return s.Skippable || s.Optional }

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
	d.validateSteps(fault)
	d.validateFlow(fault)
	want := reflect.FuncOf(
		[]reflect.Type{reflect.TypeFor[workflow.Context](), reflect.TypeOf(d.Input)},
		[]reflect.Type{reflect.TypeOf(d.Result), reflect.TypeFor[error]()}, false)
	if reflect.TypeOf(d.Workflow) != want {
		fault("Workflow must be %s, not %T", want, d.Workflow)
	}
	return errors.Join(faults...)
}

func (d Definition) validateSteps(fault func(string, ...any)) {
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
		if _, declared := d.Rates[s.Rate]; s.Rate != "" && !declared {
			fault("step %q waits for the rate %q, which is not in Rates", s.Name, s.Rate)
		}
		seen[s.Name] = true
	}
}

func (d Definition) validateFlow(fault func(string, ...any)) {
	for name, rate := range d.Rates {
		if !nameForm.MatchString(name) || rate.PerSecond <= 0 || rate.Burst < 0 {
			fault("rate %q needs a name in lower case and more than 0 calls a second", name)
		}
	}
	for _, limit := range []int32{d.Concurrency, d.OrganisationConcurrency, d.KeyConcurrency} {
		if limit < 0 {
			fault("a limit of %d lets no run start; 0 means no limit", limit)
		}
	}
	if d.KeyConcurrency > 0 && d.Key == "" {
		fault("KeyConcurrency needs a Key")
	}
	if d.Priority < 0 || d.Priority > 5 {
		fault("priority %d is not within 1 (first) and 5", d.Priority)
	}
	fields := d.Input.ProtoReflect().Descriptor().Fields()
	if d.Key != "" && fields.ByJSONName(d.Key) == nil {
		fault("Key: the Input has no field %q", d.Key)
	}
	if field := fields.ByJSONName(d.RetryInput); d.RetryInput != "" && (field == nil || field.Kind() != protoreflect.StringKind || field.IsList()) {
		fault("RetryInput: the Input has no text field %q", d.RetryInput)
	}
	if d.Schedule.Cron == "" && d.Schedule.TimeZone != "" {
		fault("a schedule without a cron line never fires")
	}
	if _, err := time.LoadLocation(d.Schedule.TimeZone); err != nil {
		fault("there is no time zone %q", d.Schedule.TimeZone)
	}
	for name := range kitSettings {
		if _, taken := d.Settings[name]; taken {
			fault("the setting %q is the kit's own", name)
		}
	}
}

// Register makes a worker of the queue able to run the definitions that belong to it.
func Register(registry worker.WorkflowRegistry, queue string, definitions []Definition) {
	for _, d := range definitions {
		if d.TaskQueue() == queue {
			registry.RegisterWorkflowWithOptions(d.Workflow, workflow.RegisterOptions{Name: d.Name})
		}
	}
}
