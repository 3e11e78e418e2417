// Package temporal is the plumbing around Temporal.
//
//	runcontext.go  in whose name a workflow and its activities work, carried in a header
//	dial.go        Dial: a client in the product's namespace
//	devserver.go   the dev server that `mshub up` and the tests keep as a child
//	binary.go      which dev server: configured, on PATH, in the cache, else built from tools/temporal
//	pin.go         a database belongs to the version of the server that made it
//	ports.go       free ports for a child that has to be told them
package temporal
