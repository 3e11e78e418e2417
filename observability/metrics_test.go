package observability_test

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"
	"go.temporal.io/sdk/client"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/microservicehub/mshub/observability"
)

// scrape reads /metrics as Prometheus does.
func scrape(t *testing.T, telemetry *observability.Telemetry, accept string) string {
	t.Helper()
	request := httptest.NewRequest(http.MethodGet, "/metrics", nil)
	request.Header.Set("Accept", accept)
	recorder := httptest.NewRecorder()
	telemetry.Metrics().ServeHTTP(recorder, request)
	if recorder.Code != http.StatusOK {
		t.Fatalf("/metrics answers %d: %s", recorder.Code, recorder.Body)
	}
	return recorder.Body.String()
}

// metric returns the value of one series, written as in the exposition; 0 if it is not there.
func metric(t *testing.T, telemetry *observability.Telemetry, series string) float64 {
	t.Helper()
	lines := bufio.NewScanner(strings.NewReader(scrape(t, telemetry, "text/plain")))
	for lines.Scan() {
		if value, ok := strings.CutPrefix(lines.Text(), series+" "); ok {
			v, err := strconv.ParseFloat(value, 64)
			if err != nil {
				t.Fatal(err)
			}
			return v
		}
	}
	return 0
}

func TestRPCMetrics(t *testing.T) {
	t.Parallel()
	telemetry, _ := setup(t, nil)
	tracing, err := telemetry.RPCTracing()
	if err != nil {
		t.Fatal(err)
	}
	options := connect.WithInterceptors(tracing, observability.NewRPCInterceptor(telemetry.Registry))
	const procedure = "/demo.v1.DemoService/Do"
	var seen string
	handler := connect.NewUnaryHandler(procedure,
		func(ctx context.Context, request *connect.Request[emptypb.Empty]) (*connect.Response[emptypb.Empty], error) {
			seen = observability.TraceID(ctx)
			if request.Header().Get("Fail") != "" {
				return nil, connect.NewError(connect.CodeNotFound, fmt.Errorf("no such thing"))
			}
			return connect.NewResponse(&emptypb.Empty{}), nil
		}, options)
	mux := http.NewServeMux()
	mux.Handle(procedure, handler)
	server := httptest.NewServer(mux)
	defer server.Close()
	caller := connect.NewClient[emptypb.Empty, emptypb.Empty](server.Client(), server.URL+procedure, options)

	ctx, span := telemetry.Tracer.Tracer("test").Start(t.Context(), "call")
	if _, err := caller.CallUnary(ctx, connect.NewRequest(&emptypb.Empty{})); err != nil {
		t.Fatal(err)
	}
	if want := span.SpanContext().TraceID().String(); seen != want {
		t.Errorf("the handler runs in trace %q, want the caller's %s", seen, want)
	}
	failing := connect.NewRequest(&emptypb.Empty{})
	failing.Header().Set("Fail", "yes")
	if _, err := caller.CallUnary(t.Context(), failing); connect.CodeOf(err) != connect.CodeNotFound {
		t.Fatalf("call says %v", err)
	}

	for series, want := range map[string]float64{
		`rpc_server_handled_total{code="ok",method="Do",service="demo.v1.DemoService"}`:        1,
		`rpc_server_handled_total{code="not_found",method="Do",service="demo.v1.DemoService"}`: 1,
		`rpc_server_duration_seconds_count{method="Do",service="demo.v1.DemoService"}`:         2,
	} {
		if got := metric(t, telemetry, series); got != want {
			t.Errorf("%s = %v, want %v", series, got, want)
		}
	}
}

func TestExemplarsNameSampledTraces(t *testing.T) {
	t.Parallel()
	collector := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer collector.Close()
	telemetry, _ := setup(t, func(c *observability.Config) { c.OTLPEndpoint, c.TraceRatio = collector.URL, 1 })
	defer func() { _ = telemetry.Shutdown(context.WithoutCancel(t.Context())) }()

	route := telemetry.NewHTTP().Route("/oauth2/token", http.NotFoundHandler())
	route.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("BREW", "/oauth2/token?x=1", nil))

	exposition := scrape(t, telemetry, "application/openmetrics-text; version=1.0.0")
	if !strings.Contains(exposition, `# {trace_id="`) {
		t.Error("no exemplar in the OpenMetrics exposition")
	}
	if got := metric(t, telemetry, `http_server_handled_total{code="404",method="other",route="/oauth2/token"}`); got != 1 {
		t.Errorf("the route's 404 with an invented method is counted %v times, want 1", got)
	}
}

// A WebSocket upgrade must pass through the middleware.
func TestRouteCanBeTakenOver(t *testing.T) {
	t.Parallel()
	telemetry, _ := setup(t, nil)
	server := httptest.NewServer(telemetry.NewHTTP().Route("/live", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			t.Errorf("hijack: %v", err)
			return
		}
		_, _ = conn.Write([]byte("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"))
		_ = conn.Close()
	})))
	defer server.Close()
	response, err := server.Client().Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	if response.StatusCode != http.StatusSwitchingProtocols {
		t.Errorf("status %d, want 101", response.StatusCode)
	}
}

func TestTemporalMetrics(t *testing.T) {
	t.Parallel()
	telemetry, _ := setup(t, nil)
	var handler client.MetricsHandler = observability.NewTemporalMetrics(telemetry.Registry)

	queue := handler.WithTags(map[string]string{"namespace": "mshub", "task_queue": "mshub", "workflow_type": "none"})
	queue.WithTags(map[string]string{"poller_type": "workflow_task"}).Gauge("temporal_num_pollers").Update(2)
	queue.Counter("temporal_request").Inc(3)
	handler.WithTags(map[string]string{"operation": "StartWorkflowExecution"}).Counter("temporal_request").Inc(1)
	queue.Timer("temporal_workflow_task_schedule_to_start_latency").Record(20 * time.Millisecond)
	for i := range 1000 {
		handler.WithTags(map[string]string{"workflow_type": fmt.Sprint("invented", i)}).Counter("temporal_workflow_failed").Inc(1)
	}

	exposition := scrape(t, telemetry, "text/plain")
	for _, want := range []string{
		`temporal_num_pollers{activity_type="",failure_reason="",operation="",poller_type="workflow_task",status_code="",task_queue="mshub",worker_type="",workflow_type=""} 2`,
		`operation="StartWorkflowExecution",poller_type="",status_code="",task_queue="",worker_type="",workflow_type=""} 1`,
		`temporal_workflow_task_schedule_to_start_latency_seconds_bucket`,
		`workflow_type="other"} 800`,
	} {
		if !strings.Contains(exposition, want) {
			t.Errorf("/metrics lacks %s", want)
		}
	}
	if n := strings.Count(exposition, "temporal_workflow_failed_total{"); n != 201 {
		t.Errorf("%d series for 1000 invented names, want 201", n)
	}
}
