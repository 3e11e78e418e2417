// Package runbulk gives many runs one command: what an operator does by hand to one, for thousands.
//
//	plan      the runs service keeps which runs the filter names now; this run is never among them
//	apply     batch by batch they are commanded, in the name of who started this run and with that person's rights
//	finish    what came of it is summed; the runs that refused become a list
//	failures  that list is kept, if there is one
//
// A dry run ends after the plan. What was commanded is not undone when this run is cancelled: a resume undoes a pause, and
// nothing undoes a terminate.
package runbulk
