// Package process is the kit with which processes are written: an author writes the story, the kit does the rest.
//
//	definition.go  Definition and Step: a process as data, for the start form, the diagram, the workers
//	frame.go       what surrounds each workflow: begin, the author's code, undo, the end of the run
//	control.go     pause, resume, cancel, and the signals that a run waits for
//	park.go        a failed step that waits for an operator: try again, or skip
//	reset.go       going on from an earlier step
//	do.go          Do: a step that calls a service; its undo; calls beside a step
//	each.go        Each: a step of many calls, a bounded number at once
//	try.go         a call with its attempts, and its turn at a system that bears only so many
//	rate.go        such a call: each attempt takes a place of its own in the line
//	task.go        Task: a step that a person decides
//	fact.go        AwaitFact: a step that waits for something to happen elsewhere
//	poll.go        Poll: a step that waits for something that has to be asked for
//	wait.go        deadline, reminders and escalation of both
//	undo.go        the saga: what was done is undone, last first; what can't be undone is put before a person
//	settings.go    durations that an operator may change
//	record.go      the lines of the journal that no activity can write
//	carry.go       what survives continue-as-new
//	errors.go      failures as people and machines read them
//	policy.go      timeouts and retries, each with its reason
//
// A process is one folder with one function, func(workflow.Context, *v1.Input) (*v1.Result, error), that runs work only by
// Do, Each, Task and AwaitFact. Each names a step of the Definition; another name fails the run. Progress, pause, cancel,
// undo, retries, idempotency and the tenant come with it.
//
// A run goes on under the code of its day: what a released process does, in which order, stays for the runs that began
// under it. A change of the order is guarded,
//
//	checked := workflow.GetVersion(ctx, "check", workflow.DefaultVersion, 1) >= 1
//
// asked before the first thing that may wait, kept in a variable, and deleted when no run is older. The kit's own changes
// follow the same rule. Each release leaves histories, testdata/replay_VERSION_NAME.json (processtest.Record), and all of
// them replay in every later build (processtest.Replay).
//
// The package is a leaf: it knows Temporal and the doors, no room. What it tells the runs service goes through the
// activities of that name.
package process
