package runs_test

import (
	"testing"

	"connectrpc.com/connect"
	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/microservicehub/mshub/internal/auth"
	"github.com/microservicehub/mshub/internal/rpc"
	runsv1 "github.com/microservicehub/mshub/services/runs/v1"
)

func TestQuorumFourEyesAndForm(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	starter, excluded := h.admin(), h.admin()
	run, err := h.as(starter).StartRun(t.Context(), &runsv1.StartRunRequest{Process: "voted", Input: input(t, map[string]any{
		"email": "ada@example.org", "displayName": "Ada", "role": "member", "approver": excluded.Actor,
	})})
	if err != nil {
		t.Fatal(err)
	}
	until(t, h.as(starter), run.GetName(), "waiting", inState(runsv1.Run_WAITING))
	one, two := h.user([]string{"approver"}, "tasks.read", "tasks.decide"), h.user([]string{"approver", "member"}, "tasks.read", "tasks.decide")
	list, err := h.as(two).ListTasks(t.Context(), &runsv1.ListTasksRequest{Mine: true})
	if err != nil || len(list.GetTasks()) != 1 {
		t.Fatalf("inbox: %v, %v", list, err)
	}
	task := list.GetTasks()[0]
	if task.GetQuorum() != 2 || !task.GetFourEyes() || !task.GetDecidable() || task.GetFormSchema().GetFields()["properties"] == nil {
		t.Errorf("task: %s", task)
	}
	good := input(t, map[string]any{"files": []any{"files/01900000-0000-7000-8000-000000000001"}})
	approve := &runsv1.DecideTaskRequest{Name: task.GetName(), Decision: runsv1.Task_APPROVE, Form: good}
	for name, tc := range map[string]struct {
		by     func() error
		reason string
		field  string
	}{
		"the starter": {func() error { _, err := h.as(starter).DecideTask(t.Context(), approve); return err }, "FOUR_EYES", ""},
		"an excluded": {func() error { _, err := h.as(excluded).DecideTask(t.Context(), approve); return err }, "FOUR_EYES", ""},
		"without the form": {func() error {
			_, err := h.as(one).DecideTask(t.Context(), &runsv1.DecideTaskRequest{Name: task.GetName(), Decision: runsv1.Task_APPROVE})
			return err
		}, "INVALID_FIELD", "form.files"},
		"an unknown field": {func() error {
			_, err := h.as(one).DecideTask(t.Context(), &runsv1.DecideTaskRequest{Name: task.GetName(), Decision: runsv1.Task_APPROVE, Form: input(t, map[string]any{"fils": 1})})
			return err
		}, "INVALID_FIELD", "form.fils"},
		"delegated to who may not": {func() error {
			_, err := h.as(one).DelegateTask(t.Context(), &runsv1.DelegateTaskRequest{Name: task.GetName(), Assignee: starter.Actor})
			return err
		}, "INVALID_FIELD", "assignee"},
	} {
		err := tc.by()
		if rpc.ReasonOf(err) != tc.reason || tc.field != "" && !cmp.Equal(rpc.FieldsOf(err), []string{tc.field}) {
			t.Errorf("%s: %v (%v)", name, err, rpc.FieldsOf(err))
		}
	}
	if _, err := h.as(one).ClaimTask(t.Context(), &runsv1.ClaimTaskRequest{Name: task.GetName()}); err != nil {
		t.Fatal(err)
	}
	voted, err := h.as(one).DecideTask(t.Context(), approve)
	if err != nil || voted.GetState() != runsv1.Task_OPEN || len(voted.GetVotes()) != 1 || voted.GetClaimedBy() != "" || voted.GetDecidable() {
		t.Fatalf("first vote: %v, %v", voted, err)
	}
	if _, err := h.as(one).DecideTask(t.Context(), approve); rpc.ReasonOf(err) != "ALREADY_VOTED" {
		t.Errorf("voting twice: %v", err)
	}
	if list, err := h.as(one).ListTasks(t.Context(), &runsv1.ListTasksRequest{Mine: true}); err != nil || len(list.GetTasks()) != 0 {
		t.Errorf("the inbox of who has voted: %v, %v", list, err)
	}
	three := h.user([]string{"operator"}, "tasks.read", "tasks.decide")
	given, err := h.as(two).DelegateTask(t.Context(), &runsv1.DelegateTaskRequest{Name: task.GetName(), Assignee: three.Actor, Reason: "knows better"})
	if err != nil || given.GetDelegatedBy() != two.Actor || given.GetDecidable() {
		t.Fatalf("delegated: %v, %v", given, err)
	}
	decided, err := h.as(three).DecideTask(t.Context(), &runsv1.DecideTaskRequest{Name: task.GetName(), Decision: runsv1.Task_APPROVE, Form: good, Version: given.GetVersion()})
	if err != nil || decided.GetState() != runsv1.Task_DECIDED || len(decided.GetVotes()) != 2 || decided.GetDecidedBy() != three.Actor {
		t.Fatalf("second vote: %v, %v", decided, err)
	}
	done := until(t, h.as(starter), run.GetName(), "completed", inState(runsv1.Run_COMPLETED))
	if done.GetResult().GetFields()["decidedBy"].GetStringValue() != "APPROVE" || len(done.GetResult().GetFields()["documents"].GetListValue().GetValues()) != 1 {
		t.Errorf("result: %s", done.GetResult())
	}
}

