package process

import (
	"cmp"
	"encoding/json"
	"slices"
	"time"

	"go.temporal.io/sdk/workflow"

	eventsv1 "github.com/microservicehub/mshub/events/v1"
)

// Fact is something that happened in a service on account of this run: an invitation was accepted.
type Fact struct {
	// ID is the same when a fact is told twice.
	ID string `json:"id"`
	// Kind is "identity.invitation.accepted".
	Kind string `json:"kind"`
	// Data is a JSON object, by kind.
	Data json.RawMessage `json:"data,omitempty"`
}

// Wait bounds an AwaitFact.
type Wait struct {
	// Timeout after which the step has timed out; 0 = never.
	Timeout time.Duration
	// Late says in words for people that the time is up; "nothing came in time" if empty.
	Late   string
	Remind Reminder
	// About is what the fact must be about; zero: any of the kind counts.
	About About
}

// About names what a fact is about by a field of its data: {"invitation", "invitations/ID"}. A run that made something anew
// after a reset needs it: a late fact about the old one must not count for the new one.
type About struct{ Field, Name string }

// of is true if a fact is about it.
func (a About) of(fact Fact) bool {
	if a == (About{}) {
		return true
	}
	var data map[string]any
	return json.Unmarshal(fact.Data, &data) == nil && data[a.Field] == a.Name
}

// AwaitFact waits in a declared step until a fact of the kind names this run, and is about what limits say. When none comes in
// time the error's reason is EXPIRED (ReasonOf). A fact that came before it was awaited counts.
func AwaitFact(ctx workflow.Context, step, kind string, limits Wait) (Fact, error) {
	f := frameOf(ctx)
	declared, err := f.enter(ctx, step, Timer)
	if err != nil {
		return Fact{}, err
	}
	if raw, done := f.carry.Results[step]; done {
		var fact Fact
		return fact, json.Unmarshal(raw, &fact)
	}
	awaited := func(fact Fact) bool { return fact.Kind == kind && limits.About.of(fact) }
	come := func() int { return slices.IndexFunc(f.facts, awaited) }
	w := wait{limit: limits.Timeout, remind: limits.Remind}
	f.waiting++ // the line says WAITING
	err = f.record(ctx, &eventsv1.Event{Kind: stepWaiting, Step: step, State: f.stateNow()})
	f.waiting--
	if err != nil {
		return Fact{}, err
	}
	if err := f.await(ctx, declared, w, func() bool { return come() >= 0 }); err != nil {
		return Fact{}, f.failed(ctx, step, 0, err)
	}
	i := come()
	if i < 0 {
		return Fact{}, f.failed(ctx, step, 0, Fail(ReasonExpired, "%s", cmp.Or(limits.Late, "nothing came in time")))
	}
	fact := f.facts[i]
	f.facts = slices.Delete(f.facts, i, i+1)
	if f.carry.Results[step], err = json.Marshal(fact); err != nil {
		return Fact{}, err
	}
	return fact, f.record(ctx, &eventsv1.Event{Kind: stepSucceeded, Step: step, State: f.stateNow()})
}
