package process

import (
	"time"

	"go.temporal.io/sdk/workflow"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	runsv1 "github.com/microservicehub/mshub/services/runs/v1"
)

// TaskSpec is what a person finds in the inbox.
type TaskSpec struct {
	Title, Description string
	// Assignee may decide: "users/ID" or "roles/approver"; administrators always may. An e-mail address is refused: look the
	// person up first (people.ListUsers). Nobody asks whether there is such a person or role; if there is none, only
	// administrators decide.
	Assignee string
	// Quorum is how many people must approve; one rejection rejects. 0 = one.
	Quorum int
	// FourEyes keeps who started the run from deciding.
	FourEyes bool
	// Excluded may not decide either: "users/ID" of who decided before.
	Excluded []string
	// Due is how long people have; 0 = for ever. After it the task is expired.
	Due time.Duration
	// Escalate gives the task to others while nobody decides.
	Escalate Escalation
	// Remind is called while nobody decides.
	Remind Reminder
	// Form is an empty message of the process's door that the decision fills; read it with Form. FormSchema is the JSON
	// Schema of one that has no message. Neither = decision and reason alone.
	Form       proto.Message
	FormSchema *structpb.Struct
	// ApproveLabel and RejectLabel are what the decisions are called: "Approve" and "Reject" if empty.
	ApproveLabel, RejectLabel string
	// Context holds facts for the person who decides: name, address, amount.
	Context map[string]string
	// Files to look at before: "files/ID".
	Files []string
}

// Escalation gives a task to others after a time: To is "users/ID" or "roles/NAME". The zero value never does.
type Escalation struct {
	After time.Duration
	To    string
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
	req := spec.request(ctx, step)
	if err := f.tell(ctx, declared, activityCreateTask, req, task); err != nil {
		return nil, f.failed(ctx, step, 0, err)
	}
	w := wait{limit: spec.Due, remind: spec.Remind, escalateAfter: spec.Escalate.After, escalate: func() {
		req := &runsv1.EscalateTaskRequest{Name: task.GetName(), Assignee: spec.Escalate.To}
		if err := f.tell(ctx, declared, activityEscalateTask, req, &runsv1.Task{}); err != nil {
			workflow.GetLogger(ctx).Warn("escalation failed", "step", step, "error", err)
		}
	}}
	if err := f.await(ctx, declared, w, func() bool { return f.tasks[task.GetName()] != nil }); err != nil {
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

func (s TaskSpec) request(ctx workflow.Context, step string) *runsv1.CreateTaskRequest {
	req := &runsv1.CreateTaskRequest{
		Step: step, Title: s.Title, Description: s.Description, Assignee: s.Assignee, FormSchema: s.FormSchema,
		Quorum: int32(s.Quorum), FourEyes: s.FourEyes, Excluded: s.Excluded, ApproveLabel: s.ApproveLabel, RejectLabel: s.RejectLabel,
		Files: s.Files, Context: contextOf(s.Context),
	}
	if s.Form != nil {
		req.FormMessage = string(s.Form.ProtoReflect().Descriptor().FullName())
	}
	if s.Due > 0 {
		req.DueTime = timestamppb.New(workflow.Now(ctx).Add(s.Due))
	}
	return req
}

// Form reads what was filled in with a decision into the message that TaskSpec.Form named.
func Form(task *runsv1.Task, into proto.Message) error {
	if task.GetForm() == nil {
		return nil
	}
	raw, err := protojson.Marshal(task.GetForm())
	if err == nil {
		err = protojson.UnmarshalOptions{DiscardUnknown: true}.Unmarshal(raw, into)
	}
	if err != nil {
		return Fail("INVALID_FORM", "the form of %q can't be read: %v", task.GetTitle(), err)
	}
	return nil
}

// tell calls the runs room about a step's task; the task is not the step's start or end for the journal, its row is.
func (f *frame) tell(ctx workflow.Context, step Step, activity string, req, res proto.Message) error {
	ctx = withActivity(f.inside(ctx, step.Name, 0, "task"), 0, patientRetries, step.Title)
	return workflow.ExecuteActivity(ctx, activity, req).Get(ctx, res)
}

func contextOf(facts map[string]string) *structpb.Struct {
	fields := make(map[string]*structpb.Value, len(facts))
	for name, value := range facts {
		fields[name] = structpb.NewStringValue(value)
	}
	return &structpb.Struct{Fields: fields}
}
