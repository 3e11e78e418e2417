package main

import "time"

// sizes are how much each measurement does.
type sizes struct {
	// samples of each figure that takes turns with a peer; imports of flights.csv.gz beside COPY or MongoDB.
	samples int
	// memoryRuns is how often the warm house is started.
	memoryRuns int

	// rows of the generated file, and how wide its text column is; see generate.go.
	rows, width int

	// flightsRows of examples/flights.csv.gz are given to Celery; 0 = all.
	flightsRows int

	// overheadRuns of each sample with 16 starters; overheadAlone one after the other.
	overheadRuns, overheadAlone int

	// startRate of new runs a second, for so long.
	startRate int
	startFor  time.Duration
	// pauses of one import.
	pauses int

	// listed runs, and as many tasks, in PostgreSQL; listCalls of each query in a sample.
	listed, listCalls int

	// tasks whose worker is killed; patience is how long nothing may happen before the rest counts as lost.
	tasks    int
	patience time.Duration
}

// full is what the figures of README.md are measured with.
var full = sizes{
	samples: 5, memoryRuns: 5,
	rows: 1_000_000, width: 20,
	overheadRuns: 500, overheadAlone: 100,
	startRate: 50, startFor: time.Minute, pauses: 5,
	listed: 1_000_000, listCalls: 200,
	tasks: 2_000, patience: 2 * time.Minute,
}

// tiny tries whether a measurement works; what it prints says nothing.
var tiny = sizes{
	samples: 1, memoryRuns: 1,
	rows: 120_000, width: 20, flightsRows: 20_000,
	overheadRuns: 20, overheadAlone: 5,
	startRate: 5, startFor: 4 * time.Second, pauses: 2,
	listed: 5_000, listCalls: 5,
	tasks: 200, patience: 40 * time.Second,
}
