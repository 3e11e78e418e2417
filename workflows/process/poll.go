package process

import (
	"cmp"
	"time"

	"go.temporal.io/sdk/workflow"

	eventsv1 "github.com/microservicehub/mshub/events/v1"
)

// Poll waits in a declared step until ready says so: asked at once, then every so often. What it asks goes beside the step
// (Aside); while it can't be answered, the step waits on. When the time is up first, the error's reason is EXPIRED
// (ReasonOf). What tells by itself that it has happened is better awaited as a fact: AwaitFact.
func Poll(ctx workflow.Context, step string, every time.Duration, limits Wait, ready func(ctx workflow.Context) (bool, error)) error {
	f := frameOf(ctx)
	declared, err := f.enter(ctx, step, Timer)
	if err != nil {
		return err
	}
	if _, done := f.carry.Results[step]; done {
		return nil
	}
	so := false
	look := func(ctx workflow.Context) (err error) {
		so, err = ready(ctx)
		return err
	}
	f.waiting++ // the line says WAITING
	err = f.record(ctx, &eventsv1.Event{Kind: stepWaiting, Step: step, State: f.stateNow()})
	f.waiting--
	if err != nil {
		return err
	}
	if err := look(f.inside(ctx, step, 0, "")); err != nil {
		workflow.GetLogger(ctx).Warn("could not look; it will be tried again", "step", step, "error", err)
	}
	if !so {
		w := wait{limit: limits.Timeout, remind: Reminder{Every: every, Call: look}}
		if err := f.await(ctx, declared, w, func() bool { return so }); err != nil {
			return f.failed(ctx, step, 0, err)
		}
	}
	if !so {
		return f.failed(ctx, step, 0, Fail(ReasonExpired, "%s", cmp.Or(limits.Late, "it did not happen in time")))
	}
	f.carry.Results[step] = []byte("{}")
	return f.record(ctx, &eventsv1.Event{Kind: stepSucceeded, Step: step, State: f.stateNow()})
}
