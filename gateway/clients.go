package gateway

import (
	"context"
	"fmt"
	"net/http"
	"sync/atomic"
	"time"

	"connectrpc.com/connect"
	"github.com/graph-gophers/dataloader/v7"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/microservicehub/mshub/services/identity/v1"
	"github.com/microservicehub/mshub/services/identity/v1/identityv1connect"
	"github.com/microservicehub/mshub/services/records/v1/recordsv1connect"
	"github.com/microservicehub/mshub/services/runs/v1"
	"github.com/microservicehub/mshub/services/runs/v1/runsv1connect"
)

const (
	// batchWait is how long a loader collects what fields ask for.
	batchWait = time.Millisecond
	// batchParallel is how many calls one batch makes at once.
	batchParallel = 8
)

// clients are the services that GraphQL reads.
type clients struct {
	identity identityv1connect.IdentityServiceClient
	runs     runsv1connect.RunsServiceClient
	records  recordsv1connect.RecordsServiceClient
}

func newClients(backends Backends) (*clients, error) {
	var missing error
	at := func(name protoreflect.FullName) (connect.HTTPClient, string, connect.ClientOption) {
		backend, ok := backends[name]
		if !ok {
			missing = fmt.Errorf("graphql: no backend for %s", name)
			return http.DefaultClient, "", asCaller
		}
		return backend.Client, backend.URL, asCaller
	}
	c := &clients{
		identity: identityv1connect.NewIdentityServiceClient(at(identityv1connect.IdentityServiceName)),
		runs:     runsv1connect.NewRunsServiceClient(at(runsv1connect.RunsServiceName)),
		records:  recordsv1connect.NewRecordsServiceClient(at(recordsv1connect.RecordsServiceName)),
	}
	return c, missing
}

// asCaller sends the headers of the request under way with every call made for it.
var asCaller = connect.WithInterceptors(connect.UnaryInterceptorFunc(func(next connect.UnaryFunc) connect.UnaryFunc {
	return func(ctx context.Context, call connect.AnyRequest) (connect.AnyResponse, error) {
		if r := requestOf(ctx); r != nil {
			pass(r.http.WithContext(ctx), call.Header())
		}
		return next(ctx, call)
	}
}))

// request is one GraphQL request: whose it is, and what it has loaded. Nothing in it outlives it, so nobody reads what
// was loaded for somebody else.
type request struct {
	http  *http.Request
	users *dataloader.Loader[string, *identityv1.User]
	runs  *dataloader.Loader[string, *runsv1.Run]
	// rootFields counts what was run of Query, and looks into datasets; cancel ends the request when there are too many.
	rootFields atomic.Int64
	cancel     context.CancelFunc
}

func newRequest(r *http.Request, c *clients, cancel context.CancelFunc) *request {
	return &request{
		http:   r,
		cancel: cancel,
		users: loader(func(ctx context.Context, name string) (*identityv1.User, error) {
			return c.identity.GetUser(ctx, &identityv1.GetUserRequest{Name: name})
		}),
		runs: loader(func(ctx context.Context, name string) (*runsv1.Run, error) {
			return c.runs.GetRun(ctx, &runsv1.GetRunRequest{Name: name})
		}),
	}
}

type requestKey struct{}

func withRequest(ctx context.Context, r *request) context.Context {
	return context.WithValue(ctx, requestKey{}, r)
}

func requestOf(ctx context.Context) *request {
	r, _ := ctx.Value(requestKey{}).(*request)
	return r
}

// loader asks for each name once, however many fields want it, and for a few at a time.
func loader[T any](get func(ctx context.Context, name string) (T, error)) *dataloader.Loader[string, T] {
	batch := func(ctx context.Context, names []string) []*dataloader.Result[T] {
		results := make([]*dataloader.Result[T], len(names))
		slots := make(chan struct{}, batchParallel)
		done := make(chan struct{}, len(names))
		for i, name := range names {
			slots <- struct{}{}
			go func() {
				defer func() { <-slots; done <- struct{}{} }()
				data, err := get(ctx, name)
				results[i] = &dataloader.Result[T]{Data: data, Error: err}
			}()
		}
		for range names {
			<-done
		}
		return results
	}
	return dataloader.NewBatchedLoader(batch, dataloader.WithWait[string, T](batchWait), dataloader.WithBatchCapacity[string, T](100))
}
