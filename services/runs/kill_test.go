package runs_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/workflow"

	"github.com/microservicehub/mshub/activities"
	"github.com/microservicehub/mshub/events"
	"github.com/microservicehub/mshub/internal/auth"
	"github.com/microservicehub/mshub/internal/postgres"
	"github.com/microservicehub/mshub/internal/rpc"
	"github.com/microservicehub/mshub/internal/temporal"
	"github.com/microservicehub/mshub/internal/testenv"
	runsv1 "github.com/microservicehub/mshub/services/runs/v1"
	"github.com/microservicehub/mshub/services/runs/v1/runsv1connect"
)

// workerEnv makes the test binary a worker and nothing else: a process of its own can be killed with SIGKILL.
const workerEnv = "RUNS_TEST_WORKER"

type workerConfig struct {
	Temporal, Database, Redis, Runs, Token, Queue string
	// Hang is the call that the worker never answers; it says so on its standard output.
	Hang string
	// Refuse is the call that is refused for good.
	Refuse string
}

func workerProcess() int {
	var config workerConfig
	ctx := context.Background()
	if err := json.Unmarshal([]byte(os.Getenv(workerEnv)), &config); err != nil {
		panic(err)
	}
	db, err := postgres.Open(ctx, config.Database, 4)
	if err != nil {
		panic(err)
	}
	redisOptions, err := redis.ParseURL(config.Redis)
	if err != nil {
		panic(err)
	}
	c, err := temporal.Dial(ctx, config.Temporal, client.Options{ContextPropagators: []workflow.ContextPropagator{temporal.Propagator()}})
	if err != nil {
		panic(err)
	}
	bearer := connect.UnaryInterceptorFunc(func(next connect.UnaryFunc) connect.UnaryFunc {
		return func(ctx context.Context, req connect.AnyRequest) (connect.AnyResponse, error) {
			req.Header().Set("Authorization", "Bearer "+config.Token)
			return next(ctx, req)
		}
	})
	p := &probe{on: func(ctx context.Context, call string) error {
		if call == config.Hang {
			fmt.Println("hanging")
			<-ctx.Done()
		}
		if call == config.Refuse {
			return refused()
		}
		return nil
	}}
	runs := runsv1connect.NewRunsServiceClient(rpc.HTTPClient(), config.Runs, connect.WithInterceptors(append(activities.ClientInterceptors(), bearer)...))
	publisher := events.NewPublisher(db, redis.NewClient(redisOptions), slog.New(slog.DiscardHandler))
	if err := newWorker(c, config.Queue, definitions(config.Queue), publisher, p, runs).Start(); err != nil {
		panic(err)
	}
	_, _ = io.Copy(io.Discard, os.Stdin) // ends with the test, however that ends
	return 0
}

// hangingWorker starts a worker in a process of its own; the returned function waits until it hangs, then kills it.
func (h *house) hangingWorker(call, refuse string) (kill func()) {
	h.t.Helper()
	worker := auth.Caller{Kind: auth.Service, Actor: "services/worker", Scopes: []string{auth.WorkerScope}}
	config, err := json.Marshal(workerConfig{
		Temporal: testenv.Temporal(h.t), Database: h.databaseURL, Redis: h.redisURL, Runs: h.url, Token: h.issuer.Token(worker), Queue: h.queue, Hang: call, Refuse: refuse,
	})
	if err != nil {
		h.t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), workerEnv+"="+string(config))
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		h.t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		h.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() {
		_ = stdin.Close()
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return func() {
		if line, err := bufio.NewReader(stdout).ReadString('\n'); err != nil || !strings.HasPrefix(line, "hanging") {
			h.t.Fatalf("the worker said %q, %v", line, err)
		}
		if err := cmd.Process.Kill(); err != nil {
			h.t.Fatal(err)
		}
	}
}

func TestKilledWorkerLosesNothing(t *testing.T) {
	t.Parallel()
	for i, step := range []string{"one", "two", "three"} {
		t.Run(step, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t, nil)
			h.stopWorker()
			kill := h.hangingWorker(step, "")
			run, c := h.start("three")
			kill()
			killed := time.Now()
			h.startWorker()
			done := until(t, c, run.GetName(), "completed", inState(runsv1.Run_COMPLETED))
			if took := time.Since(killed); took > 20*time.Second {
				t.Errorf("the killed step was taken up after %s", took)
			}
			for j, s := range done.GetSteps() {
				if attempt := int32(1); s.GetState() != runsv1.Step_SUCCEEDED || (j == i) != (s.GetAttempt() > attempt) {
					t.Errorf("step %s", s)
				}
			}
			h.compareWithHistory(run.GetName(), c)
		})
	}
}

// Wherever a worker dies while a run is undone, exactly what was done is undone, last first, and the journal says so once.
func TestKilledWorkerUndoesWhatWasDone(t *testing.T) {
	t.Parallel()
	for _, call := range []string{"undo two", "undo one"} {
		t.Run(call, func(t *testing.T) {
			t.Parallel()
			m := &moods{}
			m.set("three", refused)
			h := newHouse(t, m.on)
			h.stopWorker()
			kill := h.hangingWorker(call, "three")
			run, c := h.start("three")
			kill()
			h.startWorker()
			failed := until(t, c, run.GetName(), "failed", inState(runsv1.Run_FAILED))
			if diff := cmp.Diff([]runsv1.Step_State{runsv1.Step_COMPENSATED, runsv1.Step_COMPENSATED, runsv1.Step_FAILED}, stepStates(failed)); diff != "" {
				t.Error(diff)
			}
			journal, err := c.ListEvents(t.Context(), &runsv1.ListEventsRequest{Run: run.GetName()})
			if err != nil {
				t.Fatal(err)
			}
			var lines []string
			for _, e := range journal.GetEvents() {
				if e.GetKind() != events.StepStarted {
					lines = append(lines, strings.TrimSpace(e.GetKind()+" "+e.GetStep()))
				}
			}
			want := []string{
				"run.started", "step.succeeded one", "step.succeeded two", "step.failed three", "run.compensating",
				"step.compensating two", "step.compensated two", "step.compensating one", "step.compensated one", "run.failed three",
			}
			if diff := cmp.Diff(want, lines); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// compareWithHistory holds the journal against what Temporal knows: every completed activity has its line, once.
func (h *house) compareWithHistory(name string, c runsv1connect.RunsServiceClient) {
	h.t.Helper()
	id := strings.TrimPrefix(name, "runs/")
	var completed int
	for history := h.client.GetWorkflowHistory(h.t.Context(), id, "", false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT); history.HasNext(); {
		event, err := history.Next()
		if err != nil {
			h.t.Fatal(err)
		}
		if event.GetEventType() == enumspb.EVENT_TYPE_ACTIVITY_TASK_COMPLETED {
			completed++
		}
	}
	journal, err := c.ListEvents(h.t.Context(), &runsv1.ListEventsRequest{Run: name})
	if err != nil {
		h.t.Fatal(err)
	}
	succeeded := map[string]int{}
	for i, event := range journal.GetEvents() {
		if event.GetSeq() != int64(i+1) {
			h.t.Errorf("event %d has seq %d", i+1, event.GetSeq())
		}
		if event.GetKind() == events.StepSucceeded {
			succeeded[event.GetStep()]++
		}
	}
	if len(succeeded) != completed || succeeded["one"] != 1 || succeeded["two"] != 1 || succeeded["three"] != 1 {
		h.t.Errorf("Temporal completed %d activities, the journal has %v", completed, succeeded)
	}
}
