package gateway_test

import (
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/microservicehub/mshub/gateway"
	"github.com/microservicehub/mshub/internal/rpc"
)

// called is what a backend was asked.
type called struct {
	procedure string
	body      any
	header    http.Header
	address   string
}

// echo is a REST handler in front of backends that only remember.
func echo(t testing.TB) (http.Handler, *called) {
	t.Helper()
	last := &called{}
	client := rpc.InMemory(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		raw, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		*last = called{procedure: r.URL.Path, header: r.Header, address: r.RemoteAddr}
		if err := json.Unmarshal(raw, &last.body); err != nil {
			t.Error(err)
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(`{"answer": "as it came"}`))
	}))
	backends := gateway.Backends{}
	for _, service := range services() {
		backends[service.FullName()] = gateway.Backend{Client: client, URL: "http://house"}
	}
	handler, err := gateway.REST(backends, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return handler, last
}

func do(handler http.Handler, method, target, body string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, httptest.NewRequest(method, target, strings.NewReader(body)))
	return w
}

func TestRequestsBecomeCalls(t *testing.T) {
	t.Parallel()
	handler, last := echo(t)
	const runs, records, identity, clients = "/services.runs.v1.RunsService/", "/services.records.v1.RecordsService/", "/services.identity.v1.IdentityService/", "/authserver.v1.ClientService/"
	for _, c := range []struct{ request, body, procedure, want string }{
		{"GET /v1/runs", "", runs + "ListRuns", `{}`},
		{"HEAD /v1/runs", "", runs + "ListRuns", `{}`},
		{"GET /v1/runs?pageSize=5&filter=state%3D%22RUNNING%22", "", runs + "ListRuns", `{"pageSize":5,"filter":"state=\"RUNNING\""}`},
		{"GET /v1/runs?page_size=5&page_token=abc", "", runs + "ListRuns", `{"pageSize":5,"pageToken":"abc"}`},
		{"GET /v1/tasks?mine=true", "", runs + "ListTasks", `{"mine":true}`},
		{"GET /v1/runs/42", "", runs + "GetRun", `{"name":"runs/42"}`},
		{"GET /v1/runs/42/events?after=7", "", runs + "ListEvents", `{"run":"runs/42","after":"7"}`},
		{"POST /v1/runs/42:pause", `{"reason":"lunch"}`, runs + "PauseRun", `{"name":"runs/42","reason":"lunch"}`},
		{"POST /v1/runs/42:pause", "", runs + "PauseRun", `{"name":"runs/42"}`},
		{"POST /v1/runs/42:pause", `{"name":"runs/43"}`, runs + "PauseRun", `{"name":"runs/42"}`}, // the path wins
		{"POST /v1/runs", `{"process":"recordimport","input":{"rows":[1,{"a":null}]}}`, runs + "StartRun", `{"process":"recordimport","input":{"rows":[1,{"a":null}]}}`},
		{"POST /v1/tasks/42:decide", `{"decision":"APPROVE","version":"3","form":{"x":1}}`, runs + "DecideTask", `{"name":"tasks/42","decision":"APPROVE","version":"3","form":{"x":1}}`},
		{"POST /v1/tasks/42:decide", `{"decision":2,"version":3}`, runs + "DecideTask", `{"name":"tasks/42","decision":"REJECT","version":"3"}`},
		{"POST /v1/datasets?datasetId=flights", `{"title":"Flights","key":["a","b"]}`, records + "CreateDataset", `{"datasetId":"flights","dataset":{"title":"Flights","key":["a","b"]}}`},
		{"GET /v1/datasets/flights/records?orderBy=-year", "", records + "ListRecords", `{"parent":"datasets/flights","orderBy":"-year"}`},
		{"GET /v1/datasets/flights/records:count", "", records + "CountRecords", `{"parent":"datasets/flights"}`},
		{"GET /v1/datasets/flights/records/2013-01-01T05:00:00Z,UA", "", records + "GetRecord", `{"name":"datasets/flights/records/2013-01-01T05:00:00Z,UA"}`},
		{"GET /v1/datasets/flights/records/a%2Fb", "", records + "GetRecord", `{"name":"datasets/flights/records/a/b"}`},
		{"GET /v1/datasets/flights/records/a%20b", "", records + "GetRecord", `{"name":"datasets/flights/records/a b"}`},
		{"PATCH /v1/users/7", `{"displayName":"Ada"}`, identity + "UpdateUser", `{"user":{"name":"users/7","displayName":"Ada"},"updateMask":"displayName"}`},
		{"PATCH /v1/users/7?updateMask=displayName,roles", `{"display_name":"Ada"}`, identity + "UpdateUser", `{"user":{"name":"users/7","displayName":"Ada"},"updateMask":"displayName,roles"}`},
		{"PATCH /v1/users/7?update_mask=display_name", `{}`, identity + "UpdateUser", `{"user":{"name":"users/7"},"updateMask":"displayName"}`},
		{"PATCH /v1/clients/abc", `{"name":"clients/xyz"}`, clients + "UpdateClient", `{"client":{"name":"clients/abc"},"updateMask":""}`},
		{"DELETE /v1/users/7", "", identity + "DeleteUser", `{"name":"users/7"}`},
		{"GET /v1/me", "", identity + "GetMe", `{}`},
	} {
		verb, target, _ := strings.Cut(c.request, " ")
		w := do(handler, verb, target, c.body)
		if w.Code != http.StatusOK || w.Body.String() != `{"answer": "as it came"}` {
			t.Errorf("%s: %d %s", c.request, w.Code, w.Body)
			continue
		}
		var want any
		if err := json.Unmarshal([]byte(c.want), &want); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, last.body); last.procedure != c.procedure || diff != "" {
			t.Errorf("%s: %s (-want +got):\n%s", c.request, last.procedure, diff)
		}
	}
}

