package observability

import (
	"context"
	"fmt"
	"strings"
	"time"

	"connectrpc.com/connect"
	"connectrpc.com/otelconnect"
	"github.com/prometheus/client_golang/prometheus"
)

// RPCInterceptor counts and times what a Connect handler answers: rate, errors, duration by service and
// method. It belongs outside the interceptors that turn errors into codes, so that it sees the code the
// caller gets. Clients pass through it uncounted: the callee counts.
type RPCInterceptor struct {
	handled  *prometheus.CounterVec
	duration *prometheus.HistogramVec
}

// NewRPCInterceptor registers its two families with registry; make one a process.
func NewRPCInterceptor(registry prometheus.Registerer) *RPCInterceptor {
	i := &RPCInterceptor{
		handled: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "rpc_server_handled_total",
			Help: "Calls answered, by service, method and Connect code; ok when there was no error.",
		}, []string{"service", "method", "code"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "rpc_server_duration_seconds",
			Help:    "Time from a unary call's first byte to its answer.",
			Buckets: latencyBuckets,
		}, []string{"service", "method"}),
	}
	registry.MustRegister(i.handled, i.duration)
	return i
}

// WrapUnary counts and times a handler's call.
func (i *RPCInterceptor) WrapUnary(next connect.UnaryFunc) connect.UnaryFunc {
	return func(ctx context.Context, request connect.AnyRequest) (connect.AnyResponse, error) {
		if request.Spec().IsClient {
			return next(ctx, request)
		}
		service, method := split(request.Spec().Procedure)
		start := time.Now()
		finished := false
		defer func() {
			// A panic in a room still counts; recovery is a later interceptor's or net/http's business.
			if !finished {
				i.handled.WithLabelValues(service, method, connect.CodeInternal.String()).Inc()
			}
		}()
		response, err := next(ctx, request)
		finished = true
		i.handled.WithLabelValues(service, method, code(err)).Inc()
		observe(ctx, i.duration.WithLabelValues(service, method), time.Since(start).Seconds())
		return response, err
	}
}

// WrapStreamingClient changes nothing.
func (i *RPCInterceptor) WrapStreamingClient(next connect.StreamingClientFunc) connect.StreamingClientFunc {
	return next
}

// WrapStreamingHandler counts streams when they end; the life of a stream is no latency.
func (i *RPCInterceptor) WrapStreamingHandler(next connect.StreamingHandlerFunc) connect.StreamingHandlerFunc {
	return func(ctx context.Context, stream connect.StreamingHandlerConn) error {
		service, method := split(stream.Spec().Procedure)
		err := next(ctx, stream)
		i.handled.WithLabelValues(service, method, code(err)).Inc()
		return err
	}
}

// split parts "/services.runs.v1.RunService/StartRun". Procedures come from generated code, so their
// number is bounded.
func split(procedure string) (service, method string) {
	service, method, _ = strings.Cut(strings.TrimPrefix(procedure, "/"), "/")
	return service, method
}

func code(err error) string {
	if err == nil {
		return "ok"
	}
	return connect.CodeOf(err).String()
}

// RPCTracing continues the caller's trace in handlers and hands it on in clients. Use the same one for
// both. It records no peer address: that label has no bound.
func (t *Telemetry) RPCTracing() (connect.Interceptor, error) {
	i, err := otelconnect.NewInterceptor(
		otelconnect.WithTracerProvider(t.Tracer),
		otelconnect.WithPropagator(t.Propagator),
		otelconnect.WithTrustRemote(),             // a run's trace goes through every role
		otelconnect.WithPropagateResponseHeader(), // a client can quote the trace of its call
		otelconnect.WithoutMetrics(),
	)
	if err != nil {
		return nil, fmt.Errorf("trace Connect calls: %w", err)
	}
	return i, nil
}
