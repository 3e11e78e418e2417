package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"strconv"

	"github.com/graph-gophers/graphql-go"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/microservicehub/mshub/events/v1"
	"github.com/microservicehub/mshub/services/identity/v1"
	"github.com/microservicehub/mshub/services/records/v1"
	"github.com/microservicehub/mshub/services/runs/v1"
)

// connection is a page of a list.
type connection[T any] struct {
	nodes []T
	next  string
}

func newConnection[M, T any](messages []M, next string, node func(M) T) *connection[T] {
	c := &connection[T]{nodes: make([]T, 0, len(messages)), next: next}
	for _, m := range messages {
		c.nodes = append(c.nodes, node(m))
	}
	return c
}

func (c *connection[T]) Nodes() []T          { return c.nodes }
func (c *connection[T]) PageInfo() *pageInfo { return &pageInfo{c.next} }

type pageInfo struct{ next string }

func (p *pageInfo) HasNextPage() bool  { return p.next != "" }
func (p *pageInfo) EndCursor() *string { return optional(p.next) }

type viewerNode struct{ me *identityv1.GetMeResponse }

func (v *viewerNode) ClientID() *string     { return optional(v.me.GetClientId()) }
func (v *viewerNode) Permissions() []string { return list(v.me.GetPermissions()) }
func (v *viewerNode) User() *userNode {
	if v.me.GetUser() == nil {
		return nil
	}
	return &userNode{v.me.GetUser()}
}

func (v *viewerNode) Organisation() *organisationNode {
	if v.me.GetOrganisation() == nil {
		return nil
	}
	return &organisationNode{v.me.GetOrganisation()}
}

type organisationNode struct{ o *identityv1.Organisation }

func (n *organisationNode) Name() string        { return n.o.GetName() }
func (n *organisationNode) DisplayName() string { return n.o.GetDisplayName() }

// runNode is a run of a list, which lacks steps, input and result, or a whole one; asked for what it lacks, it loads it.
type runNode struct {
	brief *runsv1.Run
	whole bool
}

func (n *runNode) full(ctx context.Context) (*runsv1.Run, error) {
	if n.whole {
		return n.brief, nil
	}
	run, err := loadRun(ctx, n.brief.GetName())
	if err != nil || run == nil { // gone since the list was read
		return n.brief, err
	}
	return run.brief, nil
}

func (n *runNode) Name() string             { return n.brief.GetName() }
func (n *runNode) Process() string          { return n.brief.GetProcess() }
func (n *runNode) Title() string            { return n.brief.GetTitle() }
func (n *runNode) State() string            { return n.brief.GetState().String() }
func (n *runNode) Step() string             { return n.brief.GetStep() }
func (n *runNode) Actor() string            { return n.brief.GetActor() }
func (n *runNode) StartTime() *graphql.Time { return moment(n.brief.GetStartTime()) }
func (n *runNode) EndTime() *graphql.Time   { return moment(n.brief.GetEndTime()) }

func (n *runNode) Progress() *progressNode {
	if n.brief.GetProgress() == nil {
		return nil
	}
	return &progressNode{n.brief.GetProgress()}
}

func (n *runNode) Seq(ctx context.Context) (Int64, error) {
	run, err := n.full(ctx)
	return Int64(run.GetSeq()), err
}

func (n *runNode) Steps(ctx context.Context) ([]*stepNode, error) {
	run, err := n.full(ctx)
	steps := make([]*stepNode, 0, len(run.GetSteps()))
	for _, step := range run.GetSteps() {
		steps = append(steps, &stepNode{step})
	}
	return steps, err
}

func (n *runNode) Input(ctx context.Context) (*JSON, error) {
	run, err := n.full(ctx)
	return object(run.GetInput()), err
}

func (n *runNode) Result(ctx context.Context) (*JSON, error) {
	run, err := n.full(ctx)
	return object(run.GetResult()), err
}

func (n *runNode) Error(ctx context.Context) (*runErrorNode, error) {
	run, err := n.full(ctx)
	if run.GetError() == nil {
		return nil, err
	}
	return &runErrorNode{run.GetError()}, err
}

func (n *runNode) StartedBy(ctx context.Context) (*userNode, error) {
	return person(ctx, n.brief.GetActor())
}

func (n *runNode) RetriedFrom(ctx context.Context) (*runNode, error) {
	if n.brief.GetRetriedFrom() == "" {
		return nil, nil //nolint:nilnil // GraphQL's null
	}
	return loadRun(ctx, n.brief.GetRetriedFrom())
}

type progressNode struct{ p *eventsv1.Progress }

func (n *progressNode) Done() Int64  { return Int64(n.p.GetDone()) }
func (n *progressNode) Total() Int64 { return Int64(n.p.GetTotal()) }
func (n *progressNode) Unit() string { return n.p.GetUnit() }

type stepNode struct{ s *runsv1.Step }

func (n *stepNode) Name() string             { return n.s.GetName() }
func (n *stepNode) Title() string            { return n.s.GetTitle() }
func (n *stepNode) Kind() string             { return n.s.GetKind().String() }
func (n *stepNode) State() string            { return n.s.GetState().String() }
func (n *stepNode) Attempt() int32           { return n.s.GetAttempt() }
func (n *stepNode) Message() string          { return n.s.GetMessage() }
func (n *stepNode) StartTime() *graphql.Time { return moment(n.s.GetStartTime()) }
func (n *stepNode) EndTime() *graphql.Time   { return moment(n.s.GetEndTime()) }

