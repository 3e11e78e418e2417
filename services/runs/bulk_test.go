package runs_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/microservicehub/mshub/internal/auth"
	"github.com/microservicehub/mshub/internal/rpc"
	runsv1 "github.com/microservicehub/mshub/services/runs/v1"
	"github.com/microservicehub/mshub/services/runs/v1/runsv1connect"
)

// asRun is a worker that calls in the name of a run.
func (h *house) asRun(name, actor string) runsv1connect.RunsServiceClient {
	run := uuid.MustParse(strings.TrimPrefix(name, "runs/"))
	identity := func(context.Context) (auth.RunIdentity, bool) {
		return auth.RunIdentity{Organisation: h.org, Run: run, Actor: actor, Step: "step"}, true
	}
	service := h.issuer.As(auth.Caller{Kind: auth.Service, Actor: "services/worker", Scopes: []string{auth.WorkerScope}})
	return runsv1connect.NewRunsServiceClient(newHTTPClient(h.t), h.url, service, connect.WithInterceptors(auth.RunHeaders(identity)))
}

func TestBulkCommandsThousandsAndListsRefusals(t *testing.T) {
	t.Parallel()
	at := holdAt("one")
	h := newHouse(t, at.on)
	defer close(at.release)
	starter := h.user([]string{"operator"}, "runs.read", "runs.write", "tasks.read")
	c := h.as(starter)
	const crowded = 1050
	h.line("limited", h.org, crowded)
	open := h.begin(c, "three", "open")
	foreign, err := h.as(h.admin()).StartRun(t.Context(), &runsv1.StartRunRequest{Process: "asking", Input: input(t, ada)}) // needs identity.write
	if err != nil {
		t.Fatal(err)
	}
	bulk := h.begin(c, "three", "the bulk run itself")
	<-at.came
	dryRun := h.begin(c, "three", "a dry run")

	asked := &runsv1.PlanBulkRequest{Command: runsv1.Run_CANCEL, Reason: "clear the line", Filter: `process="limited" OR process="three" OR process="asking"`}
	dry, err := h.asRun(dryRun.GetName(), starter.Actor).PlanBulk(t.Context(), &runsv1.PlanBulkRequest{Command: asked.GetCommand(), Reason: asked.GetReason(), Filter: asked.GetFilter(), DryRun: true})
	if err != nil || dry.GetRuns() != crowded+3 || dry.GetBatches() != 0 {
		t.Errorf("dry run: %v, %v", dry, err)
	}
	if _, err := c.TerminateRun(t.Context(), &runsv1.TerminateRunRequest{Name: dryRun.GetName(), Reason: "out of the way"}); err != nil {
		t.Fatal(err)
	}
	worker := h.asRun(bulk.GetName(), starter.Actor)
	plan, err := worker.PlanBulk(t.Context(), asked)
	if err != nil || plan.GetRuns() != crowded+2 || plan.GetBatches() != 22 || plan.GetProgress().GetTotal() != crowded+2 {
		t.Fatalf("plan: %v, %v", plan, err)
	}
	if again, err := worker.PlanBulk(t.Context(), asked); err != nil || again.GetRuns() != plan.GetRuns() {
		t.Errorf("planned again: %v, %v", again, err)
	}
	var done, failed int64
	for batch := int32(1); batch <= plan.GetBatches(); batch++ {
		// Each batch comes twice, as after a crash: the second answers from what is kept.
		first, err := worker.ApplyBulk(t.Context(), &runsv1.ApplyBulkRequest{Batch: batch})
		if err != nil {
			t.Fatal(err)
		}
		again, err := worker.ApplyBulk(t.Context(), &runsv1.ApplyBulkRequest{Batch: batch})
		if err != nil || again.GetDone() != first.GetDone() || again.GetFailed() != first.GetFailed() {
			t.Errorf("batch %d again: %v, %v, not %v", batch, again, err, first)
		}
		done, failed = done+first.GetDone(), failed+first.GetFailed()
	}
	if done != crowded+1 || failed != 1 {
		t.Errorf("done %d, failed %d", done, failed)
	}
	var mu sync.Mutex
	var list string
	files := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		mu.Lock()
		defer mu.Unlock()
		list = string(body)
	}))
	defer files.Close()
	sum, err := worker.FinishBulk(t.Context(), &runsv1.FinishBulkRequest{FailuresUrl: files.URL})
	if err != nil || sum.GetDone() != done || sum.GetFailed() != 1 || sum.GetFailuresSize() != int64(len(list)) {
		t.Errorf("sum: %v, %v", sum, err)
	}
	mu.Lock()
	if want := "run,reason,message\n" + foreign.GetName() + ",MISSING_PERMISSION,"; !strings.HasPrefix(list, want) {
		t.Errorf("list: %s", list)
	}
	mu.Unlock()
	left, err := h.as(h.admin()).ListRuns(t.Context(), &runsv1.ListRunsRequest{Filter: `process="limited" AND state="QUEUED"`})
	if err != nil || len(left.GetRuns()) != 0 {
		t.Errorf("left: %v, %v", left, err)
	}
	if run, err := c.GetRun(t.Context(), &runsv1.GetRunRequest{Name: bulk.GetName()}); err != nil || run.GetEndTime() != nil {
		t.Errorf("it commanded itself: %v, %v", run, err)
	}
	_ = open
}

