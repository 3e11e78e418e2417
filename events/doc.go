// Package events is how progress reaches people: journal, wake-up, hub, socket. In reading order:
//
//	v1/event.proto   the vocabulary: Event, Progress, Snapshot
//	kinds.go         the list of kinds, and what each does to a run's state
//	journal.go       Append and Read: (run, seq) in PostgreSQL, gap-free; the truth
//	facts.go         PublishFact, ClaimFacts, UntoldFacts: what happened in a service; it may start a process, and webhooks ask
//	factkinds.go     the list of facts that webhooks can be told of
//	publish.go       Publisher: append, then wake the nodes through Redis; hints
//	interceptor.go   a worker's activities report themselves
//	erase.go         what a journal says about a person is taken out of it
//	hub.go           this node's subscribers: who watches which run, who reads the gap
//	run.go           a run that is watched: each viewer's cursor, one reading of the journal for all that are live
//	hint.go          "look again": at most one a second for a topic
//	wakeups.go       this node's one subscription to Redis
//	topic.go         names of topics, and who may see them
//	client.go        one viewer
//	queue.go         what waits for a viewer, bounded in bytes
//	websocket.go     /live
//	sse.go           /live/events
//	metrics.go       what an operator watches
//
// A change and the event that reports it commit together. Redis only says "look again": whatever it loses, a viewer
// still gets every event once and in order, because a gap in seq is seen and read from the journal, and a check every
// two seconds finds a lost last one.
package events
