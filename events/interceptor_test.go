package events_test

import (
	"context"
	"errors"
	"log/slog"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/interceptor"
	sdk "go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/microservicehub/mshub/events"
	"github.com/microservicehub/mshub/events/v1"
	"github.com/microservicehub/mshub/internal/redis"
	"github.com/microservicehub/mshub/internal/temporal"
	"github.com/microservicehub/mshub/internal/testenv"
)

// counted is a service's answer that carries progress.
type counted struct{ Done int64 }

func (c *counted) GetProgress() *eventsv1.Progress {
	return &eventsv1.Progress{Done: c.Done, Total: 10, Unit: "rows"}
}

// verbs are activities as a room would write them: no word about events.
type verbs struct{}

func (verbs) Load(ctx context.Context) (*counted, error) {
	for done := range 5 {
		activity.RecordHeartbeat(ctx, &eventsv1.Progress{Done: int64(done)})
	}
	return &counted{Done: 4}, nil
}

func (verbs) Fail(context.Context) error { return errors.New("no") }

// run executes an activity in the name of a run, as a worker with the interceptor does.
func runActivity(t *testing.T, publisher *events.Publisher, run temporal.RunContext, verb any) error {
	t.Helper()
	var suite testsuite.WorkflowTestSuite
	env := suite.NewTestActivityEnvironment()
	env.SetWorkerOptions(worker.Options{Interceptors: []interceptor.WorkerInterceptor{events.NewInterceptor(publisher, "abc")}})
	env.SetContextPropagators([]workflow.ContextPropagator{temporal.Propagator()})
	payload, err := converter.GetDefaultDataConverter().ToPayload(run)
	in(t, err)
	env.SetHeader(&commonpb.Header{Fields: map[string]*commonpb.Payload{"mshub-run": payload}})
	env.RegisterActivity(verb)
	_, err = env.ExecuteActivity(verb)
	return err
}

func TestActivitiesReportThemselves(t *testing.T) {
	t.Parallel()
	client, err := redis.Open(t.Context(), testenv.Redis(t))
	in(t, err)
	t.Cleanup(func() { _ = client.Close() })
	j := newJournal(t, testenv.Postgres(t, events.Schema()))
	publisher := events.NewPublisher(j.db, client, slog.New(slog.DiscardHandler))
	as := func(step string, quiet bool) temporal.RunContext {
		return temporal.RunContext{Organisation: j.organisation, Run: j.run, Step: step, Item: 2, Quiet: quiet}
	}

	in(t, runActivity(t, publisher, as("load", false), verbs{}.Load))
	if runActivity(t, publisher, as("fail", false), verbs{}.Fail) == nil {
		t.Error("the activity's own error is lost")
	}
	in(t, runActivity(t, publisher, as("quiet", true), verbs{}.Load))
	in(t, runActivity(t, publisher, as("", false), verbs{}.Load))

	list, _ := j.read(j.organisation, 1, 100)
	var got []string
	for _, event := range list {
		got = append(got, event.GetKind()+" "+event.GetStep())
		if event.GetItem() != 2 || event.GetAttempt() != 1 {
			t.Errorf("%v", event)
		}
	}
	// Five heartbeats in no time are one tick. The failure is the frame's to report.
	want := []string{"step.started load", "step.progress load", "step.succeeded load", "step.started fail"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if p := j.head().Progress; p.GetDone() != 4 || p.GetTotal() != 10 || p.GetUnit() != "rows" {
		t.Errorf("progress %v", p)
	}
}

// A fact that can't be written fails the attempt, so that it comes again; a run that is gone ends it.
func TestActivitiesNeedTheJournal(t *testing.T) {
	t.Parallel()
	client, err := redis.Open(t.Context(), testenv.Redis(t))
	in(t, err)
	t.Cleanup(func() { _ = client.Close() })
	db := testenv.Postgres(t, events.Schema())
	publisher := events.NewPublisher(db, client, slog.New(slog.DiscardHandler))
	run := temporal.RunContext{Organisation: uuid.New(), Run: uuid.New(), Step: "load"}
	retryable := func() bool {
		var failure *sdk.ApplicationError
		if err := runActivity(t, publisher, run, verbs{}.Load); !errors.As(err, &failure) || failure.Type() != "JournalUnavailable" {
			t.Fatalf("got %v", err)
		}
		return !failure.NonRetryable()
	}
	if retryable() {
		t.Error("an activity of a deleted run is tried again for ever")
	}
	db.Close()
	if !retryable() {
		t.Error("a journal that is away ends the activity for good")
	}
}
