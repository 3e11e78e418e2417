package process_test

import (
	"testing"
	"time"

	"go.temporal.io/sdk/workflow"

	"github.com/microservicehub/mshub/workflows/process"
	"github.com/microservicehub/mshub/workflows/process/processtest"
)

var waiting = process.Definition{
	Name: "waiting", Title: "Waiting", Input: &text{}, Result: &text{},
	Steps: []process.Step{{Name: "make", Title: "Make", Kind: process.Activity}, {Name: "acceptance", Title: "Acceptance", Kind: process.Timer}},
	Workflow: func(ctx workflow.Context, in *text) (*text, error) {
		if _, err := process.Do(ctx, "make", v.Make1, in); err != nil {
			return nil, err
		}
		limits := process.Wait{Timeout: 24 * time.Hour}
		if in.GetName() != "" {
			limits.About = process.About{Field: "thing", Name: in.GetName()}
		}
		fact, err := process.AwaitFact(ctx, "acceptance", "it.happened", limits)
		return say(string(fact.Data)), err
	},
}

func TestAwaitFact(t *testing.T) {
	t.Parallel()
	tell := func(data ...string) func(*processtest.Env) {
		return func(e *processtest.Env) {
			for i, d := range data {
				e.After(time.Duration(i+1)*time.Hour, func() { e.Fact("it.happened", d) })
			}
		}
	}
	cases := []struct {
		name    string
		about   string
		prepare func(*processtest.Env)
		result  string
		reason  string
	}{
		{"it happens", "", tell(`{"a":1}`), `{"a":1}`, ""},
		{"it happened before", "", func(e *processtest.Env) { e.WhenCalled("Make1", func() { e.Fact("it.happened", `{"a":2}`) }) }, `{"a":2}`, ""},
		{"something else happens", "", func(e *processtest.Env) { e.After(time.Hour, func() { e.Fact("else.happened", `{}`) }) }, "", process.ReasonExpired},
		{"it happens to another, then to this", "things/1", tell(`{"thing":"things/2"}`, `{"thing":"things/1"}`), `{"thing":"things/1"}`, ""},
		{"it happens to others alone", "things/1", tell(`{"thing":"things/2"}`, `{"other":"things/1"}`, `{"thing":["things/1"]}`, `{}`, `"things/1"`), "", process.ReasonExpired},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			env := processtest.New(t, waiting)
			var undone []string
			fake(env, nil, &undone)
			tc.prepare(env)
			got := env.Run(say(tc.about))
			if got.Finish.GetError().GetReason() != tc.reason || tc.reason == "" && got.Result.(*text).GetName() != tc.result {
				t.Errorf("result %v, finish %s", got.Result, got.Finish)
			}
		})
	}
}
