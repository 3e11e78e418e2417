package gateway

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	"github.com/microservicehub/mshub/internal/rpc"
)

// REST serves the google.api.http options of the backends' methods under their paths. It fails for an option that can't
// be served and for two methods on one route.
//
// An answer is the backend's, byte for byte: the JSON of Connect, its errors too, with the HTTP status that belongs to
// the code. Unknown fields and parameters are refused by name, so that a typing error isn't a silent default.
func REST(backends Backends, logger *slog.Logger) (http.Handler, error) {
	g := &rest{logger: logger, routes: map[string]bool{}}
	// The path is split before its escapes are read: a%2Fb is one segment, whose value is a/b.
	g.mux = runtime.NewServeMux(
		runtime.WithUnescapingMode(runtime.UnescapingModeAllExceptReserved),
		runtime.WithDisableHTTPMethodOverride(), runtime.WithDisablePathLengthFallback(),
		runtime.WithRoutingErrorHandler(g.noRoute),
		runtime.WithErrorHandler(g.badPath),
	)
	for _, name := range slices.Sorted(maps.Keys(backends)) {
		descriptor, err := protoregistry.GlobalFiles.FindDescriptorByName(name)
		if err != nil {
			return nil, fmt.Errorf("rest: service %s: %w", name, err)
		}
		service, ok := descriptor.(protoreflect.ServiceDescriptor)
		if !ok {
			return nil, fmt.Errorf("rest: %s is no service", name)
		}
		for i := range service.Methods().Len() {
			if err := g.add(backends[name], service.Methods().Get(i)); err != nil {
				return nil, fmt.Errorf("rest: %s: %w", service.Methods().Get(i).FullName(), err)
			}
		}
	}
	return g, nil
}

type rest struct {
	mux    *runtime.ServeMux
	logger *slog.Logger
	routes map[string]bool // "GET /v1/runs"
}

