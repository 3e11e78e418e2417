// Package userbulk changes many people at once: invites them, disables or enables them, gives or takes a role.
//
//	plan      who is meant, by a file or a filter, in batches    undo: what was done is taken back
//	confirm   only for many people: somebody else agrees
//	apply     batch by batch; invitations are mailed with their batch; a pause takes effect between batches
//	finish    the sum, and the list of failures; of a dry run the list of everybody
//	list      that list is kept as a file, if there is one
//
// The run does what its starter may do at that moment, never touches the starter, and never takes the last administrator.
// What can't be done for somebody is a line of the list, never the end of the run. A cancel asks: keep, or undo where
// nobody has changed it since.
package userbulk