// Who holds a machine's key would be two: machines have no voice where several people must look. Elsewhere they decide.
func TestPeopleAloneVote(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	machine := auth.Caller{Kind: auth.Client, ClientID: "ci", Actor: "clients/ci", Organisation: h.org, Permissions: []string{"*"}}
	c := h.as(machine)
	run := h.begin(c, "voted", "Ada")
	until(t, c, run.GetName(), "waiting", inState(runsv1.Run_WAITING))
	list, err := c.ListTasks(t.Context(), &runsv1.ListTasksRequest{})
	if err != nil || len(list.GetTasks()) != 1 || list.GetTasks()[0].GetDecidable() {
		t.Fatalf("tasks: %v, %v", list, err)
	}
	name := list.GetTasks()[0].GetName()
	for _, rule := range []struct {
		fourEyes bool
		quorum   int
		excluded []string
	}{{true, 1, []string{}}, {false, 2, []string{}}, {false, 1, []string{"users/first"}}} {
		h.system(func(tx pgx.Tx) error {
			_, err := tx.Exec(t.Context(), "UPDATE runs.task SET four_eyes = $1, quorum = $2, excluded = $3", rule.fourEyes, rule.quorum, rule.excluded)
			return err
		})
		for command, err := range map[string]error{
			"decide":   second(c.DecideTask(t.Context(), &runsv1.DecideTaskRequest{Name: name, Decision: runsv1.Task_REJECT, Reason: "no"})),
			"claim":    second(c.ClaimTask(t.Context(), &runsv1.ClaimTaskRequest{Name: name})),
			"delegate": second(c.DelegateTask(t.Context(), &runsv1.DelegateTaskRequest{Name: name, Assignee: "roles/admin"})),
		} {
			if connect.CodeOf(err) != connect.CodePermissionDenied || rpc.ReasonOf(err) != "ONLY_PEOPLE" {
				t.Errorf("%v, %s: %v", rule, command, err)
			}
		}
		if mine, err := c.ListTasks(t.Context(), &runsv1.ListTasksRequest{Mine: true}); err != nil || len(mine.GetTasks()) != 0 {
			t.Errorf("%v: the machine's inbox: %v, %v", rule, mine, err)
		}
	}
	_, plain, _ := h.asked()
	if mine, err := c.ListTasks(t.Context(), &runsv1.ListTasksRequest{Mine: true}); err != nil || len(mine.GetTasks()) != 1 {
		t.Errorf("the machine's inbox: %v, %v", mine, err)
	}
	if _, err := c.DecideTask(t.Context(), &runsv1.DecideTaskRequest{Name: plain.GetName(), Decision: runsv1.Task_APPROVE}); err != nil {
		t.Errorf("a decision for one: %v", err)
	}
}

