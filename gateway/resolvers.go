package gateway

import (
	"context"
	"strings"

	"connectrpc.com/connect"

	"github.com/microservicehub/mshub/internal/rpc"
	"github.com/microservicehub/mshub/services/identity/v1"
	"github.com/microservicehub/mshub/services/records/v1"
	"github.com/microservicehub/mshub/services/runs/v1"
)

// maxFirst is the largest page of any list.
const maxFirst = 100

// resolver answers the fields of Query. Resolvers of other types are in fields.go.
type resolver struct{ clients *clients }

// page are the arguments of every list.
type page struct {
	First  int32
	After  *string
	Filter *string
}

func (p page) check(ctx context.Context) error {
	if requestOf(ctx) == nil {
		return rpc.Invalid("query", "goes deeper than %d levels; only the schema may be read so deep", maxDepth)
	}
	if p.First < 1 || p.First > maxFirst {
		return rpc.Invalid("first", "is %d; 1 to %d are allowed", p.First, maxFirst)
	}
	return nil
}

type sorted struct {
	page
	OrderBy *string
}

func (r *resolver) Me(ctx context.Context) (*viewerNode, error) {
	if err := (page{First: 1}).check(ctx); err != nil {
		return nil, err
	}
	me, err := r.clients.identity.GetMe(ctx, &identityv1.GetMeRequest{})
	if err != nil {
		return nil, err
	}
	return &viewerNode{me}, nil
}

func (r *resolver) Runs(ctx context.Context, args page) (*connection[*runNode], error) {
	if err := args.check(ctx); err != nil {
		return nil, err
	}
	res, err := r.clients.runs.ListRuns(ctx, &runsv1.ListRunsRequest{PageSize: args.First, PageToken: value(args.After), Filter: value(args.Filter)})
	if err != nil {
		return nil, err
	}
	return newConnection(res.GetRuns(), res.GetNextPageToken(), func(run *runsv1.Run) *runNode { return &runNode{brief: run} }), nil
}

func (r *resolver) Run(ctx context.Context, args struct{ Name string }) (*runNode, error) {
	return loadRun(ctx, args.Name)
}

func (r *resolver) Tasks(ctx context.Context, args struct {
	page
	Mine bool
}) (*connection[*taskNode], error) {
	if err := args.check(ctx); err != nil {
		return nil, err
	}
	res, err := r.clients.runs.ListTasks(ctx, &runsv1.ListTasksRequest{PageSize: args.First, PageToken: value(args.After), Filter: value(args.Filter), Mine: args.Mine})
	if err != nil {
		return nil, err
	}
	return newConnection(res.GetTasks(), res.GetNextPageToken(), func(task *runsv1.Task) *taskNode { return &taskNode{task} }), nil
}

func (r *resolver) Datasets(ctx context.Context, args struct {
	First int32
	After *string
}) (*connection[*datasetNode], error) {
	if err := (page{First: args.First}).check(ctx); err != nil {
		return nil, err
	}
	res, err := r.clients.records.ListDatasets(ctx, &recordsv1.ListDatasetsRequest{PageSize: args.First, PageToken: value(args.After)})
	if err != nil {
		return nil, err
	}
	return newConnection(res.GetDatasets(), res.GetNextPageToken(), func(d *recordsv1.Dataset) *datasetNode { return &datasetNode{r, d} }), nil
}

func (r *resolver) Dataset(ctx context.Context, args struct{ Name string }) (*datasetNode, error) {
	if err := (page{First: 1}).check(ctx); err != nil {
		return nil, err
	}
	dataset, err := r.clients.records.GetDataset(ctx, &recordsv1.GetDatasetRequest{Name: args.Name})
	if err != nil || dataset == nil {
		return nil, unlessMissing(err)
	}
	return &datasetNode{r, dataset}, nil
}

func (r *resolver) Records(ctx context.Context, args struct {
	sorted
	Dataset string
}) (*connection[*recordNode], error) {
	return r.records(ctx, args.Dataset, args.sorted)
}

func (r *resolver) records(ctx context.Context, dataset string, args sorted) (*connection[*recordNode], error) {
	if err := args.check(ctx); err != nil {
		return nil, err
	}
	res, err := r.clients.records.ListRecords(ctx, &recordsv1.ListRecordsRequest{
		Parent: dataset, PageSize: args.First, PageToken: value(args.After), Filter: value(args.Filter), OrderBy: value(args.OrderBy),
	})
	if err != nil {
		return nil, err
	}
	return newConnection(res.GetRecords(), res.GetNextPageToken(), func(record *recordsv1.Record) *recordNode { return &recordNode{record} }), nil
}

func (r *resolver) Users(ctx context.Context, args sorted) (*connection[*userNode], error) {
	if err := args.check(ctx); err != nil {
		return nil, err
	}
	res, err := r.clients.identity.ListUsers(ctx, &identityv1.ListUsersRequest{
		PageSize: args.First, PageToken: value(args.After), Filter: value(args.Filter), OrderBy: value(args.OrderBy),
	})
	if err != nil {
		return nil, err
	}
	return newConnection(res.GetUsers(), res.GetNextPageToken(), func(user *identityv1.User) *userNode { return &userNode{user} }), nil
}

func (r *resolver) User(ctx context.Context, args struct{ Name string }) (*userNode, error) {
	return loadUser(ctx, args.Name)
}

// loadRun reads a whole run, once a request; null if there is none that the caller may see.
func loadRun(ctx context.Context, name string) (*runNode, error) {
	if err := (page{First: 1}).check(ctx); err != nil {
		return nil, err
	}
	run, err := requestOf(ctx).runs.Load(ctx, name)()
	if err != nil || run == nil {
		return nil, unlessMissing(err)
	}
	return &runNode{brief: run, whole: true}, nil
}

// loadUser reads a person, once a request; null if there is none that the caller may see.
func loadUser(ctx context.Context, name string) (*userNode, error) {
	if err := (page{First: 1}).check(ctx); err != nil {
		return nil, err
	}
	user, err := requestOf(ctx).users.Load(ctx, name)()
	if err != nil || user == nil {
		return nil, unlessMissing(err)
	}
	return &userNode{user}, nil
}

// person is loadUser for a field that may name something else than a person, or nobody.
func person(ctx context.Context, name string) (*userNode, error) {
	if !strings.HasPrefix(name, "users/") {
		return nil, nil //nolint:nilnil // GraphQL's null
	}
	user, err := loadUser(ctx, name)
	if connect.CodeOf(err) == connect.CodePermissionDenied { // a bystander's right: the rest of the answer is worth having
		return nil, nil //nolint:nilnil // GraphQL's null
	}
	return user, err
}

// unlessMissing turns "not found" into null.
func unlessMissing(err error) error {
	if connect.CodeOf(err) == connect.CodeNotFound {
		return nil
	}
	return err
}

func value(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
