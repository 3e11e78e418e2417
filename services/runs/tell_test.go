package runs_test

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/microservicehub/mshub/events"
	runsv1 "github.com/microservicehub/mshub/services/runs/v1"
)

// told are the facts of a kind, with what they say and whether the runs role is done with them.
func (h *house) told(kind string) (payloads []map[string]any, finished int) {
	h.t.Helper()
	h.system(func(tx pgx.Tx) error {
		rows, err := tx.Query(h.t.Context(), "SELECT payload, processed_at IS NOT NULL FROM events.fact WHERE kind = $1 ORDER BY id", kind)
		if err != nil {
			return err
		}
		var raw []byte
		var done bool
		_, err = pgx.ForEachRow(rows, []any{&raw, &done}, func() error {
			var payload map[string]any
			if done {
				finished++
			}
			payloads = append(payloads, payload)
			return json.Unmarshal(raw, &payloads[len(payloads)-1])
		})
		return err
	})
	return payloads, finished
}

// The end of a run and a new task are facts, once each; facts that start nothing are finished together.
func TestEndsAreFacts(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	h.background(h.service)
	run, c := h.start("three")
	done := until(t, c, run.GetName(), "completed", inState(runsv1.Run_COMPLETED))
	facts, _ := h.told(events.FactRunCompleted)
	if len(facts) != 1 {
		t.Fatalf("facts: %v", facts)
	}
	for _, key := range []string{"startTime", "endTime"} {
		if facts[0][key] == "" {
			t.Errorf("%s is missing", key)
		}
		delete(facts[0], key)
	}
	want := map[string]any{"run": run.GetName(), "process": "three", "title": done.GetTitle(), "actor": done.GetActor(), "state": "COMPLETED"}
	if diff := cmp.Diff(want, facts[0]); diff != "" {
		t.Error(diff)
	}
	eventually(t, func() (bool, string) {
		_, finished := h.told(events.FactRunCompleted)
		return finished == 1, "the fact is not finished"
	})

	asking, task, c := h.asked()
	if facts, _ := h.told(events.FactTaskCreated); len(facts) != 1 || facts[0]["task"] != task.GetName() || facts[0]["run"] != asking.GetName() || facts[0]["title"] != task.GetTitle() {
		t.Errorf("facts: %v", facts)
	}
	if _, err := c.CancelRun(t.Context(), &runsv1.CancelRunRequest{Name: asking.GetName(), Reason: "not needed"}); err != nil {
		t.Fatal(err)
	}
	until(t, c, asking.GetName(), "cancelled", inState(runsv1.Run_CANCELLED))
	facts, _ = h.told(events.FactRunCancelled)
	if failure, _ := facts[0]["error"].(map[string]any); len(facts) != 1 || failure["message"] != "not needed" || failure["reason"] != "CANCELLED" {
		t.Errorf("facts: %v", facts)
	}

	// Who delivers facts about ends must not make another one by ending.
	telling, c := h.start("telling")
	until(t, c, telling.GetName(), "completed", inState(runsv1.Run_COMPLETED))
	if facts, _ := h.told(events.FactRunCompleted); len(facts) != 1 {
		t.Errorf("facts: %v", facts)
	}
}
