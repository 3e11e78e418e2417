package gateway_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/microservicehub/mshub/events/v1"
	"github.com/microservicehub/mshub/gateway"
	"github.com/microservicehub/mshub/internal/auth"
	"github.com/microservicehub/mshub/internal/rpc"
	"github.com/microservicehub/mshub/internal/testenv"
	"github.com/microservicehub/mshub/services/identity/v1"
	"github.com/microservicehub/mshub/services/identity/v1/identityv1connect"
	"github.com/microservicehub/mshub/services/records/v1"
	"github.com/microservicehub/mshub/services/records/v1/recordsv1connect"
	"github.com/microservicehub/mshub/services/runs/v1"
	"github.com/microservicehub/mshub/services/runs/v1/runsv1connect"
)

// rooms answer with what tests look for, and count how often they are asked.
type rooms struct {
	identityv1connect.UnimplementedIdentityServiceHandler
	recordsv1connect.UnimplementedRecordsServiceHandler
	runsv1connect.UnimplementedRunsServiceHandler
	users, wholeRuns atomic.Int64
}

func (r *rooms) GetUser(_ context.Context, req *identityv1.GetUserRequest) (*identityv1.User, error) {
	r.users.Add(1)
	if req.GetName() == "users/missing" {
		return nil, rpc.NotFound("user", req.GetName())
	}
	return &identityv1.User{Name: req.GetName(), DisplayName: "Ada", State: identityv1.User_ACTIVE}, nil
}

func (r *rooms) GetMe(ctx context.Context, _ *identityv1.GetMeRequest) (*identityv1.GetMeResponse, error) {
	return &identityv1.GetMeResponse{User: &identityv1.User{Name: auth.From(ctx).Actor}, Permissions: auth.From(ctx).Permissions}, nil
}

func (r *rooms) ListUsers(context.Context, *identityv1.ListUsersRequest) (*identityv1.ListUsersResponse, error) {
	return nil, errors.New("the password of the database is hunter2")
}

func (r *rooms) GetRun(_ context.Context, req *runsv1.GetRunRequest) (*runsv1.Run, error) {
	r.wholeRuns.Add(1)
	return &runsv1.Run{
		Name: req.GetName(), Process: "recordimport", State: runsv1.Run_RUNNING, Actor: "users/1", Seq: 7,
		Progress:  &eventsv1.Progress{Done: 5_000_000_000, Total: 6_000_000_000, Unit: "rows"},
		Steps:     []*runsv1.Step{{Name: "load", Kind: runsv1.Step_EACH, State: runsv1.Step_SUCCEEDED, Attempt: 2}},
		Input:     &structpb.Struct{Fields: map[string]*structpb.Value{"a": structpb.NewNumberValue(1)}},
		StartTime: timestamppb.New(time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)),
	}, nil
}

