// Package rpc is how rooms talk: one vocabulary of errors, one chain of interceptors, one client.
//
//	errors.go     the error constructors; every error a room returns is made here
//	handler.go    the chain in front of every handler: recover, trace, metrics, errors, authentication, rules
//	valid.go      the rules that doors write beside their fields, and what to say when one is broken
//	idempotency.go  the Idempotency-Key of a call
//	client.go     HTTP clients between roles, and the in-memory transport when both ends share a process
package rpc
