// Package records keeps business data: datasets with a schema and a key, records as documents, and the import that fills
// them from files of any size.
//
//	records.go        Service; records: list, count, get, create, update, delete
//	datasets.go       datasets
//	wire.go           rows and documents -> messages
//	propose.go        ProposeSchema: columns and types from the first bytes of a file
//	plan.go           PlanImport: what is asked for, and the plan that is kept
//	scan.go           source -> scratch blob, cut into chunks
//	fetch.go            the bytes of a signed link, or of an address outside
//	sources.go          which addresses outside may be read; transfers that break off
//	format.go           a file's format: given, found out, checked
//	layout.go           the file's columns against the dataset's, and how their cells are read
//	lookup.go           values of other datasets in the place of cells
//	duplicates.go       keys that stand twice in a file, found in bounded memory
//	chunk.go          ImportChunk: a range of the scratch blob -> documents and rejects, exactly once
//	finish.go         FinishImport: the sum, the rejects file, a replacement's switch, the end of the scratch blob
//	undo.go           AbortImport: what was written is taken back, or kept
//	rejects.go        ListRejects, UpdateReject; rejected rows as a source
//	erase.go          EraseRecords: a person's address gives way to a pseudonym
//	export.go         PlanExport: what is asked for -> ranges of ids; AbortExport
//	exportpart.go     ExportPart: a range -> a scratch blob
//	exportfinish.go   FinishExport: parts -> one file, sent by a signed link
//	housekeeping.go   deleted datasets, old imports, shelves put aside
//	config.go         settings
//
//	schema/    what a dataset says about its records; pure
//	rowsink/   records -> files
//	rowfile/   files -> records of cells
//	store/     PostgreSQL or MongoDB behind one interface
//
// An import is named by the run that calls: its plan, ledger, rejects and scratch blob carry the run's id.
package records
