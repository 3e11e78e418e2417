package runs_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/workflow"

	"github.com/microservicehub/mshub/internal/rpc"
	runsv1 "github.com/microservicehub/mshub/services/runs/v1"
	"github.com/microservicehub/mshub/services/runs/v1/runsv1connect"
	recordimportv1 "github.com/microservicehub/mshub/workflows/recordimport/v1"
)

// Where starts pile up none waits for Temporal; whoever commands a run that has not begun is not told to come again, and a
// run that is terminated before its turn never begins.
func TestStartsPileUp(t *testing.T) {
	t.Parallel()
	const starts = 20
	at := holdAt("one")
	h := newHouse(t, at.on)
	c := h.as(h.admin())
	var all sync.WaitGroup
	for i := range starts {
		all.Go(func() {
			run, err := c.StartRun(t.Context(), &runsv1.StartRunRequest{Process: "three", Input: input(t, ada)})
			if err != nil {
				t.Error(err)
				return
			}
			if i%2 == 0 {
				_, err = c.TerminateRun(t.Context(), &runsv1.TerminateRunRequest{Name: run.GetName(), Reason: "too many"})
			} else {
				_, err = c.PauseRun(t.Context(), &runsv1.PauseRunRequest{Name: run.GetName(), Reason: "too many"})
			}
			if err != nil {
				t.Errorf("%s, command %d: %v", run.GetName(), i%2, err)
			}
		})
	}
	all.Wait()
	close(at.release)
	page, err := c.ListRuns(t.Context(), &runsv1.ListRunsRequest{PageSize: 100})
	if err != nil || len(page.GetRuns()) != starts {
		t.Fatalf("%d runs, %v", len(page.GetRuns()), err)
	}
	for i, run := range page.GetRuns() {
		if run.GetState() == runsv1.Run_TERMINATED {
			continue
		}
		if _, err := c.ResumeRun(t.Context(), &runsv1.ResumeRunRequest{Name: run.GetName()}); err != nil {
			t.Errorf("%d: %v", i, err)
		}
		until(t, c, run.GetName(), "completed", inState(runsv1.Run_COMPLETED))
	}
}

// slowStart is a Temporal that takes its time to start a workflow.
type slowStart struct {
	client.Client
	goOn chan struct{}
}

func (c *slowStart) ExecuteWorkflow(ctx context.Context, options client.StartWorkflowOptions, workflow any, args ...any) (client.WorkflowRun, error) {
	<-c.goOn
	return c.Client.ExecuteWorkflow(ctx, options, workflow, args...)
}

// A run that is terminated at the very moment of its launch does not go on in Temporal, where nobody would look for it.
func TestTerminatedWhileItIsLaunched(t *testing.T) {
	t.Parallel()
	at := holdAt("one")
	h := newHouse(t, at.on)
	defer close(at.release)
	slow := &slowStart{h.client, make(chan struct{})}
	h.client = slow
	path, handler := runsv1connect.NewRunsServiceHandler(h.newService(time.Now), h.issuer.Options()...)
	h.url = h.serve(path, handler)
	c := h.as(h.admin())
	run, err := c.StartRun(t.Context(), &runsv1.StartRunRequest{Process: "three", Input: input(t, ada)})
	if err != nil {
		t.Fatal(err)
	}
	ended, err := c.TerminateRun(t.Context(), &runsv1.TerminateRunRequest{Name: run.GetName(), Reason: "never mind"})
	if err != nil || ended.GetState() != runsv1.Run_TERMINATED {
		t.Fatalf("%v, %v", ended, err)
	}
	close(slow.goOn)
	eventually(t, func() (bool, string) {
		description, err := slow.DescribeWorkflowExecution(t.Context(), strings.TrimPrefix(run.GetName(), "runs/"), "")
		status := description.GetWorkflowExecutionInfo().GetStatus()
		return err == nil && status == enumspb.WORKFLOW_EXECUTION_STATUS_TERMINATED, fmt.Sprint(status, err)
	})
}

