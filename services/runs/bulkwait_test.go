package runs_test

import (
	"testing"
	"time"

	runsv1 "github.com/microservicehub/mshub/services/runs/v1"
)

// A worker that is away for longer than a command waits is no refusal of the runs.
func TestBulkWaitsForWorkers(t *testing.T) {
	t.Parallel()
	at := holdAt("one")
	h := newHouse(t, at.on)
	defer close(at.release)
	starter := h.user([]string{"operator"}, "runs.read", "runs.write")
	c := h.as(starter)
	h.stopWorker()
	run, bulk := h.begin(c, "three", "open"), h.begin(c, "three", "the bulk run itself")
	worker := h.asRun(bulk.GetName(), starter.Actor)
	plan, err := worker.PlanBulk(t.Context(), &runsv1.PlanBulkRequest{Command: runsv1.Run_PAUSE, Reason: "maintenance", Filter: `process="three"`})
	if err != nil || plan.GetRuns() != 1 {
		t.Fatalf("plan: %v, %v", plan, err)
	}
	answered := make(chan struct{})
	var batch *runsv1.ApplyBulkResponse
	go func() {
		defer close(answered)
		batch, err = worker.ApplyBulk(t.Context(), &runsv1.ApplyBulkRequest{Batch: 1})
	}()
	select {
	case <-answered:
		t.Fatalf("without a worker the batch came to %v, %v", batch, err)
	case <-time.After(7 * time.Second): // a command waits for five
	}
	h.startWorker()
	<-answered
	if err != nil || batch.GetDone() != 1 || batch.GetFailed() != 0 {
		t.Errorf("%v, %v", batch, err)
	}
	if now, err := c.GetRun(t.Context(), &runsv1.GetRunRequest{Name: run.GetName()}); err != nil || now.GetState() != runsv1.Run_PAUSED {
		t.Errorf("%v, %v", now.GetState(), err)
	}
}