func TestBulkNeedsTheStartersRights(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	run := h.begin(h.as(h.admin()), "three", "Ada")
	h.system(func(tx pgx.Tx) error {
		_, err := tx.Exec(t.Context(), "UPDATE runs.run SET permissions = '{runs.read}'")
		return err
	})
	worker := h.asRun(run.GetName(), run.GetActor())
	_, err := worker.PlanBulk(t.Context(), &runsv1.PlanBulkRequest{Command: runsv1.Run_PAUSE, Reason: "x", Filter: `process="three"`})
	if rpc.ReasonOf(err) != "MISSING_PERMISSION" {
		t.Errorf("without runs.write: %v", err)
	}
	_, err = worker.ApplyBulk(t.Context(), &runsv1.ApplyBulkRequest{Batch: 1})
	if rpc.ReasonOf(err) != "NOT_PLANNED" {
		t.Errorf("without a plan: %v", err)
	}
	_, err = worker.PlanBulk(t.Context(), &runsv1.PlanBulkRequest{Command: runsv1.Run_PAUSE, Reason: "x", Filter: `nonsense="three"`})
	if connect.CodeOf(err) != connect.CodeInvalidArgument {
		t.Errorf("a filter that is none: %v", err)
	}
}

// Two at once, then one in a tenth of a second: the ninth call is eight tenths away.
func TestRateGivesEachPlaceOnce(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	run := h.begin(h.as(h.admin()), "three", "Ada")
	worker := h.asRun(run.GetName(), run.GetActor())
	var all sync.WaitGroup
	waits := make([]int64, 10)
	for i := range waits {
		all.Go(func() {
			res, err := worker.ReserveRate(t.Context(), &runsv1.ReserveRateRequest{Rate: "crm", PerSecond: 0.1, Burst: 2})
			if err != nil {
				t.Error(err)
			}
			waits[i] = res.GetWaitMilliseconds()
		})
	}
	all.Wait()
	at := map[int64]int{} // by tens of seconds
	for _, wait := range waits {
		at[(wait+9_999)/10_000]++
	}
	if at[0] != 2 || len(at) != 9 {
		t.Errorf("waits: %v", waits)
	}
}