func TestHeadersTravel(t *testing.T) {
	t.Parallel()
	handler, last := echo(t)
	r := httptest.NewRequest(http.MethodGet, "/v1/me", nil)
	r.RemoteAddr = "192.0.2.7:1234"
	r.Header.Set("Authorization", "Bearer x")
	r.Header.Set("Idempotency-Key", "k")
	r.Header.Set("Traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	r.Header.Set("Cookie", "mshub=secret")
	r.Header.Set("Mshub-Run", "forged")
	r.Header.Set("X-Forwarded-For", "198.51.100.1") // what is believed of it is in RemoteAddr by now
	handler.ServeHTTP(httptest.NewRecorder(), r)
	for name, want := range map[string]string{
		"Authorization": "Bearer x", "Idempotency-Key": "k", "Traceparent": r.Header.Get("Traceparent"),
		"Cookie": "", "Mshub-Run": "", "Content-Type": "application/json", "X-Forwarded-For": "192.0.2.7",
	} {
		if got := last.header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if last.address != r.RemoteAddr {
		t.Errorf("the caller's address is %s", last.address)
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	handler, _ := echo(t)
	for _, c := range []struct {
		request, body string
		status        int
		code, says    string
	}{
		{"GET /v1/nothing", "", 404, "not_found", "/v1/nothing"},
		{"GET /v1/", "", 404, "not_found", ""},
		{"GET /v1/runs/42/", "", 404, "not_found", ""},
		{"POST /v1/runs/42:dance", "", 404, "not_found", "/v1/runs/42:dance"},
		{"POST /v1/datasets/a/records:count", "", 405, "unimplemented", "Allow"},
		{"PUT /v1/runs", "", 405, "unimplemented", "Allow"},
		{"BREW /v1/runs", "", 405, "unimplemented", ""},
		{"POST /v1/runs", `{"prozess":"x"}`, 400, "invalid_argument", "prozess:"},
		{"POST /v1/runs", `{"process":5}`, 400, "invalid_argument", "process:"},
		{"POST /v1/runs", `{"process":"a","process":"b"}`, 400, "invalid_argument", "process:"},
		{"POST /v1/runs", `{"process":`, 400, "invalid_argument", "body:"},
		{"POST /v1/runs", `[]`, 400, "invalid_argument", "body:"},
		{"POST /v1/runs?process=x", `{}`, 400, "invalid_argument", "process:"},
		{"POST /v1/tasks/42:decide", `{"decision":"MAYBE"}`, 400, "invalid_argument", "decision:"},
		{"PATCH /v1/users/7", `{"shoeSize":5}`, 400, "invalid_argument", "user.shoeSize:"},
		{"PATCH /v1/users/7?user.name=users/8", `{}`, 400, "invalid_argument", "user.name:"},
		{"GET /v1/runs/42?name=runs/43", "", 400, "invalid_argument", "name:"},
		{"GET /v1/runs?pagesize=5", "", 400, "invalid_argument", "pagesize:"},
		{"GET /v1/runs?pageSize=many", "", 400, "invalid_argument", "pageSize: is not a whole number"},
		{"GET /v1/runs?pageSize=99999999999", "", 400, "invalid_argument", "pageSize: is out of range"},
		{"GET /v1/tasks?mine=x", "", 400, "invalid_argument", "mine: is not true or false"},
		{"GET /v1/runs?access_token=secret", "", 400, "invalid_argument", "access_token:"},
		{"POST /v1/runs", `{"process":"` + strings.Repeat("x", 5<<20) + `"}`, 413, "invalid_argument", "4194304 bytes"},
	} {
		verb, target, _ := strings.Cut(c.request, " ")
		w := do(handler, verb, target, c.body)
		var body struct {
			Code    string `json:"code"`
			Message string `json:"message"`
			Details []any  `json:"details"`
		}
		if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil || w.Code != c.status || body.Code != c.code || !strings.Contains(body.Message, c.says) {
			t.Errorf("%s: %d %s %v, want %d %s %q", c.request, w.Code, w.Body, err, c.status, c.code, c.says)
		}
		if len(body.Details) == 0 {
			t.Errorf("%s: no details", c.request)
		}
	}
	if got := do(handler, http.MethodPut, "/v1/users/7", "").Header().Get("Allow"); got != "DELETE, GET, PATCH" {
		t.Errorf("Allow: %s", got)
	}
}

func TestBackendAway(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.NotFoundHandler())
	server.Close()
	handler, err := gateway.REST(gateway.Backends{"services.runs.v1.RunsService": {Client: http.DefaultClient, URL: server.URL}}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if w := do(handler, http.MethodGet, "/v1/runs", ""); w.Code != http.StatusServiceUnavailable || !strings.Contains(w.Body.String(), `"unavailable"`) || strings.Contains(w.Body.String(), "127.0.0.1") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if w := do(handler, http.MethodGet, "/v1/me", ""); w.Code != http.StatusNotFound {
		t.Errorf("a service that is not here: %d %s", w.Code, w.Body)
	}
	if _, err := gateway.REST(gateway.Backends{"services.weather.v1.WeatherService": {}}, slog.New(slog.DiscardHandler)); err == nil {
		t.Error("an unknown service")
	}
}

// Every option is one route, and two methods never share one.
func TestEveryOptionIsARoute(t *testing.T) {
	t.Parallel()
	handler, last := echo(t)
	seen := map[string]protoreflect.FullName{}
	for _, method := range methods() {
		verb, path := routeOf(method)
		if path == "" {
			continue
		}
		concrete := concretePath(path)
		if other, taken := seen[verb+" "+concrete]; taken {
			t.Errorf("%s and %s are both %s %s", other, method.FullName(), verb, concrete)
		}
		seen[verb+" "+concrete] = method.FullName()
		w := do(handler, verb, concrete, "")
		if want := "/" + string(method.Parent().FullName()) + "/" + string(method.Name()); w.Code != http.StatusOK || last.procedure != want {
			t.Errorf("%s %s: %d, called %s, want %s", verb, concrete, w.Code, last.procedure, want)
		}
	}
	if len(seen) < 50 {
		t.Errorf("only %d routes: are all doors linked?", len(seen))
	}
}

func FuzzPaths(f *testing.F) {
	handler, _ := echo(f)
	for _, target := range []string{"/v1/runs", "/v1/runs/1:pause", "/v1/datasets/a/records/b%2Fc?pageSize=1", "/v1/%zz", "/v1/runs/..%2f..", "/v1/runs/:pause", "/v1//", "/v1/runs?a[b]=c&filter=%00"} {
		f.Add("GET", target, "")
		f.Add("POST", target, `{"reason":"x"}`)
	}
	f.Fuzz(func(t *testing.T, verb, target, body string) {
		if !slices.Contains([]string{"GET", "POST", "PATCH", "DELETE", "PUT"}, verb) || !strings.HasPrefix(target, "/v1/") {
			return
		}
		r, err := http.NewRequest(verb, "http://house"+target, strings.NewReader(body))
		if err != nil {
			return
		}
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		if !slices.Contains([]int{200, 400, 404, 405}, w.Code) || !json.Valid(w.Body.Bytes()) {
			t.Errorf("%s %s: %d %s", verb, target, w.Code, w.Body)
		}
	})
}
