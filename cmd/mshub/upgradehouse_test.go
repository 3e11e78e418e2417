package main

import (
	"log/slog"
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"
	"go.temporal.io/sdk/client"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/microservicehub/mshub/events"
	eventsv1 "github.com/microservicehub/mshub/events/v1"
	"github.com/microservicehub/mshub/internal/auth"
	"github.com/microservicehub/mshub/internal/blob"
	"github.com/microservicehub/mshub/internal/postgres"
	"github.com/microservicehub/mshub/internal/rpc"
	"github.com/microservicehub/mshub/internal/testenv"
	"github.com/microservicehub/mshub/services/audit"
	auditv1 "github.com/microservicehub/mshub/services/audit/v1"
	"github.com/microservicehub/mshub/services/identity"
	identityv1 "github.com/microservicehub/mshub/services/identity/v1"
	"github.com/microservicehub/mshub/services/records"
	recordstore "github.com/microservicehub/mshub/services/records/store"
	recordsv1 "github.com/microservicehub/mshub/services/records/v1"
	"github.com/microservicehub/mshub/services/runs"
	runsv1 "github.com/microservicehub/mshub/services/runs/v1"
	"github.com/microservicehub/mshub/workflows"
)

// numbered is the fixtures' way to name things.
func numbered(suffix string) string {
	return "01930000-0000-7000-8000-000000000000"[:36-len(suffix)] + suffix
}

// sensible asks what the new columns and tables say of rows from before them.
func sensible(t *testing.T, conn *pgx.Conn) {
	t.Helper()
	for query, want := range map[string]string{
		"SELECT string_agg(DISTINCT concat_ws(' ', build, parked), ',') FROM events.run_head WHERE run <> '" + numbered("213") + "'":                                          " f",
		"SELECT count(*)::text FROM events.fact WHERE fanned_at IS NULL":                                                                                                      "0",
		"SELECT string_agg(DISTINCT concat_ws(' ', priority, queued, permissions), ',') FROM runs.run WHERE key IS NULL":                                                      "3 f {}",
		"SELECT string_agg(subject, ',' ORDER BY subject) FROM runs.run_subject WHERE run IN ('" + numbered("201") + "', '" + numbered("202") + "')":                          "bob@example.com,grace@example.com,users/" + numbered("101"),
		"SELECT concat_ws(' ', quorum, four_eyes, excluded, escalated) FROM runs.task WHERE state = 'OPEN'":                                                                   "1 f {} f",
		"SELECT concat_ws(' ', decision, actor, reason) FROM runs.task_vote WHERE task = '" + numbered("301") + "'":                                                           "APPROVE users/" + numbered("101") + " known for years",
		"SELECT bool_and(shelf_id = id)::text FROM records.dataset":                                                                                                           "true",
		"SELECT string_agg(concat_ws(' ', shelf_id = dataset_id, format ->> 'delimiter', format ->> 'nullTokens', max_rejects, undo), ',' ORDER BY id) FROM records.import":   `t , [] 0 f,t ; ["-"] 0 f`,
		"SELECT string_agg(concat_ws(' ', number, faults #>> '{0,column}', faults #>> '{0,value}', faults #>> '{0,reason}'), ',' ORDER BY number) FROM records.import_reject": "3 people many is no integer,4   has 3 cells, the header has 2",
		"SELECT string_agg(concat_ws(' ', title, keepers), ',' ORDER BY title) FROM authserver.client":                                                                        "Nightly {},Planner {users/" + numbered("101") + "}",
		"SELECT string_agg(concat_ws(' ', id, keepers), ',' ORDER BY id) FROM runs.schedule":                                                                                  "nightly {},weekly {users/" + numbered("101") + "}",
		"SELECT string_agg(DISTINCT keepers::text, ',') FROM runs.run WHERE id <> '" + numbered("202") + "'":                                                                  "{}",
		"SELECT string_agg(DISTINCT concat_ws(' ', joins), ',') FROM identity.invitations":                                                                                    "f",
		"SELECT string_agg(DISTINCT concat_ws(' ', digest), ',') FROM identity.memberships":                                                                                   "t",
		"SELECT string_agg(concat_ws(' ', title, builtin), ',' ORDER BY organisation_id) FROM identity.roles WHERE slug = 'newcomer'":                                         "Newcomer t,New here f",
		"SELECT string_agg(DISTINCT permissions::text, ',') FROM identity.roles WHERE slug = 'approver'":                                                                      "{files.read,runs.read,tasks.*}",
	} {
		var got string
		if err := conn.QueryRow(t.Context(), query).Scan(&got); err != nil || got != want {
			t.Errorf("%s:\ngot  %q (%v)\nwant %q", query, got, err, want)
		}
	}
}

