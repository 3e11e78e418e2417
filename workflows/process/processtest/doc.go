// Package processtest is how processes are tested: in Temporal's test environment, where time skips, with the frame of
// production around the story.
//
//	env.go      Env: fake verbs, commands, decisions and facts at a moment, the outcome
//	runs.go     the runs room, recording
//	saga.go     Saga: the table of a process's undos, step by step
//	replay.go   Replay: recorded histories of every release must still replay
//	record.go   Record: writes such a history from a real server
//
// A verb that a test does not fake is retried in vain and fails its step.
package processtest