func (r *rooms) ListRuns(ctx context.Context, req *runsv1.ListRunsRequest) (*runsv1.ListRunsResponse, error) {
	if req.GetFilter() == "slow" {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	if req.GetFilter() == "bad" {
		return nil, rpc.Invalid("filter", "is not understood")
	}
	res := &runsv1.ListRunsResponse{NextPageToken: "next"}
	for i := range req.GetPageSize() {
		res.Runs = append(res.Runs, &runsv1.Run{Name: fmt.Sprint("runs/", i), Actor: fmt.Sprint("users/", i%3), State: runsv1.Run_COMPLETED})
	}
	return res, nil
}

func (r *rooms) ListTasks(context.Context, *runsv1.ListTasksRequest) (*runsv1.ListTasksResponse, error) {
	return &runsv1.ListTasksResponse{Tasks: []*runsv1.Task{
		{Name: "tasks/1", Run: "runs/1", DecidedBy: "users/missing", Decidable: true},
		{Name: "tasks/2", Run: "runs/1", ClaimedBy: "users/1"},
	}}, nil
}

func (r *rooms) GetDataset(_ context.Context, req *recordsv1.GetDatasetRequest) (*recordsv1.Dataset, error) {
	if req.GetName() != "datasets/flights" {
		return nil, rpc.NotFound("dataset", req.GetName())
	}
	return &recordsv1.Dataset{Name: req.GetName(), Key: []string{"a"}}, nil
}

func (r *rooms) CountRecords(context.Context, *recordsv1.CountRecordsRequest) (*recordsv1.CountRecordsResponse, error) {
	return &recordsv1.CountRecordsResponse{Count: 336_776}, nil
}

func (r *rooms) ListRecords(_ context.Context, req *recordsv1.ListRecordsRequest) (*recordsv1.ListRecordsResponse, error) {
	return &recordsv1.ListRecordsResponse{Records: []*recordsv1.Record{{
		Name: req.GetParent() + "/records/1", Data: &structpb.Struct{Fields: map[string]*structpb.Value{"order": structpb.NewStringValue(req.GetOrderBy())}},
	}}}, nil
}

// graph is /graphql in front of rooms.
type graph struct {
	handler http.Handler
	rooms   *rooms
	issuer  *testenv.TestIssuer
}

func newGraph(t *testing.T) *graph {
	t.Helper()
	g := &graph{rooms: &rooms{}, issuer: testenv.Issuer(t)}
	mux := http.NewServeMux()
	mux.Handle(identityv1connect.NewIdentityServiceHandler(g.rooms, g.issuer.Options()...))
	mux.Handle(recordsv1connect.NewRecordsServiceHandler(g.rooms, g.issuer.Options()...))
	mux.Handle(runsv1connect.NewRunsServiceHandler(g.rooms, g.issuer.Options()...))
	backend := gateway.Backend{Client: rpc.InMemory(mux), URL: "http://house"}
	var err error
	g.handler, err = gateway.GraphQL(gateway.Backends{
		identityv1connect.IdentityServiceName: backend, recordsv1connect.RecordsServiceName: backend, runsv1connect.RunsServiceName: backend,
	}, g.issuer.Verifier(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func (g *graph) token(permissions ...string) string {
	return g.issuer.Token(auth.Caller{Kind: auth.User, User: uuid.New(), Organisation: uuid.New(), Permissions: permissions})
}

type graphAnswer struct {
	Data   any `json:"data"`
	Errors []struct {
		Message    string         `json:"message"`
		Extensions map[string]any `json:"extensions"`
	} `json:"errors"`
}

func (g *graph) ask(t *testing.T, token, query string) graphAnswer {
	t.Helper()
	raw, err := json.Marshal(map[string]any{"query": query})
	if err != nil {
		t.Fatal(err)
	}
	w := g.post(string(raw), map[string]string{"Authorization": "Bearer " + token, "Content-Type": "application/json"})
	var answer graphAnswer
	if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil || w.Code != http.StatusOK {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	return answer
}

func (g *graph) post(body string, header map[string]string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, "/graphql", strings.NewReader(body))
	for name, value := range header {
		r.Header.Set(name, value)
	}
	w := httptest.NewRecorder()
	g.handler.ServeHTTP(w, r)
	return w
}

func TestGraphQueries(t *testing.T) {
	t.Parallel()
	g := newGraph(t)
	token := g.token("*")
	for _, c := range []struct{ query, want string }{
		{
			`{ run(name: "runs/9") { name state seq progress { done total unit } steps { name kind state attempt startTime } input result error { code } startTime endTime startedBy { displayName } retriedFrom { name } } }`,
			`{"run":{"name":"runs/9","state":"RUNNING","seq":"7","progress":{"done":"5000000000","total":"6000000000","unit":"rows"},
			  "steps":[{"name":"load","kind":"EACH","state":"SUCCEEDED","attempt":2,"startTime":null}],"input":{"a":1},"result":null,"error":null,
			  "startTime":"2026-01-31T12:00:00Z","endTime":null,"startedBy":{"displayName":"Ada"},"retriedFrom":null}}`,
		},
		{
			`{ runs(first: 2, filter: "x") { nodes { name steps { name } } pageInfo { hasNextPage endCursor } } }`,
			`{"runs":{"nodes":[{"name":"runs/0","steps":[{"name":"load"}]},{"name":"runs/1","steps":[{"name":"load"}]}],"pageInfo":{"hasNextPage":true,"endCursor":"next"}}}`,
		},
		{
			`{ tasks(mine: true) { nodes { name decidable run { process } decidedBy { name } claimedBy { name } } pageInfo { hasNextPage endCursor } } }`,
			`{"tasks":{"nodes":[{"name":"tasks/1","decidable":true,"run":{"process":"recordimport"},"decidedBy":null,"claimedBy":null},
			  {"name":"tasks/2","decidable":false,"run":{"process":"recordimport"},"decidedBy":null,"claimedBy":{"name":"users/1"}}],"pageInfo":{"hasNextPage":false,"endCursor":null}}}`,
		},
		{
			`{ dataset(name: "datasets/flights") { key schema count records(first: 1, orderBy: "a desc") { nodes { name data } } } other: dataset(name: "datasets/none") { name } }`,
			`{"dataset":{"key":["a"],"schema":null,"count":"336776","records":{"nodes":[{"name":"datasets/flights/records/1","data":{"order":"a desc"}}]}},"other":null}`,
		},
		{`{ me { permissions organisation { name } clientId } user(name: "users/missing") { name } }`, `{"me":{"permissions":["*"],"organisation":null,"clientId":null},"user":null}`},
	} {
		answer := g.ask(t, token, c.query)
		var want any
		if err := json.Unmarshal([]byte(c.want), &want); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, answer.Data); diff != "" || answer.Errors != nil {
			t.Errorf("%s: %v (-want +got):\n%s", c.query, answer.Errors, diff)
		}
	}
}

func TestGraphLoadsOnce(t *testing.T) {
	t.Parallel()
	g := newGraph(t)
	answer := g.ask(t, g.token("*"), `{ runs(first: 60) { nodes { startedBy { name } } } tasks { nodes { run { state step } } } }`)
	if answer.Errors != nil {
		t.Fatal(answer.Errors)
	}
	if users, runs := g.rooms.users.Load(), g.rooms.wholeRuns.Load(); users != 3 || runs != 1 {
		t.Errorf("60 runs of 3 people asked for people %d times, 2 tasks of a run for runs %d times", users, runs)
	}
}

func TestGraphErrors(t *testing.T) {
	t.Parallel()
	g := newGraph(t)
	everything, viewer := g.token("*"), g.token("runs.read")
	deep := `{ run(name: "a") { retriedFrom { retriedFrom { retriedFrom { retriedFrom { retriedFrom { retriedFrom { retriedFrom { name } } } } } } } } }`
	for _, c := range []struct{ token, query, code, says string }{
		{everything, `{ runs(filter: "bad") { nodes { name } } }`, "invalid_argument", "filter"},
		{everything, `{ runs(first: 1000) { nodes { name } } }`, "invalid_argument", "first"},
		{everything, `{ users { nodes { name } } }`, "internal", "our side"},
		{viewer, `{ users { nodes { name } } }`, "permission_denied", "identity.read"},
		{everything, `{ runs { nodes { shoeSize } } }`, "invalid_argument", "shoeSize"},
		{everything, `{ runs `, "invalid_argument", "syntax"},
		{everything, `mutation { drop }`, "invalid_argument", ""},
		{everything, deep, "invalid_argument", "depth"},
		{everything, strings.Replace(deep, "{ run", "{ __schema { types { name } } run", 1), "invalid_argument", "levels"},
		{everything, `{ runs { nodes { name } } ` + strings.Repeat("#", 20_000) + "\n}", "invalid_argument", "length"},
		{everything, "{ " + aliases(26) + "}", "invalid_argument", "more than 25 fields"},
		{everything, "{ ...F } fragment F on Query { " + aliases(26) + "}", "invalid_argument", "more than 25 fields"},
		{everything, counts(25), "invalid_argument", "counts and records of datasets included"},
		{everything, "{ " + strings.Repeat("me { permissions } ", 800) + "}", "", ""},
	} {
		answer := g.ask(t, c.token, c.query)
		if c.code == "" {
			continue // bounded by its length, merged by the engine
		}
		if len(answer.Errors) == 0 || answer.Errors[0].Extensions["code"] != c.code || !strings.Contains(answer.Errors[0].Message, c.says) {
			t.Errorf("%.80s: %+v", c.query, answer)
		}
		if strings.Contains(fmt.Sprint(answer), "hunter2") {
			t.Errorf("%.80s: a cause is shown", c.query)
		}
	}
	if answer := g.ask(t, everything, "{ "+aliases(25)+"}"); answer.Errors != nil || len(answer.Data.(map[string]any)) != 25 {
		t.Errorf("as many fields as are allowed: %+v", answer)
	}
	// A bystander's right costs the field alone.
	answer := g.ask(t, viewer, `{ run(name: "runs/9") { name startedBy { name } } }`)
	if diff := cmp.Diff(map[string]any{"run": map[string]any{"name": "runs/9", "startedBy": nil}}, answer.Data); diff != "" || answer.Errors != nil {
		t.Errorf("%v %s", answer.Errors, diff)
	}
}

// TestGraphDeadline: a query that takes too long says so.
func TestGraphDeadline(t *testing.T) {
	t.Parallel()
	g := newGraph(t)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	r := httptest.NewRequestWithContext(ctx, http.MethodPost, "/graphql", strings.NewReader(`{"query":"{ runs(filter: \"slow\") { nodes { name } } }"}`))
	r.Header.Set("Authorization", "Bearer "+g.token("*"))
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	g.handler.ServeHTTP(w, r)
	var answer graphAnswer
	if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil || len(answer.Errors) == 0 || answer.Errors[0].Extensions["code"] != "deadline_exceeded" {
		t.Errorf("%v: %s", err, w.Body)
	}
}

// counts asks a dataset for n counts.
func counts(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "c%d: count ", i)
	}
	return `{ dataset(name: "datasets/flights") { ` + b.String() + "} }"
}

// aliases are n fields of Query.
func aliases(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "a%d: me { permissions } ", i)
	}
	return b.String()
}