func TestSummaryOfWork(t *testing.T) {
	t.Parallel()
	h := newHouse(t, func(_ context.Context, call string) error {
		if call == "two" {
			return rpc.Precondition("NO_SEAT", "there is no seat left")
		}
		return nil
	})
	_, task, admin := h.asked()
	failed := h.begin(admin, "three", "Ada")
	until(t, admin, failed.GetName(), "failed", inState(runsv1.Run_FAILED))
	worker := h.asRun(failed.GetName(), failed.GetActor())
	sum, err := worker.SummariseWork(t.Context(), &runsv1.SummariseWorkRequest{Since: timestamppb.New(time.Now().Add(-time.Hour))})
	if err != nil || sum.GetTaskCount() != 1 || sum.GetFailedCount() != 1 || sum.GetTasks()[0].GetName() != task.GetName() ||
		sum.GetTasks()[0].GetConcerns() != "roles/approver" || sum.GetFailedRuns()[0].GetName() != failed.GetName() || sum.GetFailedRuns()[0].GetMessage() != "there is no seat left" {
		t.Errorf("%v, %v", sum, err)
	}
	later, err := worker.SummariseWork(t.Context(), &runsv1.SummariseWorkRequest{Since: timestamppb.New(time.Now().Add(time.Hour))})
	if err != nil || later.GetFailedCount() != 0 {
		t.Errorf("%v, %v", later, err)
	}
}

func TestEraseSubjectLeavesATombstone(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	_, task, admin := h.asked() // open: concerns ada@example.org
	decider := h.user([]string{"approver"}, "tasks.read", "tasks.decide")
	about := h.begin(admin, "three", "Ada")
	until(t, admin, about.GetName(), "completed", inState(runsv1.Run_COMPLETED))
	own := h.begin(admin, "three", "the erasure").GetName()
	worker := h.asRun(own, "users/x")
	who := &runsv1.EraseSubjectRequest{User: decider.Actor, Email: "Ada@Example.org", DryRun: true}
	before, err := worker.EraseSubject(t.Context(), who)
	if err != nil || before.GetRuns() != 1 || len(before.GetOpenRuns()) != 1 || before.GetOpenRuns()[0] != task.GetRun() || before.GetEvents() == 0 {
		t.Fatalf("dry run: %v, %v", before, err)
	}
	if _, err := h.as(decider).DecideTask(t.Context(), &runsv1.DecideTaskRequest{Name: task.GetName(), Decision: runsv1.Task_APPROVE, Reason: "Ada is known to me"}); err != nil {
		t.Fatal(err)
	}
	until(t, admin, task.GetRun(), "completed", inState(runsv1.Run_COMPLETED))
	who.DryRun = false
	erased, err := worker.EraseSubject(t.Context(), who)
	if err != nil || erased.GetRuns() != 2 || len(erased.GetOpenRuns()) != 0 || erased.GetTasks() != 1 {
		t.Fatalf("erased: %v, %v", erased, err)
	}
	for _, name := range []string{about.GetName(), task.GetRun()} {
		run, err := admin.GetRun(t.Context(), &runsv1.GetRunRequest{Name: name})
		if err != nil || run.GetState() != runsv1.Run_COMPLETED || run.GetTitle() != "erased" || len(run.GetInput().GetFields()) != 0 || run.GetResult() != nil {
			t.Errorf("tombstone: %v, %v", run, err)
		}
	}
	var left int
	h.system(func(tx pgx.Tx) error {
		return tx.QueryRow(t.Context(), `SELECT
			  (SELECT count(*) FROM runs.run r WHERE r.id = ANY ($2) AND r::text ~* $1) + (SELECT count(*) FROM runs.task t WHERE t::text ~* $1)
			+ (SELECT count(*) FROM runs.task_vote v WHERE v::text ~* $1) + (SELECT count(*) FROM events.run_event e WHERE e.run = ANY ($2) AND e.payload::text ~* $1)`,
			"(ada|"+strings.TrimPrefix(decider.Actor, "users/")+")",
			[]uuid.UUID{uuid.MustParse(about.GetName()[5:]), uuid.MustParse(task.GetRun()[5:])}).Scan(&left)
	})
	if left != 0 {
		t.Errorf("%d rows still name the person", left)
	}
	// The run that erases stays, without the address that it was started with.
	run, err := admin.GetRun(t.Context(), &runsv1.GetRunRequest{Name: own})
	if fields := run.GetInput().GetFields(); err != nil || !strings.HasPrefix(fields["email"].GetStringValue(), "users/erased-") || fields["displayName"].GetStringValue() != "the erasure" {
		t.Errorf("the run that erases: %v, %v", run, err)
	}
	h.system(func(tx pgx.Tx) error {
		return tx.QueryRow(t.Context(), "SELECT count(*) FROM runs.run_subject WHERE subject = 'ada@example.org'").Scan(&left)
	})
	if left != 0 {
		t.Errorf("%d runs still concern the address", left)
	}
	again, err := worker.EraseSubject(t.Context(), who)
	if err != nil || again.GetRuns() != 0 {
		t.Errorf("again: %v, %v", again, err)
	}
}

