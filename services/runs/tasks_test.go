package runs_test

import (
	"strings"
	"sync"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/microservicehub/mshub/events"
	"github.com/microservicehub/mshub/internal/auth"
	"github.com/microservicehub/mshub/internal/rpc"
	runsv1 "github.com/microservicehub/mshub/services/runs/v1"
	"github.com/microservicehub/mshub/services/runs/v1/runsv1connect"
)

// asked starts a run that waits for an approver, and returns its task.
func (h *house) asked() (*runsv1.Run, *runsv1.Task, runsv1connect.RunsServiceClient) {
	h.t.Helper()
	run, c := h.start("asking")
	waiting := until(h.t, c, run.GetName(), "waiting", inState(runsv1.Run_WAITING))
	if step := waiting.GetSteps()[1]; step.GetState() != runsv1.Step_WAITING || waiting.GetStep() != "approval" {
		h.t.Errorf("waiting: %s", waiting)
	}
	list, err := c.ListTasks(h.t.Context(), &runsv1.ListTasksRequest{Filter: `run="` + run.GetName() + `"`})
	if err != nil || len(list.GetTasks()) != 1 {
		h.t.Fatalf("tasks: %v, %v", list, err)
	}
	return run, list.GetTasks()[0], c
}

func TestTaskIsDecidedOnce(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	run, task, admin := h.asked()
	if task.GetAssignee() != "roles/approver" || task.GetTitle() != "Approve Ada" || task.GetDueTime() == nil || !task.GetDecidable() {
		t.Errorf("task: %s", task)
	}
	approver := h.user([]string{"approver"}, "runs.read", "tasks.read", "tasks.decide")
	member := h.user([]string{"member"}, "runs.read", "tasks.read", "tasks.decide")
	viewer := h.user([]string{"viewer"}, "runs.read", "tasks.read")
	stranger := h.admin()
	stranger.Organisation = uuid.Must(uuid.NewV7())
	approve := &runsv1.DecideTaskRequest{Name: task.GetName(), Decision: runsv1.Task_APPROVE, Version: task.GetVersion()}

	mine := func(c runsv1connect.RunsServiceClient) int {
		list, err := c.ListTasks(t.Context(), &runsv1.ListTasksRequest{Mine: true})
		if err != nil {
			t.Fatal(err)
		}
		return len(list.GetTasks())
	}
	if got := []int{mine(h.as(approver)), mine(h.as(member)), mine(h.as(viewer)), mine(admin), mine(h.as(stranger))}; got[0] != 1 || got[1] != 0 || got[2] != 0 || got[3] != 1 || got[4] != 0 {
		t.Errorf("inboxes: %v", got)
	}
	_, err := h.as(member).DecideTask(t.Context(), approve)
	if connect.CodeOf(err) != connect.CodePermissionDenied || rpc.ReasonOf(err) != "NOT_YOURS" {
		t.Errorf("another role: %v", err)
	}
	_, err = h.as(viewer).DecideTask(t.Context(), approve)
	if connect.CodeOf(err) != connect.CodePermissionDenied {
		t.Errorf("without the right: %v", err)
	}
	_, err = h.as(stranger).DecideTask(t.Context(), approve)
	if connect.CodeOf(err) != connect.CodeNotFound {
		t.Errorf("another organisation: %v", err)
	}
	_, err = h.as(approver).DecideTask(t.Context(), &runsv1.DecideTaskRequest{Name: task.GetName(), Decision: runsv1.Task_REJECT})
	if connect.CodeOf(err) != connect.CodeInvalidArgument || len(rpc.FieldsOf(err)) != 1 || rpc.FieldsOf(err)[0] != "reason" {
		t.Errorf("rejection without a reason: %v", err)
	}
	_, err = h.as(approver).DecideTask(t.Context(), &runsv1.DecideTaskRequest{Name: task.GetName(), Decision: runsv1.Task_APPROVE, Version: 77})
	if rpc.ReasonOf(err) != "CHANGED" {
		t.Errorf("another version: %v", err)
	}

	// Ten at once: one wins.
	var wins, losses sync.Map
	var all sync.WaitGroup
	for i := range 10 {
		all.Go(func() {
			decided, err := h.as(approver).DecideTask(t.Context(), &runsv1.DecideTaskRequest{Name: task.GetName(), Decision: runsv1.Task_APPROVE})
			if err == nil {
				wins.Store(i, decided)
			} else {
				losses.Store(i, rpc.ReasonOf(err))
			}
		})
	}
	all.Wait()
	won := 0
	wins.Range(func(any, any) bool { won++; return true })
	losses.Range(func(_, reason any) bool {
		if reason != "ALREADY_DECIDED" {
			t.Errorf("a loser was told %v", reason)
		}
		return true
	})
	if won != 1 {
		t.Errorf("%d decisions", won)
	}
	done := until(t, admin, run.GetName(), "completed", inState(runsv1.Run_COMPLETED))
	if done.GetResult().GetFields()["decidedBy"].GetStringValue() != approver.Actor || done.GetSteps()[1].GetState() != runsv1.Step_SUCCEEDED {
		t.Errorf("done: %s", done)
	}
	_, err = h.as(approver).DecideTask(t.Context(), approve)
	if rpc.ReasonOf(err) != "ALREADY_DECIDED" {
		t.Errorf("after the end: %v", err)
	}
}