func TestGraphDoor(t *testing.T) {
	t.Parallel()
	g := newGraph(t)
	bearer := "Bearer " + g.token("*")
	const query = `{"query":"{ me { permissions } }"}`
	asJSON := map[string]string{"Authorization": bearer, "Content-Type": "application/json; charset=utf-8"}
	for name, c := range map[string]struct {
		body   string
		header map[string]string
		status int
	}{
		"as it should be":      {query, asJSON, 200},
		"no token":             {query, map[string]string{"Content-Type": "application/json"}, 401},
		"a forged token":       {query, map[string]string{"Authorization": "Bearer a.b.c", "Content-Type": "application/json"}, 401},
		"no introspection":     {`{"query":"{ __schema { types { name } } }"}`, map[string]string{"Content-Type": "application/json"}, 401},
		"a form":               {query, map[string]string{"Authorization": bearer, "Content-Type": "text/plain"}, 400},
		"no content type":      {query, map[string]string{"Authorization": bearer}, 400},
		"a batch":              {"[" + query + "]", asJSON, 400},
		"no query":             {`{}`, asJSON, 400},
		"a strange field":      {`{"query":"{me{permissions}}","mutation":1}`, asJSON, 400},
		"too large":            {`{"query":"` + strings.Repeat(" ", 70<<10) + `"}`, asJSON, 413},
		"the modern way":       {query, map[string]string{"Authorization": bearer, "Content-Type": "application/json", "Accept": "application/graphql-response+json"}, 200},
		"the modern way, 400":  {`{"query":"{ nothing }"}`, map[string]string{"Authorization": bearer, "Content-Type": "application/json", "Accept": "application/graphql-response+json"}, 400},
		"the old way is a 200": {`{"query":"{ nothing }"}`, asJSON, 200},
	} {
		if w := g.post(c.body, c.header); w.Code != c.status || !json.Valid(w.Body.Bytes()) {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
	}
	if w := do(g.handler, http.MethodGet, "/graphql?query={me{permissions}}", ""); w.Code != http.StatusMethodNotAllowed {
		t.Errorf("GET: %d", w.Code)
	}
}

// Tools ask for the schema deeper than queries may go.
func TestGraphIntrospection(t *testing.T) {
	t.Parallel()
	g := newGraph(t)
	of := strings.Repeat(" ofType { name kind", 7) + strings.Repeat(" }", 7)
	answer := g.ask(t, g.token(), `query IntrospectionQuery { __schema { queryType { name } types { kind name description fields { name description args { name defaultValue type { name kind`+of+` } } type { name kind`+of+` } } } } }`)
	if answer.Errors != nil {
		t.Fatal(answer.Errors)
	}
	if !strings.Contains(fmt.Sprint(answer.Data), "you may decide") {
		t.Error("the schema's words are missing")
	}
}
