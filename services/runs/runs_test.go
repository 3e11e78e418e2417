package runs_test

import (
	"net/http"
	"slices"
	"testing"

	"connectrpc.com/connect"
	"github.com/google/go-cmp/cmp"

	"github.com/microservicehub/mshub/internal/auth"
	"github.com/microservicehub/mshub/internal/rpc"
	runsv1 "github.com/microservicehub/mshub/services/runs/v1"
)

func newHTTPClient(t *testing.T) *http.Client {
	c := rpc.HTTPClient()
	t.Cleanup(c.CloseIdleConnections)
	return c
}

func TestRunOfThreeSteps(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	started, c := h.start("three")
	run := until(t, c, started.GetName(), "completed", inState(runsv1.Run_COMPLETED))

	if diff := cmp.Diff([]string{"one", "two", "three"}, h.probe.seen()); diff != "" {
		t.Error(diff)
	}
	for _, step := range run.GetSteps() {
		if step.GetState() != runsv1.Step_SUCCEEDED || step.GetAttempt() != 1 || step.GetStartTime() == nil || step.GetEndTime() == nil {
			t.Errorf("step %s", step)
		}
	}
	if got := run.GetResult().GetFields()["user"].GetStringValue(); got != "three" {
		t.Errorf("result %s", run.GetResult())
	}
	res, err := c.ListEvents(t.Context(), &runsv1.ListEventsRequest{Run: run.GetName()})
	if err != nil {
		t.Fatal(err)
	}
	var kinds []string
	for i, e := range res.GetEvents() {
		if e.GetSeq() != int64(i+1) {
			t.Errorf("event %d has seq %d", i, e.GetSeq())
		}
		kinds = append(kinds, e.GetKind())
	}
	want := []string{"run.started", "step.started", "step.succeeded", "step.started", "step.succeeded", "step.started", "step.succeeded", "run.completed"}
	if diff := cmp.Diff(want, kinds); diff != "" {
		t.Error(diff)
	}
}

func TestStartIsIdempotent(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	c := h.as(h.admin())
	start := func(name string) (*runsv1.Run, error) {
		fields := map[string]any{"email": "ada@example.org", "displayName": name, "role": "member"}
		return c.StartRun(t.Context(), &runsv1.StartRunRequest{Process: "three", Input: input(t, fields), IdempotencyKey: "once"})
	}
	first, err := start("Ada")
	if err != nil {
		t.Fatal(err)
	}
	again, err := start("Ada")
	if err != nil || again.GetName() != first.GetName() {
		t.Errorf("again: %v, %v", again, err)
	}
	_, err = start("Grace")
	if connect.CodeOf(err) != connect.CodeAlreadyExists || rpc.ReasonOf(err) != "IDEMPOTENCY_KEY_REUSED" {
		t.Errorf("another input: %v", err)
	}
	fields := map[string]any{"email": "ada@example.org", "displayName": "Ada", "role": "member"}
	own := &runsv1.StartRunRequest{Process: "three", Input: input(t, fields), IdempotencyKey: "schedules/0190/2026-01-01T00:00:00Z"}
	if _, err := c.StartRun(t.Context(), own); !slices.Contains(rpc.FieldsOf(err), "idempotencyKey") {
		t.Errorf("a key of the house's own: %v", err)
	}
	until(t, c, first.GetName(), "completed", inState(runsv1.Run_COMPLETED))
	if calls := h.probe.seen(); len(calls) != 3 {
		t.Errorf("the run ran more than once: %v", calls)
	}
	list, err := c.ListRuns(t.Context(), &runsv1.ListRunsRequest{Filter: `state="COMPLETED" AND process="three"`})
	if err != nil || len(list.GetRuns()) != 1 {
		t.Errorf("list: %v, %v", list, err)
	}
}

func TestStartRefuses(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	member := h.user([]string{"member"}, "runs.read", "runs.write")
	cases := []struct {
		name    string
		caller  auth.Caller
		process string
		input   map[string]any
		code    connect.Code
		reason  string
		fields  []string
	}{
		{"unknown process", h.admin(), "nonsense", nil, connect.CodeNotFound, "NOT_FOUND", nil},
		{"empty input", h.admin(), "three", nil, connect.CodeInvalidArgument, "INVALID_FIELD", []string{"input.email", "input.displayName", "input.role"}},
		{"bad address", h.admin(), "three", map[string]any{"email": "ada", "displayName": "Ada", "role": "member"}, connect.CodeInvalidArgument, "INVALID_FIELD", []string{"input.email"}},
		{"unknown field", h.admin(), "three", map[string]any{"mail": "ada@example.org"}, connect.CodeInvalidArgument, "INVALID_FIELD", []string{"input.mail"}},
		{"wrong type", h.admin(), "three", map[string]any{"email": 1, "displayName": true}, connect.CodeInvalidArgument, "INVALID_FIELD", []string{"input.displayName", "input.email"}},
		{"without the process's permission", member, "asking", ada, connect.CodePermissionDenied, "MISSING_PERMISSION", nil},
		{"without any permission", h.user(nil, "runs.read"), "three", ada, connect.CodePermissionDenied, "MISSING_PERMISSION", nil},
		{"without an organisation", auth.Caller{Kind: auth.User, User: member.User, Permissions: []string{"*"}}, "three", ada, connect.CodeFailedPrecondition, "NO_ORGANISATION", nil},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			_, err := h.as(tc.caller).StartRun(t.Context(), &runsv1.StartRunRequest{Process: tc.process, Input: input(t, tc.input)})
			if connect.CodeOf(err) != tc.code || rpc.ReasonOf(err) != tc.reason {
				t.Errorf("%v (%s)", err, rpc.ReasonOf(err))
			}
			if diff := cmp.Diff(tc.fields, rpc.FieldsOf(err)); diff != "" {
				t.Errorf("%v\n%s", err, diff)
			}
		})
	}
}
