// Package events is how progress reaches people: journal, wake-up, hub, socket. In reading order:
//
//	v1/event.proto   the vocabulary: Event, Progress, Snapshot
//	kinds.go         the list of kinds, and what each does to a run's state
//	journal.go       Append and Read: (run, seq) in PostgreSQL, gap-free; the truth
//	facts.go         PublishFact, ClaimFacts, UntoldFacts: what happened in a service; it may start a process, and webhooks ask
//	factkinds.go     the list of facts that webhooks can be told of
//	publish.go       Publisher: append, then wake the nodes through Redis; hints
//	interceptor.go   a worker's activities report themselves
//	hub.go           this node's subscribers: who watches which run, who reads the gap
//	topic.go         names of topics, and who may see them
//	client.go        one viewer: its queue, bounded in bytes
//	websocket.go     /live
//	sse.go           /live/events
//	metrics.go       what an operator watches
//
// A change and the event that reports it commit together. Redis only says "look again": whatever it loses, a viewer
// still gets every event once and in order, because a gap in seq is seen and read from the journal, and a check every
// two seconds finds a lost last one.
package events
