// Package runs keeps the truth about runs and tasks in PostgreSQL; Temporal executes them.
//
//	runs.go       the Service and what it is made of
//	config.go     its settings
//	catalogue.go  the processes, as data handed in by cmd/mshub, with the schemas of their forms
//	input.go      a start form's JSON -> the process's Input; errors name field paths
//	launches.go   which runs Temporal has heard of, noted many at once
//	start.go      a run: its row first, then Temporal
//	read.go       one run, the list, the journal
//	fold.go       the journal folded over the steps that the run was started with
//	control.go    pause, resume, cancel; steer.go the other commands to a run; commands.go says which a caller may give now
//	repeat.go     a command that is repeated gets the first answer
//	tasks.go      the inbox: list, claim, release; delegate.go gives a task to who can decide it
//	decide.go     exactly one decision
//	worker.go     what runs themselves write: their end, the frame's events, their tasks
//	facts.go      facts start processes and wake runs that wait
//	tell.go       ends of runs and new tasks as facts, for webhooks
//	reconcile.go  one leader mends what a crash left half done
//	admission.go  queued runs get slots; limits.go says how many there are
//	schedules.go  when runs start by themselves: kept; cron.go reads times, fire.go starts the runs
//	form.go       what a decision must bring
//	rate.go       lines to outside systems
//	bulk.go       one command to many runs, for workflows/runbulk
//	summary.go    open tasks and failed runs, for workflows/digest
//	subject.go    whom a run concerns; erase.go forgets a person
//	metrics.go    what an operator watches
//	wire.go       rows <-> messages
//	store/        the schema `runs`
//
// The row of a run is committed before Temporal hears of it, and its id is Temporal's workflow id; so a run is accepted
// while Temporal is away, and started once it is back. A task's row decides, not the workflow; so people can decide while
// no worker runs.
package runs
