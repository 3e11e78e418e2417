// Package recordexport writes a dataset's records into a file.
//
//	plan    the records service checks dataset, filter and columns, and divides the dataset into ranges
//	parts   each range is read at one moment and written to scratch space, two at a time; a pause takes effect between them
//	file    a place for the file
//	join    all parts become one file; a pause breaks it off within seconds, and it begins anew
//	keep    the file is checked against its hash and can be downloaded
//
// Links travel, rows do not: the workflow never sees a row. A part that is written stays written, whoever dies, until the
// file is made. When the run is cancelled or fails, scratch space and the place for the file are freed: nothing is left.
//
// A record that exists during the whole export is in the file exactly once. One that is created, changed or deleted
// meanwhile is there as it was when its range was read.
package recordexport