// A run that Temporal refuses for good ends with the refusal, and those that were accepted after it are launched.
func TestARefusedLaunchKeepsNoOtherWaiting(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	h.line("three", h.org, 2)
	refused, behind := h.inLine(1), h.inLine(2)
	h.system(func(tx pgx.Tx) error {
		_, err := tx.Exec(t.Context(), `UPDATE runs.run SET queued = false, created_at = now() - CASE WHEN id = $1 THEN interval '1 hour' ELSE interval '1 minute' END,
			input = CASE WHEN id = $1 THEN jsonb_set(input, '{displayName}', to_jsonb(repeat('x', 3000000))) ELSE input END`, refused)
		return err
	})
	h.background(h.service)
	c := h.as(h.admin())
	until(t, c, "runs/"+behind, "launched behind the refused one", inState(runsv1.Run_COMPLETED))
	failed := until(t, c, "runs/"+refused, "refused", inState(runsv1.Run_FAILED))
	if failed.GetError().GetReason() != "UNLAUNCHABLE" || !contains(failed.GetError().GetMessage(), "exceeds") || failed.GetEndTime() == nil {
		t.Errorf("error: %s", failed.GetError())
	}
	if calls := h.probe.seen(); !cmp.Equal(calls, []string{"one", "two", "three"}) {
		t.Errorf("calls: %v", calls)
	}
}

// What is too large for Temporal is refused by name, at a start, a retry and a schedule.
func TestInputsThatAreTooLarge(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	wide := h.defs[0]
	wide.Name, wide.Title, wide.Input = "wide", "A wide input", &recordimportv1.Input{}
	wide.Workflow = func(workflow.Context, *recordimportv1.Input) (*out, error) { return &out{}, nil }
	h.defs = append(h.defs, wide)
	path, handler := runsv1connect.NewRunsServiceHandler(h.newService(time.Now), h.issuer.Options()...)
	h.url = h.serve(path, handler)
	c := h.as(h.admin())

	tokens, columns := make([]any, 20), make([]any, 500)
	for i := range tokens {
		tokens[i] = strings.Repeat("\u20ac", 40) // three bytes each
	}
	for i := range columns {
		columns[i] = map[string]any{"source": fmt.Sprint("c", i), "nullTokens": tokens}
	}
	of := func(n int) map[string]any {
		return map[string]any{
			"file": "files/01900000-0000-7000-8000-000000000001", "dataset": "datasets/flights", "format": map[string]any{"columns": columns[:n]},
		}
	}
	small, err := c.CreateSchedule(t.Context(), &runsv1.CreateScheduleRequest{
		ScheduleId: "small", Schedule: &runsv1.Schedule{Process: "wide", Title: "Small", Cron: "@daily", TimeZone: "UTC", Input: input(t, of(5))},
	})
	if err != nil {
		t.Fatal(err)
	}
	h.line("wide", h.org, 1)
	old := "runs/" + h.inLine(1)
	if _, err := c.TerminateRun(t.Context(), &runsv1.TerminateRunRequest{Name: old, Reason: "to be retried"}); err != nil {
		t.Fatal(err)
	}
	large := input(t, of(500))
	h.system(func(tx pgx.Tx) error {
		raw, err := large.MarshalJSON()
		if err == nil {
			_, err = tx.Exec(t.Context(), "UPDATE runs.run SET input = $1", raw)
		}
		return err
	})
	for field, try := range map[string]func() error{
		"input": func() error {
			_, err := c.StartRun(t.Context(), &runsv1.StartRunRequest{Process: "wide", Input: large})
			return err
		},
		"schedule.input": func() error {
			small.Input = large
			_, err := c.UpdateSchedule(t.Context(), &runsv1.UpdateScheduleRequest{Schedule: small})
			return err
		},
	} {
		if err := try(); rpc.ReasonOf(err) != "INVALID_FIELD" || !cmp.Equal(rpc.FieldsOf(err), []string{field}) {
			t.Errorf("%s: %v", field, err)
		}
	}
	if _, err := c.RetryRun(t.Context(), &runsv1.RetryRunRequest{Name: old}); !cmp.Equal(rpc.FieldsOf(err), []string{"input"}) {
		t.Errorf("retry: %v", err)
	}
}
