package gateway

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"mime"
	"net/http"
	"strings"
	"time"

	"connectrpc.com/connect"
	"github.com/graph-gophers/graphql-go"
	gqlerrors "github.com/graph-gophers/graphql-go/errors"
	"github.com/graph-gophers/graphql-go/trace/noop"

	"github.com/microservicehub/mshub/internal/auth"
	"github.com/microservicehub/mshub/internal/rpc"
)

//go:embed schema.graphql
var graphqlSchema string

// Limits of one query. What passes them is still bounded by the services' own pages.
const (
	maxGraphQLBody  = 64 << 10
	maxQueryLength  = 16 << 10
	maxDepth        = 8
	maxSelections   = 1000
	maxRootFields   = 25 // each is a call, whatever its alias; so are lists and counts of datasets, which fit a page of them
	maxParallelism  = 8
	graphqlDeadline = 15 * time.Second
	// introspectionDepth is what tools ask; such a query reads the schema and nothing else.
	introspectionDepth = 20
)

// GraphQL serves queries. It takes POST with a JSON body alone, so no page of another origin can make a browser send one,
// and only with a valid access token; what the caller may read is decided by the services, field by field.
func GraphQL(backends Backends, verifier *auth.Verifier, logger *slog.Logger) (http.Handler, error) {
	clients, err := newClients(backends)
	if err != nil {
		return nil, err
	}
	parse := func(depth int) (*graphql.Schema, error) {
		return graphql.ParseSchema(graphqlSchema, &resolver{clients: clients},
			graphql.MaxDepth(depth), graphql.MaxQueryLength(maxQueryLength), graphql.MaxSelections(maxSelections),
			graphql.MaxParallelism(maxParallelism), graphql.Tracer(rootFields{}), graphql.PanicHandler(panics{}), graphql.Logger(panicLog{logger}))
	}
	g := &graphQL{verifier: verifier, clients: clients, logger: logger}
	if g.schema, err = parse(maxDepth); err != nil {
		return nil, err
	}
	g.introspection, err = parse(introspectionDepth)
	return g, err
}

type graphQL struct {
	verifier *auth.Verifier
	clients  *clients
	logger   *slog.Logger
	schema   *graphql.Schema
	// introspection goes deeper, but its root finds no request to work for.
	introspection *graphql.Schema
}

func (g *graphQL) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		failMethod(w, r, http.MethodPost)
		return
	}
	caller, err := g.verifier.Authenticate(r.Context(), r.Header)
	if err == nil && caller.Kind == auth.Anonymous {
		err = rpc.Unauthenticated("NO_TOKEN", "send an access token: Authorization: Bearer …")
	}
	if err != nil {
		fail(w, r, err)
		return
	}
	query, err := readQuery(w, r)
	if err != nil {
		fail(w, r, err)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), graphqlDeadline)
	defer cancel()
	request := newRequest(r, g.clients, cancel)
	response := g.schema.Exec(withRequest(ctx, request), query.Query, query.OperationName, query.Variables)
	if request.rootFields.Load() > maxRootFields {
		response = &graphql.Response{Errors: []*gqlerrors.QueryError{gqlerrors.Errorf("the query has more than %d fields at its root, counts and records of datasets included; ask in several requests", maxRootFields)}}
	}
	if tooDeep(response) && strings.Contains(query.Query, "__schema") {
		response = g.introspection.Exec(ctx, query.Query, query.OperationName, query.Variables)
	}
	for _, e := range response.Errors {
		g.explain(ctx, e)
	}
	g.answer(w, r, response)
}

type graphqlQuery struct {
	Query         string         `json:"query"`
	OperationName string         `json:"operationName"`
	Variables     map[string]any `json:"variables"`
	Extensions    map[string]any `json:"extensions"`
}

func readQuery(w http.ResponseWriter, r *http.Request) (q graphqlQuery, err error) {
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		return q, rpc.Invalid("Content-Type", "must be application/json")
	}
	decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxGraphQLBody))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&q); err != nil {
		if large, ok := errors.AsType[*http.MaxBytesError](err); ok {
			return q, rpc.TooLarge(large.Limit)
		}
		return q, rpc.Invalid("body", `must be one JSON object with "query", "operationName" and "variables"`)
	}
	if strings.TrimSpace(q.Query) == "" {
		return q, rpc.Invalid("query", "is missing")
	}
	return q, nil
}

// answer is always 200 for application/json, as GraphQL clients expect; clients that accept the newer type learn from the
// status whether the query was run at all.
func (g *graphQL) answer(w http.ResponseWriter, r *http.Request, response *graphql.Response) {
	raw, err := json.Marshal(response)
	if err != nil {
		fail(w, r, rpc.Public(r.Context(), g.logger, "graphql", err))
		return
	}
	const modern = "application/graphql-response+json"
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	if strings.Contains(r.Header.Get("Accept"), modern) {
		w.Header().Set("Content-Type", modern)
		if response.Data == nil {
			w.WriteHeader(http.StatusBadRequest)
		}
	}
	_, _ = w.Write(raw)
}

func tooDeep(response *graphql.Response) bool {
	for _, e := range response.Errors {
		if e.Rule == "MaxDepthExceeded" {
			return true
		}
	}
	return false
}

// explain gives an error its code and reason; what nobody should see becomes "internal".
func (g *graphQL) explain(ctx context.Context, e *gqlerrors.QueryError) {
	if e.ResolverError == nil && errors.Is(ctx.Err(), context.DeadlineExceeded) { // the engine's own word for it
		e.ResolverError = ctx.Err()
	}
	if e.ResolverError == nil {
		if e.Extensions == nil {
			e.Extensions = extensions(connect.CodeInvalidArgument)
		}
		return
	}
	err := rpc.Public(ctx, g.logger, "graphql", e.ResolverError)
	e.Message = rpc.Message(err)
	e.Extensions = extensions(connect.CodeOf(err))
	e.Extensions["reason"] = rpc.ReasonOf(err)
	if fields := rpc.FieldsOf(err); len(fields) > 0 {
		e.Extensions["fields"] = fields
	}
}

func extensions(code connect.Code) map[string]any { return map[string]any{"code": code.String()} }

// rootFields stops a request that has too many fields at its root, or that looks into too many datasets, which costs as
// much. It counts what is run, behind fragments and aliases; the schema alone may be asked for without counting.
type rootFields struct{ noop.Tracer }

// TraceField is called before each field is resolved.
func (rootFields) TraceField(ctx context.Context, _, typeName, field string, _ bool, _ map[string]any) (context.Context, func(*gqlerrors.QueryError)) {
	call := typeName == "Query" || typeName == "Dataset" && (field == "count" || field == "records")
	if request := requestOf(ctx); request != nil && call && request.rootFields.Add(1) > maxRootFields {
		request.cancel()
	}
	return ctx, func(*gqlerrors.QueryError) {}
}

// panics says no more than that something broke.
type panics struct{}

func (panics) MakePanicError(context.Context, any) *gqlerrors.QueryError {
	return &gqlerrors.QueryError{Message: "something went wrong on our side", Extensions: extensions(connect.CodeInternal)}
}

type panicLog struct{ logger *slog.Logger }

func (p panicLog) LogPanic(ctx context.Context, value any) {
	p.logger.ErrorContext(ctx, "graphql panicked", "panic", fmt.Sprint(value))
}
