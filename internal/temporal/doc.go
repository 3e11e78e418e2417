// Package temporal is the plumbing around Temporal.
//
//	runcontext.go  in whose name a workflow and its activities work, carried in a header
//	devserver.go   the dev server that `mshub up` and the tests keep as a child
package temporal
