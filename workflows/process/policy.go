package process

import (
	"runtime"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
)

const (
	// attemptTimeout bounds one attempt of a step that says nothing else: services answer in milliseconds, a mail server
	// may take seconds.
	attemptTimeout = time.Minute
	// heartbeatTimeout is how long a dead worker's step stays with it. Workers beat by themselves, see package activities.
	heartbeatTimeout = 10 * time.Second
	// heartbeatAtMost is how often a beat is sent: its answer tells an interruptible step that it is to stop.
	heartbeatAtMost = time.Second
	// recordTimeout bounds one attempt of a local activity; they are single transactions.
	recordTimeout = 10 * time.Second
	// recordPatience is longer than any run. If it is not said, the SDK takes the time of one attempt for that of all.
	recordPatience = 10 * 365 * 24 * time.Hour
)

// stepRetries outlast a restart of a service or a fail-over of its database (about ten minutes), then the step has failed.
// What can't succeed by repeating is marked so by package activities and fails at once.
var stepRetries = &temporal.RetryPolicy{
	InitialInterval:    500 * time.Millisecond,
	BackoffCoefficient: 2,
	MaximumInterval:    time.Minute,
	MaximumAttempts:    16,
}

// patientRetries (about a day) are those of calls that can't be left out: tasks, acknowledgements.
var patientRetries = &temporal.RetryPolicy{
	InitialInterval:    500 * time.Millisecond,
	BackoffCoefficient: 2,
	MaximumInterval:    10 * time.Minute,
	MaximumAttempts:    150,
}

// undoRetries are those of an undo, which are spread over about the given time. Attempts are counted, not time: a day
// without workers uses up none.
func undoRetries(patience time.Duration) *temporal.RetryPolicy {
	policy := *patientRetries
	policy.MaximumAttempts = 1
	for wait, spent := policy.InitialInterval, time.Duration(0); spent+wait <= patience; policy.MaximumAttempts++ {
		spent += wait
		wait = min(2*wait, policy.MaximumInterval)
	}
	return &policy
}

// recordRetries never give up: a run whose end can't be written has not ended.
var recordRetries = &temporal.RetryPolicy{
	InitialInterval:    200 * time.Millisecond,
	BackoffCoefficient: 2,
	MaximumInterval:    10 * time.Second,
}

// withActivity prepares a call. A cancelled run waits for the attempt under way, because only its answer tells whether
// there is something to undo.
func withActivity(ctx workflow.Context, timeout time.Duration, retries *temporal.RetryPolicy, summary string) workflow.Context {
	if timeout == 0 {
		timeout = attemptTimeout
	}
	return workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		StartToCloseTimeout: timeout,
		HeartbeatTimeout:    heartbeatTimeout,
		WaitForCancellation: true,
		RetryPolicy:         retries,
		Summary:             summary,
	})
}

// withRecord prepares a local activity: one short transaction in the runs service, without a task of its own.
func withRecord(ctx workflow.Context) workflow.Context {
	return workflow.WithLocalActivityOptions(ctx, workflow.LocalActivityOptions{
		StartToCloseTimeout:    recordTimeout,
		ScheduleToCloseTimeout: recordPatience,
		RetryPolicy:            recordRetries,
	})
}

// WorkerOptions are those of a worker of the queue; interceptors are the caller's to add.
func WorkerOptions(queue string) worker.Options {
	options := worker.Options{
		// Two pollers, the default, leave a burst of short steps waiting for the next poll.
		MaxConcurrentWorkflowTaskPollers: 4,
		MaxConcurrentActivityTaskPollers: 4,
		MaxHeartbeatThrottleInterval:     heartbeatAtMost,
	}
	if queue == QueueBatch {
		// The queue's concurrency is the batch's back-pressure: chunks wait in the queue, not in the database.
		options.MaxConcurrentActivityExecutionSize = 2 * runtime.GOMAXPROCS(0)
	}
	return options
}