// TestWhoMayNotReadRunsSeesOwnTasksAlone: a newcomer hands in documents and learns nothing of others.
func TestWhoMayNotReadRunsSeesOwnTasksAlone(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	_, task, _ := h.asked()
	for role, want := range map[string]int{"newcomer": 0, "approver": 1} {
		c := h.as(h.user([]string{role}, "tasks.read", "tasks.decide"))
		list, err := c.ListTasks(t.Context(), &runsv1.ListTasksRequest{})
		if err != nil || len(list.GetTasks()) != want {
			t.Errorf("%s: %v, %v", role, list, err)
		}
		if _, err := c.GetTask(t.Context(), &runsv1.GetTaskRequest{Name: task.GetName()}); (err == nil) != (want == 1) {
			t.Errorf("%s: %v", role, err)
		}
	}
}

// A task is not there for who may not see it, whatever the command.
func TestForeignTasksAreNotThere(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	_, task, _ := h.asked()
	c := h.as(h.user([]string{"newcomer"}, "tasks.read", "tasks.decide"))
	for command, err := range map[string]error{
		"get":      second(c.GetTask(t.Context(), &runsv1.GetTaskRequest{Name: task.GetName()})),
		"claim":    second(c.ClaimTask(t.Context(), &runsv1.ClaimTaskRequest{Name: task.GetName()})),
		"release":  second(c.ReleaseTask(t.Context(), &runsv1.ReleaseTaskRequest{Name: task.GetName()})),
		"delegate": second(c.DelegateTask(t.Context(), &runsv1.DelegateTaskRequest{Name: task.GetName(), Assignee: "roles/newcomer"})),
		"decide":   second(c.DecideTask(t.Context(), &runsv1.DecideTaskRequest{Name: task.GetName(), Decision: runsv1.Task_APPROVE})),
	} {
		if connect.CodeOf(err) != connect.CodeNotFound {
			t.Errorf("%s: %v", command, err)
		}
	}
}

