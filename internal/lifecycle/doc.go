// Package lifecycle starts what mshub is made of, keeps it alive and takes it down again.
//
//	group.go       Group: units started in order, stopped in reverse, each within its deadline; the first fatal error ends the run
//	child.go       Child: another program, started through a guard so that it can't outlive mshub
//	guard.go       the guard: this executable run once more, holding a pipe to its parent; end of file stops the child
//	supervisor.go  Supervisor: a child started again after it died, with growing pauses, until it dies too often
//	lock.go        Lock: one mshub a data directory; held until the last child has gone
//	health.go      Health: named readiness checks behind /healthz and /readyz
//	tail.go        the last lines a child printed, for the log and for error messages
//
// A program that starts children calls MaybeGuard first thing in main.
//
// How a child dies with its parent, whatever kills the parent:
//
//	mshub ──pipe──> guard ──signals──> child's process group
//	  │ write end closed by Stop, exit, crash or kill -9
//	  └────────────> the guard reads end of file and runs down the list of signals, then SIGKILL
//
// Unlike the kernel's parent death signal this works on macOS, for a child of another user, and whichever thread started it.
package lifecycle