// A client is no pair of eyes beside those of the people who know its secret: what it starts, or plans, they started.
func TestFourEyesSeeThroughAClient(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	maker, other := h.admin(), h.user([]string{"approver"}, "tasks.read", "tasks.decide")
	machine := auth.Caller{
		Kind: auth.Client, ClientID: "ci", Actor: "clients/ci", Organisation: h.org, Permissions: []string{"*"}, Keepers: []string{maker.Actor, "users/former"},
	}
	_, err := h.as(machine).CreateSchedule(t.Context(), &runsv1.CreateScheduleRequest{ScheduleId: "yearly", Schedule: &runsv1.Schedule{
		Title: "Each year", Process: "voted", Input: input(t, ada), Cron: "0 0 1 1 *", TimeZone: "UTC",
	}})
	if err != nil {
		t.Fatal(err)
	}
	h.system(func(tx pgx.Tx) error {
		_, err := tx.Exec(t.Context(), "UPDATE runs.schedule SET next_at = now() WHERE id = 'yearly'")
		return err
	})
	h.begin(h.as(machine), "voted", "Ada")
	h.background(h.service)
	var tasks []*runsv1.Task
	eventually(t, func() (bool, string) {
		list, err := h.as(other).ListTasks(t.Context(), &runsv1.ListTasksRequest{Mine: true})
		if err != nil {
			t.Fatal(err)
		}
		tasks = list.GetTasks()
		return len(tasks) == 2, list.String()
	})
	good := input(t, map[string]any{"files": []any{"files/01900000-0000-7000-8000-000000000001"}})
	for _, task := range tasks {
		for command, err := range map[string]error{
			"decide":   second(h.as(maker).DecideTask(t.Context(), &runsv1.DecideTaskRequest{Name: task.GetName(), Decision: runsv1.Task_APPROVE, Form: good})),
			"claim":    second(h.as(maker).ClaimTask(t.Context(), &runsv1.ClaimTaskRequest{Name: task.GetName()})),
			"delegate": second(h.as(maker).DelegateTask(t.Context(), &runsv1.DelegateTaskRequest{Name: task.GetName(), Assignee: other.Actor})),
		} {
			if connect.CodeOf(err) != connect.CodePermissionDenied || rpc.ReasonOf(err) != "FOUR_EYES" {
				t.Errorf("%s by who registered the client: %v", command, err)
			}
		}
		if _, err := h.as(other).DelegateTask(t.Context(), &runsv1.DelegateTaskRequest{Name: task.GetName(), Assignee: maker.Actor}); !cmp.Equal(rpc.FieldsOf(err), []string{"assignee"}) {
			t.Errorf("given to who registered the client: %v", err)
		}
	}
	if mine, err := h.as(maker).ListTasks(t.Context(), &runsv1.ListTasksRequest{Mine: true}); err != nil || len(mine.GetTasks()) != 0 {
		t.Errorf("the inbox of who registered the client: %v, %v", mine, err)
	}
	for _, task := range tasks {
		reject := &runsv1.DecideTaskRequest{Name: task.GetName(), Decision: runsv1.Task_REJECT, Reason: "no"}
		if decided, err := h.as(other).DecideTask(t.Context(), reject); err != nil || decided.GetState() != runsv1.Task_DECIDED {
			t.Errorf("another approver: %v, %v", decided, err)
		}
		until(t, h.as(maker), task.GetRun(), "completed", inState(runsv1.Run_COMPLETED))
	}
	left := -1
	h.system(func(tx pgx.Tx) error {
		return tx.QueryRow(t.Context(), "SELECT count(*) FROM runs.run WHERE keepers <> '{}'").Scan(&left)
	})
	if left != 0 {
		t.Errorf("%d ended runs still name people behind a client", left)
	}
}

