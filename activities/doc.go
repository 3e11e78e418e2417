// Package activities is the only way from a workflow to a service: a folder a service, a method a verb, and here what all
// of them share.
//
//	errors.go       an interceptor of the worker: which errors are worth another attempt
//	heartbeat.go    the same interceptor beats for every activity, so that a dead worker is noticed within seconds
//	idempotency.go  an interceptor of the worker's clients: in whose name, and under which idempotency key
//
// Verbs are registered by their bare names, so a name is unique in the house: CreateMembership, not Create.
package activities
