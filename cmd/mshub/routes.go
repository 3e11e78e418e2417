package main

import (
	"context"
	"net/http"
	"net/http/pprof"
	"strings"

	"connectrpc.com/connect"
	"connectrpc.com/grpcreflect"

	"github.com/microservicehub/mshub/internal/auth"
	"github.com/microservicehub/mshub/internal/rpc"
	"github.com/microservicehub/mshub/webui"
)

// reserved prefixes are never the console's: what is not found below them is a JSON 404.
var reserved = []string{
	"/services.", "/authserver.", "/grpc.", "/v1/", "/graphql", "/openapi.json", "/docs", "/oauth2/", "/.well-known/", "/session/",
	"/signin", "/signup", "/verify", "/reset", "/unsubscribe", "/consent", "/device", "/signout", "/live", "/files/", "/dev/", "/healthz", "/readyz",
}

// routes completes the one route table; the roles have mounted theirs.
func (h *house) routes() {
	h.mux.Handle("GET /healthz", h.health.Live())
	h.mux.Handle("GET /readyz", h.health.Ready())
	if h.up {
		names := []string{}
		for name := range services {
			names = append(names, name)
		}
		reflector := grpcreflect.NewStaticReflector(names...)
		h.mux.Handle(grpcreflect.NewHandlerV1(reflector))
		h.mux.Handle(grpcreflect.NewHandlerV1Alpha(reflector))
	}
	var console http.Handler
	if h.has("web") {
		console = webui.Handler(h.set.BlobOrigins...) // the embedded file store answers on this origin
	}
	h.mux.Handle("/", fallback(console))
}

// fallback is what no room serves: the console for a person's GET, a JSON 404 for everything else.
func fallback(console http.Handler) http.Handler {
	errors := connect.NewErrorWriter()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if console != nil && (r.Method == http.MethodGet || r.Method == http.MethodHead) && !isReserved(r.URL.Path) &&
			(r.URL.Path == "/" || asset(r.URL.Path) || strings.Contains(r.Header.Get("Accept"), "text/html")) {
			console.ServeHTTP(w, r)
			return
		}
		auth.WriteError(errors, w, r, rpc.NotFound("address", r.URL.Path))
	})
}

func isReserved(path string) bool {
	for _, prefix := range reserved {
		if strings.HasPrefix(path, prefix) {
			return true
		}
	}
	return false
}

// asset is a file of the console's bundle, which browsers ask for without text/html.
func asset(path string) bool {
	last := path[strings.LastIndexByte(path, '/')+1:]
	return strings.Contains(last, ".")
}

// public is the handler of the public listener: the table behind its bounds, told who calls.
func (h *house) public() http.Handler {
	short := bounded(h.mux, maxInFlight, transferPatience)
	return h.set.proxies.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch path := r.URL.Path; {
		case strings.HasPrefix(path, "/live"), strings.HasPrefix(path, "/files/"), path == "/v1/files",
			path == "/healthz", path == "/readyz": // a house that is busy must not be taken for a dead one
			h.mux.ServeHTTP(w, r)
		default:
			short.ServeHTTP(w, r)
		}
	}))
}

// operations is the listener for those who run the house: never public.
func (h *house) operations() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /healthz", h.health.Live())
	mux.Handle("GET /readyz", h.health.Ready())
	mux.Handle("GET /metrics", h.telemetry.Metrics())
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	return mux
}

// loopbackOnly guards what is for this machine alone.
func loopbackOnly(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// A proxy on this machine would make everybody local: what it forwards is not ours to show.
		if !loopback(auth.RemoteAddress(r.RemoteAddr)) || r.Header.Get("X-Forwarded-For") != "" || r.Header.Get("Forwarded") != "" {
			auth.WriteError(connect.NewErrorWriter(), w, r, rpc.NotFound("address", r.URL.Path))
			return
		}
		next.ServeHTTP(w, r)
	})
}

type bearerKey struct{}

// withBearer lets a client call with a viewer's own token.
func withBearer(ctx context.Context, token string) context.Context {
	return context.WithValue(ctx, bearerKey{}, token)
}

var bearerOfContext = connect.UnaryInterceptorFunc(func(next connect.UnaryFunc) connect.UnaryFunc {
	return func(ctx context.Context, req connect.AnyRequest) (connect.AnyResponse, error) {
		if token, ok := ctx.Value(bearerKey{}).(string); ok {
			req.Header().Set("Authorization", "Bearer "+token)
		}
		return next(ctx, req)
	}
})