// goesOn works with the house after the upgrade: what was read is read, what was open can be ended.
func goesOn(t *testing.T, db *postgres.DB) {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	a, b := uuid.MustParse(numbered("a")), uuid.MustParse(numbered("b"))
	ada := auth.Caller{
		Kind: auth.User, User: uuid.MustParse(numbered("101")), Actor: "users/" + numbered("101"), Organisation: a, ClientID: "console",
		Permissions: []string{"*"}, Roles: []string{"admin"}, Scopes: []string{"admin"},
	}
	t.Run("runs", func(t *testing.T) { oldRuns(t, db, log, ada) })
	t.Run("records", func(t *testing.T) { oldImports(t, db, log, ada) })
	t.Run("identity", func(t *testing.T) {
		people := identity.New(db, identity.Config{}, "https://hub.example", [][]byte{make([]byte, 32)}, http.DefaultClient, time.Now, log)
		list, err := people.ListUsers(auth.With(t.Context(), ada), &identityv1.ListUsersRequest{Filter: `roles:"admin"`})
		if err != nil || len(list.GetUsers()) != 1 || list.GetUsers()[0].GetName() != ada.Actor {
			t.Errorf("%v, %v", list, err)
		}
		if me, err := people.GetMe(auth.With(t.Context(), ada), &identityv1.GetMeRequest{}); err != nil || !me.GetDigest() {
			t.Errorf("%v, %v", me, err)
		}
		// A role that bears the name of the built-in newcomer by chance is given by nobody who has less.
		machine := auth.Caller{Kind: auth.Client, ClientID: "hr", Actor: "clients/hr", Organisation: b, Permissions: []string{"identity.write"}}
		_, err = people.CreateUser(auth.With(t.Context(), machine), &identityv1.CreateUserRequest{
			User: &identityv1.User{Email: "new@example.com", DisplayName: "New", Roles: []string{"newcomer"}},
		})
		if rpc.ReasonOf(err) != "MORE_THAN_YOURS" {
			t.Errorf("gave a role of all permissions: %v", err)
		}
	})
	t.Run("audit", func(t *testing.T) { // last: the others have written entries meanwhile
		if err := audit.NewSealer(db, log).Seal(t.Context()); err != nil {
			t.Fatal(err)
		}
		for organisation, atLeast := range map[uuid.UUID]int64{a: 5, b: 1} {
			caller := ada
			caller.Organisation = organisation
			chain, err := audit.New(db).VerifyChain(auth.With(t.Context(), caller), &auditv1.VerifyChainRequest{})
			if err != nil || !chain.GetValid() || chain.GetEntries() < atLeast {
				t.Errorf("%v, %v", chain, err)
			}
		}
	})
}

