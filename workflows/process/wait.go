package process

import (
	"time"

	"go.temporal.io/sdk/workflow"
)

// wait is what happens while a step waits for a person or a fact.
type wait struct {
	// limit is how long; 0 = for ever.
	limit  time.Duration
	remind Reminder
	// escalate is called once, after so long; 0 = never.
	escalateAfter time.Duration
	escalate      func()
}

// await waits until ready, the limit (nil error too: look again) or a cancel, and reminds and escalates meanwhile.
func (f *frame) await(ctx workflow.Context, step Step, w wait, ready func() bool) error {
	f.waiting++
	defer func() { f.waiting-- }()
	began := workflow.Now(ctx)
	left := func(after time.Duration) time.Duration { return began.Add(after).Sub(workflow.Now(ctx)) }
	round, remindAt := int32(1), w.remind.Every
	for {
		if w.limit > 0 && left(w.limit) <= 0 {
			return nil
		}
		next := time.Duration(0)
		sooner := func(after time.Duration) {
			if after > 0 && (next == 0 || left(after) < next) {
				next = max(left(after), 1)
			}
		}
		sooner(w.limit)
		sooner(w.escalateAfter)
		if w.remind.Call != nil {
			sooner(remindAt)
		}
		if next == 0 {
			return workflow.Await(ctx, ready)
		}
		if happened, err := workflow.AwaitWithTimeout(ctx, next, ready); err != nil || happened {
			return err
		}
		switch {
		case w.limit > 0 && left(w.limit) <= 0:
			return nil
		case w.escalateAfter > 0 && left(w.escalateAfter) <= 0:
			w.escalateAfter = 0
			w.escalate()
		case w.remind.Call != nil && left(remindAt) <= 0:
			if err := w.remind.Call(f.inside(ctx, step.Name, round, "remind")); err != nil {
				workflow.GetLogger(ctx).Warn("reminder failed", "step", step.Name, "error", err)
			}
			round++
			remindAt = workflow.Now(ctx).Sub(began) + w.remind.Every
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
}