type runErrorNode struct{ e *runsv1.RunError }

func (n *runErrorNode) Code() string    { return n.e.GetCode() }
func (n *runErrorNode) Message() string { return n.e.GetMessage() }
func (n *runErrorNode) Reason() string  { return n.e.GetReason() }
func (n *runErrorNode) Step() string    { return n.e.GetStep() }

type taskNode struct{ t *runsv1.Task }

func (n *taskNode) Name() string              { return n.t.GetName() }
func (n *taskNode) Process() string           { return n.t.GetProcess() }
func (n *taskNode) Step() string              { return n.t.GetStep() }
func (n *taskNode) Title() string             { return n.t.GetTitle() }
func (n *taskNode) Description() string       { return n.t.GetDescription() }
func (n *taskNode) State() string             { return n.t.GetState().String() }
func (n *taskNode) Assignee() string          { return n.t.GetAssignee() }
func (n *taskNode) Decision() string          { return n.t.GetDecision().String() }
func (n *taskNode) Reason() string            { return n.t.GetReason() }
func (n *taskNode) Context() *JSON            { return object(n.t.GetContext()) }
func (n *taskNode) CreateTime() *graphql.Time { return moment(n.t.GetCreateTime()) }
func (n *taskNode) DueTime() *graphql.Time    { return moment(n.t.GetDueTime()) }
func (n *taskNode) DecideTime() *graphql.Time { return moment(n.t.GetDecideTime()) }
func (n *taskNode) Version() Int64            { return Int64(n.t.GetVersion()) }
func (n *taskNode) Decidable() bool           { return n.t.GetDecidable() }

func (n *taskNode) Run(ctx context.Context) (*runNode, error) { return loadRun(ctx, n.t.GetRun()) }
func (n *taskNode) ClaimedBy(ctx context.Context) (*userNode, error) {
	return person(ctx, n.t.GetClaimedBy())
}

func (n *taskNode) DecidedBy(ctx context.Context) (*userNode, error) {
	return person(ctx, n.t.GetDecidedBy())
}

type datasetNode struct {
	root *resolver
	d    *recordsv1.Dataset
}

func (n *datasetNode) Name() string              { return n.d.GetName() }
func (n *datasetNode) Title() string             { return n.d.GetTitle() }
func (n *datasetNode) Schema() *JSON             { return object(n.d.GetSchema()) }
func (n *datasetNode) Key() []string             { return list(n.d.GetKey()) }
func (n *datasetNode) CreateTime() *graphql.Time { return moment(n.d.GetCreateTime()) }

func (n *datasetNode) Count(ctx context.Context, args struct{ Filter *string }) (Int64, error) {
	res, err := n.root.clients.records.CountRecords(ctx, &recordsv1.CountRecordsRequest{Parent: n.d.GetName(), Filter: value(args.Filter)})
	return Int64(res.GetCount()), err
}

func (n *datasetNode) Records(ctx context.Context, args sorted) (*connection[*recordNode], error) {
	return n.root.records(ctx, n.d.GetName(), args)
}

type recordNode struct{ r *recordsv1.Record }

func (n *recordNode) Name() string  { return n.r.GetName() }
func (n *recordNode) Key() []string { return list(n.r.GetKey()) }
func (n *recordNode) Data() *JSON   { return object(n.r.GetData()) }

type userNode struct{ u *identityv1.User }

func (n *userNode) Name() string              { return n.u.GetName() }
func (n *userNode) Email() string             { return n.u.GetEmail() }
func (n *userNode) DisplayName() string       { return n.u.GetDisplayName() }
func (n *userNode) State() string             { return n.u.GetState().String() }
func (n *userNode) EmailVerified() bool       { return n.u.GetEmailVerified() }
func (n *userNode) Roles() []string           { return list(n.u.GetRoles()) }
func (n *userNode) CreateTime() *graphql.Time { return moment(n.u.GetCreateTime()) }
func (n *userNode) SignInTime() *graphql.Time { return moment(n.u.GetSignInTime()) }

// Int64 is the scalar of 64-bit numbers: a string, as in the API's JSON.
type Int64 int64 //nolint:recvcheck // the engine wants one method on the pointer

// ImplementsGraphQLType names the scalar.
func (Int64) ImplementsGraphQLType(name string) bool { return name == "Int64" }

// UnmarshalGraphQL is never called: no field takes one.
func (*Int64) UnmarshalGraphQL(any) error { return errors.New("no field takes an Int64") }

// MarshalJSON writes the string.
func (n Int64) MarshalJSON() ([]byte, error) { return json.Marshal(strconv.FormatInt(int64(n), 10)) }

// JSON is the scalar of free-form objects.
type JSON struct{ s *structpb.Struct } //nolint:recvcheck // as Int64

// ImplementsGraphQLType names the scalar.
func (JSON) ImplementsGraphQLType(name string) bool { return name == "JSON" }

// UnmarshalGraphQL is never called: no field takes one.
func (*JSON) UnmarshalGraphQL(any) error { return errors.New("no field takes a JSON") }

// MarshalJSON writes the object.
func (j JSON) MarshalJSON() ([]byte, error) { return j.s.MarshalJSON() }

func object(s *structpb.Struct) *JSON {
	if s == nil {
		return nil
	}
	return &JSON{s}
}

func moment(t *timestamppb.Timestamp) *graphql.Time {
	if t == nil {
		return nil
	}
	return &graphql.Time{Time: t.AsTime()}
}

func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

func list(values []string) []string {
	if values == nil {
		return []string{}
	}
	return values
}
