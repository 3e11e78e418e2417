// Package audit keeps the trail: who changed what, when, in whose name. Rooms write it through internal/audit in the
// transaction of their change; this room owns the tables, chains the entries, verifies the chain and lets people read.
//
//	audit.go          the door: ListEntries, VerifyChain
//	erasure.go        details by or about a person are deleted, entries stay
//	seal.go           the sealer: one leader chains new entries every second
//	store/migrations  what is chained, what can be erased, and who may touch which
//
// An entry is written unchained, so that a tenant's changes don't wait for one another; the sealer gives it a position
// and a hash over the previous hash and itself. Changing, removing or inserting a sealed entry breaks the chain from
// there on. Personal details lie beside the entry, bound by a salted digest, and can be erased without breaking it.
// An entry can be lost without trace only in the second before it is sealed, or by someone who rewrites the whole table.
package audit
