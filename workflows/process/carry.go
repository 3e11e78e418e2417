package process

import (
	"encoding/json"

	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/workflow"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

// carryHeader is the header in which a run's state crosses continue-as-new.
const carryHeader = "mshub-carry"

// carried is what a run remembers when its history starts anew. The author's code then runs again from the top: steps
// that are done give their kept results, so it arrives where it was.
type carried struct {
	// Results of finished steps, as ProtoJSON.
	Results map[string]json.RawMessage `json:"results,omitempty"`
	// Next item of each Many step under way.
	Next map[string]int32 `json:"next,omitempty"`
	// Facts that came and were not awaited yet.
	Facts  []Fact `json:"facts,omitempty"`
	Paused bool   `json:"paused,omitempty"`
	// Title as it was set last.
	Title string `json:"title,omitempty"`
	// Commands numbers the lines that may come more than once: each has its own place in the journal.
	Commands int `json:"commands,omitempty"`
	// Epochs counts for each step how often a reset had it done again.
	Epochs map[string]int32 `json:"epochs,omitempty"`
	// Skipped steps have an empty answer and nothing to undo.
	Skipped map[string]bool `json:"skipped,omitempty"`
	// Obeyed are the ids of the commands that were given and may be repeated.
	Obeyed map[string]bool `json:"obeyed,omitempty"`
}

func (f *frame) load(ctx workflow.Context) error {
	if payload, ok := interceptor.WorkflowHeader(ctx)[carryHeader]; ok {
		if err := converter.GetDefaultDataConverter().FromPayload(payload, &f.carry); err != nil {
			return err
		}
	}
	if f.carry.Results == nil {
		f.carry.Results = map[string]json.RawMessage{}
	}
	if f.carry.Next == nil {
		f.carry.Next = map[string]int32{}
	}
	if f.carry.Epochs == nil {
		f.carry.Epochs = map[string]int32{}
	}
	if f.carry.Skipped == nil {
		f.carry.Skipped = map[string]bool{}
	}
	if f.carry.Obeyed == nil {
		f.carry.Obeyed = map[string]bool{}
	}
	f.facts, f.paused = f.carry.Facts, f.carry.Paused
	return nil
}

// save puts the state into the header of the next execution. Signals that have arrived are taken along.
func (f *frame) save(ctx workflow.Context, next *workflow.ContinueAsNewError) error {
	last, done := workflow.NewDisconnectedContext(ctx)
	defer done()
	if err := workflow.Await(last, func() bool { return workflow.AllHandlersFinished(last) }); err != nil {
		return err
	}
	f.drain(ctx)
	f.carry.Facts, f.carry.Paused = f.facts, f.paused
	payload, err := converter.GetDefaultDataConverter().ToPayload(f.carry)
	if err != nil {
		return err
	}
	next.Header.Fields[carryHeader] = payload
	return next
}

// keep remembers the result of a finished step.
func (f *frame) keep(step string, result proto.Message) error {
	raw, err := protojson.Marshal(result)
	if err != nil {
		return err
	}
	f.carry.Results[step] = raw
	return nil
}

// kept fills result with what the step gave before the history started anew.
func (f *frame) kept(step string, result proto.Message) (bool, error) {
	raw, ok := f.carry.Results[step]
	if !ok {
		return false, nil
	}
	return true, protojson.UnmarshalOptions{DiscardUnknown: true}.Unmarshal(raw, result)
}
