package activities

import (
	"context"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"

	runcontext "github.com/microservicehub/mshub/internal/temporal"
)

// interruptBeat is how often an interruptible call asks whether it is still wanted.
const interruptBeat = time.Second

// alive beats for an activity until stop is called, and returns the context that it works under: that of the attempt, but
// deaf to the run's cancel. An attempt under way is finished, because only its answer tells whether there is something to
// undo; its timeout, the worker's stop, and a run that is gone end it all the same. An interruptible call hears a cancel,
// within a second or two.
func alive(ctx context.Context) (working context.Context, stop func()) {
	info := activity.GetInfo(ctx)
	if info.IsLocalActivity {
		return ctx, func() {}
	}
	if run, _ := runcontext.RunFrom(ctx); run.Interruptible {
		return ctx, every(interruptBeat, func() { activity.RecordHeartbeat(ctx) })
	}
	working, cancel := context.WithDeadline(context.WithoutCancel(ctx), info.Deadline)
	unwatch := context.AfterFunc(ctx, func() {
		if !temporal.IsCanceledError(context.Cause(ctx)) {
			cancel()
		}
	})
	unbeat := func() {}
	if info.HeartbeatTimeout > 0 {
		unbeat = every(info.HeartbeatTimeout/3, func() { activity.RecordHeartbeat(ctx) })
	}
	return working, func() {
		unbeat()
		unwatch()
		cancel()
	}
}

// every calls f again and again until stop; an activity shorter than the interval costs no more than a timer.
func every(interval time.Duration, f func()) (stop func()) {
	stopped := make(chan struct{})
	var timer *time.Timer
	armed := make(chan struct{})
	timer = time.AfterFunc(interval, func() {
		<-armed
		f()
		select {
		case <-stopped:
		default:
			timer.Reset(interval)
		}
	})
	close(armed)
	return func() {
		close(stopped)
		timer.Stop()
	}
}