// What was given to somebody who does not decide is taken back by who gave it, for whom it was first.
func TestDelegationIsTakenBack(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	run, task, admin := h.asked()
	approver := func() auth.Caller { return h.user([]string{"approver"}, "tasks.read", "tasks.decide") }
	eve, bob := approver(), approver()
	nobody := "users/01900000-0000-7000-8000-000000000009"
	give := func(from auth.Caller, to string) {
		t.Helper()
		given, err := h.as(from).DelegateTask(t.Context(), &runsv1.DelegateTaskRequest{Name: task.GetName(), Assignee: to})
		if err != nil || given.GetAssignee() != to || given.GetDelegatedBy() != from.Actor {
			t.Fatalf("given: %v, %v", given, err)
		}
	}
	takeBack := func(by auth.Caller) {
		t.Helper()
		back, err := h.as(by).ReleaseTask(t.Context(), &runsv1.ReleaseTaskRequest{Name: task.GetName()})
		if err != nil || back.GetAssignee() != "roles/approver" || back.GetDelegatedBy() != "" || back.GetClaimedBy() != "" || !back.GetDecidable() {
			t.Fatalf("back: %v, %v", back, err)
		}
	}
	give(eve, nobody)
	if seen, err := h.as(eve).GetTask(t.Context(), &runsv1.GetTaskRequest{Name: task.GetName()}); err != nil || seen.GetDecidable() {
		t.Errorf("who gave it away sees %v, %v", seen, err)
	}
	if _, err := h.as(bob).ReleaseTask(t.Context(), &runsv1.ReleaseTaskRequest{Name: task.GetName()}); connect.CodeOf(err) != connect.CodeNotFound {
		t.Errorf("who has not delegated it: %v", err)
	}
	takeBack(eve)

	give(eve, bob.Actor) // on and on: it goes back to the first
	give(bob, nobody)
	takeBack(bob)

	give(eve, eve.Actor) // to oneself, and claimed
	if _, err := h.as(eve).ClaimTask(t.Context(), &runsv1.ClaimTaskRequest{Name: task.GetName()}); err != nil {
		t.Fatal(err)
	}
	takeBack(eve)

	journal, err := admin.ListEvents(t.Context(), &runsv1.ListEventsRequest{Run: run.GetName()})
	if err != nil {
		t.Fatal(err)
	}
	told := 0
	for _, event := range journal.GetEvents() {
		if event.GetMessage() == "taken back for roles/approver" {
			told++
		}
	}
	if told != 3 {
		t.Errorf("the journal tells of %d times", told)
	}
	give(eve, bob.Actor)
	worker := h.asRun(run.GetName(), run.GetActor())
	if _, err := worker.EscalateTask(t.Context(), &runsv1.EscalateTaskRequest{Name: task.GetName(), Assignee: "roles/operator"}); err != nil {
		t.Fatal(err)
	}
	if kept, err := h.as(eve).ReleaseTask(t.Context(), &runsv1.ReleaseTaskRequest{Name: task.GetName()}); err != nil || kept.GetAssignee() != "roles/operator" {
		t.Errorf("after the escalation: %v, %v", kept, err)
	}
}

func TestRejectionIsObeyed(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	run, task, admin := h.asked()
	if _, err := admin.DecideTask(t.Context(), &runsv1.DecideTaskRequest{Name: task.GetName(), Decision: runsv1.Task_REJECT, Reason: "no seat"}); err != nil {
		t.Fatal(err)
	}
	failed := until(t, admin, run.GetName(), "failed", inState(runsv1.Run_FAILED))
	if failed.GetError().GetReason() != "REJECTED" || failed.GetError().GetMessage() != "no seat" {
		t.Errorf("error: %s", failed.GetError())
	}
	if calls := h.probe.seen(); calls[len(calls)-1] != "undo one" {
		t.Errorf("calls: %v", calls)
	}
}

func TestClaimAndRelease(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	_, task, admin := h.asked()
	ada, grace := h.as(h.user([]string{"approver"}, "tasks.read", "tasks.decide")), h.as(h.user([]string{"approver"}, "tasks.read", "tasks.decide"))
	claimed, err := ada.ClaimTask(t.Context(), &runsv1.ClaimTaskRequest{Name: task.GetName()})
	if err != nil || claimed.GetClaimedBy() == "" || claimed.GetVersion() != task.GetVersion()+1 {
		t.Fatalf("%v, %v", claimed, err)
	}
	for what, err := range map[string]error{
		"claim": func() error {
			_, err := grace.ClaimTask(t.Context(), &runsv1.ClaimTaskRequest{Name: task.GetName()})
			return err
		}(),
		"decide": func() error {
			_, err := grace.DecideTask(t.Context(), &runsv1.DecideTaskRequest{Name: task.GetName(), Decision: runsv1.Task_APPROVE})
			return err
		}(),
		"release": func() error {
			_, err := grace.ReleaseTask(t.Context(), &runsv1.ReleaseTaskRequest{Name: task.GetName()})
			return err
		}(),
	} {
		if rpc.ReasonOf(err) != "CLAIMED" {
			t.Errorf("%s of another's task: %v", what, err)
		}
	}
	if _, err := admin.ReleaseTask(t.Context(), &runsv1.ReleaseTaskRequest{Name: task.GetName()}); err != nil {
		t.Errorf("release by an administrator: %v", err)
	}
	if _, err := grace.DecideTask(t.Context(), &runsv1.DecideTaskRequest{Name: task.GetName(), Decision: runsv1.Task_APPROVE}); err != nil {
		t.Errorf("decide once released: %v", err)
	}
}

