package process

import (
	"time"

	"go.temporal.io/sdk/workflow"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	runsv1 "github.com/microservicehub/mshub/services/runs/v1"
)

// TaskSpec is what a person finds in the inbox.
type TaskSpec struct {
	Title, Description string
	// Assignee may decide: "users/ID", an e-mail address, or "roles/approver".
	Assignee string
	// Due is how long the person has; 0 = for ever. After it the task is expired.
	Due time.Duration
	// Remind is called while nobody decides.
	Remind Reminder
	// FormSchema is the JSON Schema of the decision's form; nil = decision and reason alone.
	FormSchema *structpb.Struct
	// Context holds facts for the person who decides: name, address, amount.
	Context map[string]string
}

// Reminder is called every so often while a step waits. What it does (Aside) never fails the step.
type Reminder struct {
	Every time.Duration
	Call  func(ctx workflow.Context) error
}

// Task puts a declared step into the inbox and waits for the decision. The row in the runs service decides: the task it
// returns is what the row says. When nobody decides in time the error's reason is EXPIRED (ReasonOf).
func Task(ctx workflow.Context, step string, spec TaskSpec) (*runsv1.Task, error) {
	f := frameOf(ctx)
	declared, err := f.enter(ctx, step, Human)
	if err != nil {
		return nil, err
	}
	task := &runsv1.Task{}
	if done, err := f.kept(step, task); done || err != nil {
		return task, err
	}
	req := &runsv1.CreateTaskRequest{
		Step: step, Title: spec.Title, Description: spec.Description, Assignee: spec.Assignee, FormSchema: spec.FormSchema,
		Context: contextOf(spec.Context),
	}
	if spec.Due > 0 {
		req.DueTime = timestamppb.New(workflow.Now(ctx).Add(spec.Due))
	}
	if err := f.tell(ctx, declared, activityCreateTask, req, task); err != nil {
		return nil, f.failed(ctx, step, 0, err)
	}
	if err := f.await(ctx, declared, spec.Due, spec.Remind, func() bool { return f.tasks[task.GetName()] != nil }); err != nil {
		last, done := workflow.NewDisconnectedContext(ctx)
		defer done()
		withdraw := &runsv1.WithdrawTaskRequest{Name: task.GetName()}
		if e := f.tell(last, declared, activityWithdrawTask, withdraw, task); e != nil {
			return nil, e
		}
		return nil, f.failed(ctx, step, 0, err)
	}
	if decided := f.tasks[task.GetName()]; decided != nil {
		task = decided
		if err := f.tell(ctx, declared, activityAcknowledgeTask, &runsv1.AcknowledgeTaskRequest{Name: task.GetName()}, &runsv1.AcknowledgeTaskResponse{}); err != nil {
			return nil, err
		}
	} else if err := f.tell(ctx, declared, activityExpireTask, &runsv1.ExpireTaskRequest{Name: task.GetName()}, task); err != nil {
		return nil, err
	}
	if task.GetState() != runsv1.Task_DECIDED {
		return task, &stepError{step: step, cause: Fail(ReasonExpired, "nobody decided %q in time", spec.Title)}
	}
	return task, f.keep(step, task)
}

// await waits until ready, the deadline (nil error too: look again) or a cancel, and reminds meanwhile.
func (f *frame) await(ctx workflow.Context, step Step, limit time.Duration, remind Reminder, ready func() bool) error {
	f.waiting++
	defer func() { f.waiting-- }()
	deadline := workflow.Now(ctx).Add(limit)
	for n := int32(1); ; n++ {
		wait := remind.Every
		if remind.Call == nil {
			wait = 0
		}
		left := deadline.Sub(workflow.Now(ctx))
		if limit > 0 && left <= 0 {
			return nil
		}
		if limit > 0 && (wait == 0 || left < wait) {
			wait = left
		}
		if wait == 0 {
			return workflow.Await(ctx, ready)
		}
		happened, err := workflow.AwaitWithTimeout(ctx, wait, ready)
		if err != nil || happened {
			return err
		}
		if limit > 0 && !workflow.Now(ctx).Before(deadline) {
			return nil
		}
		if err := remind.Call(f.inside(ctx, step.Name, n, "remind")); err != nil {
			workflow.GetLogger(ctx).Warn("reminder failed", "step", step.Name, "error", err)
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
}

// tell calls the runs room about a step's task; the task is not the step's start or end for the journal, its row is.
func (f *frame) tell(ctx workflow.Context, step Step, activity string, req, res proto.Message) error {
	ctx = withActivity(f.inside(ctx, step.Name, 0, "task"), 0, undoRetries, step.Title)
	return workflow.ExecuteActivity(ctx, activity, req).Get(ctx, res)
}

func contextOf(facts map[string]string) *structpb.Struct {
	fields := make(map[string]*structpb.Value, len(facts))
	for name, value := range facts {
		fields[name] = structpb.NewStringValue(value)
	}
	return &structpb.Struct{Fields: fields}
}