// add routes every binding of a method.
func (g *rest) add(backend Backend, method protoreflect.MethodDescriptor) error {
	for _, rule := range rules(method) {
		verb, path := verbOf(rule)
		route := verb + " " + path
		if g.routes[route] {
			return fmt.Errorf("%s is taken", route)
		}
		g.routes[route] = true
		b, err := newBinding(method, rule.GetBody())
		if err != nil {
			return err
		}
		err = g.mux.HandlePath(verb, path, func(w http.ResponseWriter, r *http.Request, params map[string]string) {
			if found, ok := r.Context().Value(probeKey{}).(*bool); ok {
				*found = true
				return
			}
			g.call(w, r, backend, b, params)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// rules returns the bindings of a method: none, one, or one and additional ones.
func rules(method protoreflect.MethodDescriptor) []*annotations.HttpRule {
	rule, _ := proto.GetExtension(method.Options(), annotations.E_Http).(*annotations.HttpRule)
	if rule == nil {
		return nil
	}
	return append([]*annotations.HttpRule{rule}, rule.GetAdditionalBindings()...)
}

func verbOf(rule *annotations.HttpRule) (verb, path string) {
	switch p := rule.GetPattern().(type) {
	case *annotations.HttpRule_Get:
		return http.MethodGet, p.Get
	case *annotations.HttpRule_Put:
		return http.MethodPut, p.Put
	case *annotations.HttpRule_Post:
		return http.MethodPost, p.Post
	case *annotations.HttpRule_Delete:
		return http.MethodDelete, p.Delete
	case *annotations.HttpRule_Patch:
		return http.MethodPatch, p.Patch
	case *annotations.HttpRule_Custom:
		return p.Custom.GetKind(), p.Custom.GetPath()
	}
	return "", ""
}

func (g *rest) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodHead {
		r = r.Clone(r.Context())
		r.Method = http.MethodGet // net/http leaves the body out
	}
	g.mux.ServeHTTP(w, r)
}

// call makes the Connect call of one request.
func (g *rest) call(w http.ResponseWriter, r *http.Request, backend Backend, b *binding, params map[string]string) {
	raw, err := io.ReadAll(http.MaxBytesReader(w, r.Body, rpc.MaxRequestBytes))
	if err != nil {
		if large, ok := errors.AsType[*http.MaxBytesError](err); ok {
			err = rpc.TooLarge(large.Limit)
		} else {
			err = rpc.Invalid("body", "can't be read")
		}
		fail(w, r, err)
		return
	}
	message, err := b.request(raw, params, r.URL.Query())
	if err != nil {
		fail(w, r, err)
		return
	}
	out, err := http.NewRequestWithContext(r.Context(), http.MethodPost, backend.URL+b.procedure, bytes.NewReader(message))
	if err != nil {
		fail(w, r, rpc.Public(r.Context(), g.logger, b.procedure, rpc.Internal(err)))
		return
	}
	pass(r, out.Header)
	out.Header.Set("Content-Type", "application/json")
	out.Header.Set("Connect-Protocol-Version", "1")
	out.RemoteAddr = r.RemoteAddr      // for a backend in the same process, which has no connection to ask
	res, err := backend.Client.Do(out) //nolint:gosec // the address is the operator's, the path one of ours
	if err != nil {
		if r.Context().Err() == nil {
			g.logger.WarnContext(r.Context(), "a role does not answer", "procedure", b.procedure, "error", err)
		}
		fail(w, r, rpc.Unavailable("a part of the system does not answer; try again"))
		return
	}
	defer func() { _ = res.Body.Close() }()
	for _, name := range []string{"Content-Type", "Retry-After", "Www-Authenticate"} {
		if value := res.Header.Get(name); value != "" {
			w.Header().Set(name, value)
		}
	}
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(res.StatusCode)
	if _, err := io.Copy(w, res.Body); err != nil {
		g.logger.DebugContext(r.Context(), "answer not delivered", "procedure", b.procedure, "error", err)
	}
}

type probeKey struct{}

// noRoute answers for a path that has no route, or none for this verb.
func (g *rest) noRoute(ctx context.Context, _ *runtime.ServeMux, _ runtime.Marshaler, w http.ResponseWriter, r *http.Request, status int) {
	if _, probing := ctx.Value(probeKey{}).(*bool); probing {
		return
	}
	if status != http.StatusMethodNotAllowed || r.Method == http.MethodPost && g.noAction(r.URL.Path) {
		fail(w, r, rpc.NotFound("address", r.URL.Path))
		return
	}
	var allowed []string
	for _, verb := range []string{http.MethodDelete, http.MethodGet, http.MethodPatch, http.MethodPost, http.MethodPut} {
		found := false
		probe := r.Clone(context.WithValue(ctx, probeKey{}, &found))
		probe.Method = verb
		g.mux.ServeHTTP(discard{}, probe)
		if found {
			allowed = append(allowed, verb)
		}
	}
	failMethod(w, r, allowed...)
}

// noAction knows a path that ends in an action, :explode, which no route has; without it the path would be a resource's.
func (g *rest) noAction(path string) bool {
	action := path[strings.LastIndexByte(path, '/')+1:]
	colon := strings.LastIndexByte(action, ':')
	if colon < 0 {
		return false
	}
	for route := range g.routes {
		if strings.HasSuffix(route, action[colon:]) {
			return false
		}
	}
	return true
}

// badPath answers for a path with broken escapes.
func (g *rest) badPath(_ context.Context, _ *runtime.ServeMux, _ runtime.Marshaler, w http.ResponseWriter, r *http.Request, _ error) {
	fail(w, r, rpc.Invalid("path", "has a broken escape"))
}

// discard takes the answer to a probe.
type discard struct{}

func (discard) Header() http.Header         { return http.Header{} }
func (discard) Write(p []byte) (int, error) { return len(p), nil }
func (discard) WriteHeader(int)             {}