func TestDecisionWhileNoWorkerRuns(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	run, task, admin := h.asked()
	h.stopWorker()
	// The signal is lost on purpose: the reconciler has to tell the decision.
	h.system(func(tx pgx.Tx) error {
		_, err := tx.Exec(t.Context(), `UPDATE runs.task SET state = 'DECIDED', decision = 'APPROVE', decided_by = 'users/somebody', decided_at = now(), version = version + 1`)
		return err
	})
	_, err := admin.DecideTask(t.Context(), &runsv1.DecideTaskRequest{Name: task.GetName(), Decision: runsv1.Task_APPROVE})
	if rpc.ReasonOf(err) != "ALREADY_DECIDED" {
		t.Errorf("second decision: %v", err)
	}
	h.startWorker()
	h.background(h.newService((&clock{now: time.Now().Add(30 * time.Second)}).Now))
	until(t, admin, run.GetName(), "completed", inState(runsv1.Run_COMPLETED))
}

func TestCancelWithdrawsTheTask(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	run, task, admin := h.asked()
	if _, err := admin.CancelRun(t.Context(), &runsv1.CancelRunRequest{Name: run.GetName(), Reason: "stop"}); err != nil {
		t.Fatal(err)
	}
	until(t, admin, run.GetName(), "cancelled", inState(runsv1.Run_CANCELLED))
	_, err := admin.DecideTask(t.Context(), &runsv1.DecideTaskRequest{Name: task.GetName(), Decision: runsv1.Task_APPROVE})
	if rpc.ReasonOf(err) != "WITHDRAWN" {
		t.Errorf("decision after the end: %v", err)
	}
}

func TestFactsWakeAndStartRuns(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	h.background(h.service)
	run, c := h.start("waiting")
	until(t, c, run.GetName(), "waiting", inState(runsv1.Run_WAITING))
	publish := func(kind string, payload map[string]any, about uuid.UUID) {
		if err := h.db.Tx(t.Context(), h.org, func(tx pgx.Tx) error { return events.PublishFact(t.Context(), tx, kind, payload, about) }); err != nil {
			t.Fatal(err)
		}
	}
	for _, user := range []string{"users/2", "users/1"} { // it waits for the second one
		publish("identity.invitation.accepted", map[string]any{"user": user}, uuid.MustParse(run.GetName()[len("runs/"):]))
	}
	done := until(t, c, run.GetName(), "completed", inState(runsv1.Run_COMPLETED))
	if taken := done.GetResult().GetFields()["decidedBy"].GetStringValue(); done.GetSteps()[0].GetState() != runsv1.Step_SUCCEEDED || !strings.Contains(taken, "users/1") {
		t.Errorf("step: %s, taken: %s", done.GetSteps()[0], taken)
	}

	publish("identity.user.signed_up", map[string]any{"email": "new@example.org", "displayName": "New", "role": "member", "unknownToTheProcess": 1}, uuid.Nil)
	publish("identity.user.signed_up", map[string]any{"email": "not an address"}, uuid.Nil) // fits no process: kept out, not repeated for ever
	eventually(t, func() (bool, string) {
		list, err := c.ListRuns(t.Context(), &runsv1.ListRunsRequest{Filter: `process="waiting" AND actor:"facts/"`})
		if err != nil {
			t.Fatal(err)
		}
		return len(list.GetRuns()) == 1, list.String()
	})
}
