// Package recordimport brings a file's rows into a dataset.
//
//	file      the file is there; the run takes its name
//	plan      the records service reads it once and cuts it into chunks at row borders
//	chunks    each chunk is written with its own ledger row, two at a time; a pause takes effect between them
//	finish    the ledger is summed; rejected rows become a file
//	rejects   that file is kept, if there were any
//
// Links travel, rows do not: the workflow never sees a row. Rows that are written stay written when the run is cancelled
// or fails; the import's scratch space is freed, and a new run with the same file finds them unchanged.
package recordimport
