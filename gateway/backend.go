package gateway

import (
	"errors"
	"net/http"
	"strings"

	"connectrpc.com/connect"
	"go.opentelemetry.io/otel/propagation"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/microservicehub/mshub/internal/auth"
	"github.com/microservicehub/mshub/internal/rpc"
)

// Backend is where a service is served: an HTTP client, which may be rpc.InMemory, and the base URL of its role.
type Backend struct {
	Client *http.Client
	URL    string
}

// Backends are the services by their full names, "services.runs.v1.RunsService".
type Backends map[protoreflect.FullName]Backend

// passed are the headers of a caller that travel on. The trace travels too, from the gateway's own span if it has one.
var passed = []string{"Authorization", rpc.IdempotencyHeader, "Traceparent", "Tracestate", "User-Agent"}

// pass copies what travels on from a caller's request, and says from where it came.
func pass(from *http.Request, to http.Header) {
	for _, name := range passed {
		if values := from.Header.Values(name); len(values) > 0 {
			to[name] = values
		}
	}
	auth.Forward(from, to)
	propagation.TraceContext{}.Inject(from.Context(), propagation.HeaderCarrier(to))
}

// fail answers with an error in Connect's JSON, the one body of errors everywhere.
func fail(w http.ResponseWriter, r *http.Request, err error) {
	if rpc.ReasonOf(err) == rpc.ReasonTooLarge {
		w = &forced{w, http.StatusRequestEntityTooLarge}
	}
	auth.WriteError(connect.NewErrorWriter(), w, r, err)
}

// failMethod is the answer to a method that an address doesn't have.
func failMethod(w http.ResponseWriter, r *http.Request, allowed ...string) {
	w.Header().Set("Allow", strings.Join(allowed, ", "))
	err := connect.NewError(connect.CodeUnimplemented, errors.New("this address doesn't take this method; the header Allow says which ones"))
	fail(&forced{w, http.StatusMethodNotAllowed}, r, rpc.Public(r.Context(), nil, "", err))
}

// forced answers with a status of its own.
type forced struct {
	http.ResponseWriter
	status int
}

func (f *forced) WriteHeader(int) { f.ResponseWriter.WriteHeader(f.status) }