// A person who acted through a client alone is forgotten as well.
// An erasure that waits for open runs may be given up and retried: it forgets its address when it waits no more.
func TestEraseSubjectKeepsItsAddressWhileItWaits(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	_, task, admin := h.asked() // open: concerns ada@example.org
	own := h.begin(admin, "three", "the erasure").GetName()
	erased, err := h.asRun(own, "users/x").EraseSubject(t.Context(), &runsv1.EraseSubjectRequest{User: "users/" + uuid.NewString(), Email: "ada@example.org"})
	if err != nil || !cmp.Equal(erased.GetOpenRuns(), []string{task.GetRun()}) {
		t.Fatalf("erased: %v, %v", erased, err)
	}
	run, err := admin.GetRun(t.Context(), &runsv1.GetRunRequest{Name: own})
	if err != nil || run.GetInput().GetFields()["email"].GetStringValue() != "ada@example.org" {
		t.Errorf("the run that waits: %v, %v", run, err)
	}
}

func TestEraseSubjectBehindAClient(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	keeper, approver := h.admin(), h.user([]string{"approver"}, "tasks.read", "tasks.decide")
	machine := h.as(auth.Caller{Kind: auth.Client, ClientID: "ci", Actor: "clients/ci", Organisation: h.org, Permissions: []string{"*"}, Keepers: []string{keeper.Actor}})
	_, err := machine.CreateSchedule(t.Context(), &runsv1.CreateScheduleRequest{ScheduleId: "yearly", Schedule: &runsv1.Schedule{
		Title: "Each year", Process: "three", Input: input(t, ada), Cron: "0 0 1 1 *", TimeZone: "UTC",
	}})
	if err != nil {
		t.Fatal(err)
	}
	run := h.begin(machine, "voted", "Ada")
	until(t, machine, run.GetName(), "waiting", inState(runsv1.Run_WAITING))
	list, err := h.as(approver).ListTasks(t.Context(), &runsv1.ListTasksRequest{Mine: true})
	if err != nil || len(list.GetTasks()) != 1 {
		t.Fatalf("%v, %v", list, err)
	}
	reject := &runsv1.DecideTaskRequest{Name: list.GetTasks()[0].GetName(), Decision: runsv1.Task_REJECT, Reason: "no"}
	if _, err := h.as(approver).DecideTask(t.Context(), reject); err != nil {
		t.Fatal(err)
	}
	until(t, machine, run.GetName(), "completed", inState(runsv1.Run_COMPLETED))
	worker := h.asRun(h.begin(machine, "three", "the erasure").GetName(), "users/x")
	for _, want := range []int64{1, 0} {
		erased, err := worker.EraseSubject(t.Context(), &runsv1.EraseSubjectRequest{User: keeper.Actor, Email: "keeper@example.org"})
		if err != nil || erased.GetRuns() != want {
			t.Errorf("%v, %v, want %d runs", erased, err, want)
		}
	}
	var left, erased int
	h.system(func(tx pgx.Tx) error {
		return tx.QueryRow(t.Context(), `WITH found AS (SELECT t::text AS row FROM runs.task t UNION ALL SELECT s::text FROM runs.schedule s)
			SELECT count(*) FILTER (WHERE position($1 IN row) > 0), count(*) FILTER (WHERE position('users/erased-' IN row) > 0) FROM found`,
			keeper.Actor).Scan(&left, &erased)
	})
	if left != 0 || erased != 2 {
		t.Errorf("%d rows still name the person, %d a pseudonym", left, erased)
	}
}
