package runs_test

import (
	"sync"
	"testing"

	runsv1 "github.com/microservicehub/mshub/services/runs/v1"
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