func oldRuns(t *testing.T, db *postgres.DB, log *slog.Logger, ada auth.Caller) {
	ctx := auth.With(t.Context(), ada)
	options, err := redis.ParseURL(testenv.Redis(t))
	if err != nil {
		t.Fatal(err)
	}
	wakes := redis.NewClient(options)
	t.Cleanup(func() { _ = wakes.Close() })
	away, err := client.NewLazyClient(client.Options{HostPort: "127.0.0.1:1", Logger: log}) // Temporal has nothing to say here
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(away.Close)
	journal := events.NewPublisher(db, wakes, log)
	service, err := runs.New(runs.Parts{
		DB: db, Events: journal, Temporal: away, Processes: workflows.All, Schemas: workflows.Schemas,
		Config: runs.Config{Retention: 90 * 24 * time.Hour}, Logger: log, Now: time.Now,
	})
	if err != nil {
		t.Fatal(err)
	}
	for what, c := range map[string]struct {
		req  *runsv1.ListRunsRequest
		want []string
	}{
		"all":        {&runsv1.ListRunsRequest{}, []string{"213", "204", "203", "202", "201"}},
		"by state":   {&runsv1.ListRunsRequest{Filter: `state="WAITING"`}, []string{"202"}},
		"by process": {&runsv1.ListRunsRequest{Filter: `process="recordimport" AND parked=false`}, []string{"204", "203"}},
		"by a word":  {&runsv1.ListRunsRequest{Search: "hopp"}, []string{"201"}},
		"by a part":  {&runsv1.ListRunsRequest{Search: "2013 csv"}, []string{"203"}},
	} {
		list, err := service.ListRuns(ctx, c.req)
		var got []string
		for _, run := range list.GetRuns() {
			got = append(got, run.GetName()[len(run.GetName())-3:])
		}
		if diff := cmp.Diff(c.want, got); err != nil || diff != "" {
			t.Errorf("runs %s: %v %s", what, err, diff)
		}
	}
	old, err := service.GetRun(ctx, &runsv1.GetRunRequest{Name: "runs/" + numbered("201")})
	if err != nil || old.GetState() != runsv1.Run_COMPLETED || len(old.GetSteps()) != 2 || old.GetSteps()[1].GetState() != runsv1.Step_SUCCEEDED {
		t.Errorf("%v, %v", old, err)
	}
	input, err := structpb.NewStruct(map[string]any{"email": "grace@example.com", "displayName": "Grace Hopper", "role": "member", "approver": ada.Actor})
	if err != nil {
		t.Fatal(err)
	}
	again, err := service.StartRun(ctx, &runsv1.StartRunRequest{Process: "onboarding", Input: input, IdempotencyKey: "first"})
	if err != nil || again.GetName() != old.GetName() {
		t.Errorf("the same start after the upgrade: %v, %v", again, err)
	}

	tasks, err := service.ListTasks(ctx, &runsv1.ListTasksRequest{Mine: true})
	if err != nil || len(tasks.GetTasks()) != 1 || !tasks.GetTasks()[0].GetDecidable() {
		t.Fatalf("%v, %v", tasks, err)
	}
	decided, err := service.DecideTask(ctx, &runsv1.DecideTaskRequest{Name: tasks.GetTasks()[0].GetName(), Decision: runsv1.Task_APPROVE, Version: 1})
	if err != nil || decided.GetState() != runsv1.Task_DECIDED {
		t.Errorf("%v, %v", decided, err)
	}

	// An open run's journal goes on at its place; what its steps counted before a reset is all there is to take back.
	open := uuid.MustParse(numbered("204"))
	entry := events.Entry{
		Organisation: ada.Organisation, Run: open, ID: "rows/1/succeeded",
		Event:    &eventsv1.Event{Kind: events.StepSucceeded, Step: "rows", Attempt: 1, Build: "new"},
		Progress: &eventsv1.Progress{Done: 2, Total: 3, Unit: "rows"},
	}
	if err := journal.Publish(ctx, entry, entry); err != nil {
		t.Fatal(err)
	}
	run, err := service.GetRun(ctx, &runsv1.GetRunRequest{Name: "runs/" + open.String()})
	if err != nil || run.GetProgress().GetDone() != 3 || run.GetSeq() != 4 || run.GetBuild() != "new" {
		t.Errorf("%v, %v", run, err)
	}
}

func oldImports(t *testing.T, db *postgres.DB, log *slog.Logger, ada auth.Caller) {
	ctx := auth.With(t.Context(), ada)
	scratch, err := blob.Open(t.Context(), blob.Directory(t.TempDir()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = scratch.Close() })
	// The working copy of the import that was under way lies where the first release had put it.
	if err := scratch.WriteAll(t.Context(), numbered("a")+"/"+numbered("204"), []byte("name;people\nHamar;321\nAlta;5200\nMoss;-\n"), nil); err != nil {
		t.Fatal(err)
	}
	service := records.New(db, recordstore.NewJSONB(db), scratch, http.DefaultClient, records.Config{MaxBytes: 1 << 20}, log, time.Now)
	list, err := service.ListRecords(ctx, &recordsv1.ListRecordsRequest{Parent: "datasets/cities", Filter: `name="Oslo"`})
	if err != nil || len(list.GetRecords()) != 1 {
		t.Errorf("%v, %v", list, err)
	}
	rejects, err := service.ListRejects(ctx, &recordsv1.ListRejectsRequest{Parent: "imports/" + numbered("203")})
	if err != nil || len(rejects.GetRejects()) != 2 || rejects.GetRejects()[0].GetFaults()[0].GetColumn() != "people" {
		t.Errorf("%v, %v", rejects, err)
	}
	as := func(run string) auth.Caller {
		return auth.Caller{Kind: auth.Run, Run: uuid.MustParse(numbered(run)), Organisation: ada.Organisation, Actor: ada.Actor}
	}
	// Their cells were not kept then: read again they would be empty records.
	replay := auth.With(t.Context(), as("299"))
	if _, err := service.PlanImport(replay, &recordsv1.PlanImportRequest{RejectsOf: "runs/" + numbered("203")}); rpc.ReasonOf(err) != "NO_REJECTS" {
		t.Errorf("rejects without cells are read again: %v", err)
	}
	under := auth.With(t.Context(), as("204"))
	chunk, err := service.ImportChunk(under, &recordsv1.ImportChunkRequest{Chunk: 2})
	if err != nil || chunk.GetInserted() != 2 {
		t.Errorf("%v, %v", chunk, err)
	}
	sum, err := service.FinishImport(under, &recordsv1.FinishImportRequest{})
	if err != nil || sum.GetRead() != 3 || sum.GetInserted() != 3 {
		t.Errorf("%v, %v", sum, err)
	}
}
