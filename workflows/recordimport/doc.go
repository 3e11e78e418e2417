// Package recordimport brings a file's rows into a dataset.
//
//	file      the file is there; the run takes its name (not for a URL, nor for rejected rows)
//	plan      the records service reads the source once and cuts it into chunks at row borders; a pause breaks that off
//	chunks    each chunk is written with its own ledger row, two at a time; a pause takes effect between them
//	finish    the ledger is summed, a replacement takes its place: from here on nothing is undone
//	rejects   rejected rows, if there were any, become a file; if that can't be, the result says so
//
// Links travel, rows do not: the workflow never sees a row. Who cancels chooses: what was written is undone or kept; so does
// keepOnFailure for a run that fails. A replacement that was not finished leaves the old records either way.
package recordimport