func TestDecisionsThatAreRefused(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	run, task, admin := h.asked()
	_, err := admin.DecideTask(t.Context(), &runsv1.DecideTaskRequest{Name: task.GetName(), Decision: runsv1.Task_APPROVE, Form: input(t, map[string]any{"a": 1})})
	if connect.CodeOf(err) != connect.CodeInvalidArgument || !cmp.Equal(rpc.FieldsOf(err), []string{"form"}) {
		t.Errorf("a form that nobody asked for: %v", err)
	}
	if _, err := admin.PauseRun(t.Context(), &runsv1.PauseRunRequest{Name: run.GetName()}); err != nil {
		t.Fatal(err)
	}
	decide := func(name string) string {
		_, err := admin.DecideTask(t.Context(), &runsv1.DecideTaskRequest{Name: name, Decision: runsv1.Task_APPROVE})
		return rpc.ReasonOf(err)
	}
	if got := decide(task.GetName()); got != "RUN_PAUSED" {
		t.Errorf("of a paused run: %s", got)
	}
	if _, err := admin.ResumeRun(t.Context(), &runsv1.ResumeRunRequest{Name: run.GetName()}); err != nil {
		t.Fatal(err)
	}
	if _, err := admin.ResetRun(t.Context(), &runsv1.ResetRunRequest{Name: run.GetName(), Step: "one", Reason: "once more"}); err != nil {
		t.Fatal(err)
	}
	var fresh *runsv1.Task
	eventually(t, func() (bool, string) {
		list, err := admin.ListTasks(t.Context(), &runsv1.ListTasksRequest{Filter: `state="OPEN"`})
		if err != nil {
			t.Fatal(err)
		}
		for _, other := range list.GetTasks() {
			if other.GetName() != task.GetName() {
				fresh = other
			}
		}
		return fresh != nil, list.String()
	})
	if got := decide(task.GetName()); got != "WITHDRAWN" {
		t.Errorf("of a reset run: %s", got)
	}
	if got := decide(fresh.GetName()); got != "" {
		t.Errorf("the new task: %s", got)
	}
	until(t, admin, run.GetName(), "completed", inState(runsv1.Run_COMPLETED))
}

func TestEscalationYieldsToADecision(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	run, task, admin := h.asked()
	worker := h.asRun(run.GetName(), run.GetActor())
	first := h.user([]string{"approver"}, "runs.read", "tasks.read", "tasks.decide")
	if _, err := h.as(first).ClaimTask(t.Context(), &runsv1.ClaimTaskRequest{Name: task.GetName()}); err != nil {
		t.Fatal(err)
	}
	escalate := &runsv1.EscalateTaskRequest{Name: task.GetName(), Assignee: "roles/operator"}
	for range 2 { // the second time changes nothing
		given, err := worker.EscalateTask(t.Context(), escalate)
		if err != nil || !given.GetEscalated() || given.GetAssignee() != "roles/operator" || given.GetClaimedBy() != "" || given.GetVersion() != task.GetVersion()+2 {
			t.Errorf("escalated: %v, %v", given, err)
		}
	}
	if _, err := h.as(first).DecideTask(t.Context(), &runsv1.DecideTaskRequest{Name: task.GetName(), Decision: runsv1.Task_APPROVE}); rpc.ReasonOf(err) != "NOT_YOURS" {
		t.Errorf("who had it before: %v", err)
	}
	if _, err := admin.DecideTask(t.Context(), &runsv1.DecideTaskRequest{Name: task.GetName(), Decision: runsv1.Task_APPROVE}); err != nil {
		t.Fatal(err)
	}
	late, err := worker.EscalateTask(t.Context(), &runsv1.EscalateTaskRequest{Name: task.GetName(), Assignee: "roles/admin"})
	if err != nil || late.GetState() != runsv1.Task_DECIDED || late.GetAssignee() != "roles/operator" {
		t.Errorf("after the decision: %v, %v", late, err)
	}
}
