package processtest

import (
	"context"

	"github.com/google/uuid"
	"google.golang.org/protobuf/proto"

	runsv1 "github.com/microservicehub/mshub/services/runs/v1"
	"github.com/microservicehub/mshub/workflows/process"
)

// fakeRuns registers the runs room's verbs: the row decides, as in the service.
func (e *Env) fakeRuns() {
	on(e, "FinishRun", func(_ context.Context, req *runsv1.FinishRunRequest) (*runsv1.FinishRunResponse, error) {
		e.mu.Lock()
		defer e.mu.Unlock()
		e.Finish = req
		return &runsv1.FinishRunResponse{}, nil
	})
	on(e, "RecordEvents", func(_ context.Context, req *runsv1.RecordEventsRequest) (*runsv1.RecordEventsResponse, error) {
		e.mu.Lock()
		defer e.mu.Unlock()
		if req.GetTitle() != "" {
			e.Title = req.GetTitle()
		}
		for _, entry := range req.GetEntries() {
			line := entry.GetEvent().GetKind()
			if step := entry.GetEvent().GetStep(); step != "" {
				line += " " + step
			}
			e.Lines = append(e.Lines, line)
		}
		return &runsv1.RecordEventsResponse{}, nil
	})
	on(e, "CreateTask", func(_ context.Context, req *runsv1.CreateTaskRequest) (*runsv1.Task, error) {
		e.mu.Lock()
		defer e.mu.Unlock()
		task := &runsv1.Task{
			Name: "tasks/" + uuid.NewString(), Step: req.GetStep(), Title: req.GetTitle(), Assignee: req.GetAssignee(),
			Context: req.GetContext(), State: runsv1.Task_OPEN, Version: 1, Quorum: req.GetQuorum(), FourEyes: req.GetFourEyes(),
			ApproveLabel: req.GetApproveLabel(), RejectLabel: req.GetRejectLabel(), Files: req.GetFiles(), Description: req.GetDescription(),
		}
		e.Requests = append(e.Requests, req)
		e.tasks[taskKey(req)] = task
		if e.created != nil {
			e.created(proto.CloneOf(task))
		}
		return proto.CloneOf(task), nil
	})
	on(e, "EscalateTask", func(_ context.Context, req *runsv1.EscalateTaskRequest) (*runsv1.Task, error) {
		return e.change(req.GetName(), func(task *runsv1.Task) { task.Assignee, task.Escalated = req.GetAssignee(), true })
	})
	on(e, "ReserveRate", func(_ context.Context, req *runsv1.ReserveRateRequest) (*runsv1.ReserveRateResponse, error) {
		e.mu.Lock()
		defer e.mu.Unlock()
		e.Reserved = append(e.Reserved, req.GetRate())
		return &runsv1.ReserveRateResponse{WaitMilliseconds: int64(1000 / req.GetPerSecond())}, nil
	})
	on(e, "ExpireTask", func(_ context.Context, req *runsv1.ExpireTaskRequest) (*runsv1.Task, error) {
		return e.change(req.GetName(), func(task *runsv1.Task) { task.State = runsv1.Task_EXPIRED })
	})
	on(e, "WithdrawTask", func(_ context.Context, req *runsv1.WithdrawTaskRequest) (*runsv1.Task, error) {
		return e.change(req.GetName(), func(task *runsv1.Task) { task.State = runsv1.Task_WITHDRAWN })
	})
	on(e, "AcknowledgeTask", func(context.Context, *runsv1.AcknowledgeTaskRequest) (*runsv1.AcknowledgeTaskResponse, error) {
		return &runsv1.AcknowledgeTaskResponse{}, nil
	})
	e.WhenCalled("CreateTask", func() {
		if a := e.answer; a != nil {
			e.wf.RegisterDelayedCallback(func() { e.decideAll(a) }, a.after)
		}
	})
}

// taskKey is the task's step; "undo STEP" for a question about a failed undo.
func taskKey(req *runsv1.CreateTaskRequest) string {
	if req.GetItem() > 0 {
		return "undo " + req.GetStep()
	}
	return req.GetStep()
}

// change is the conditional update of a deadline, a cancel, an escalation.
func (e *Env) change(name string, change func(*runsv1.Task)) (*runsv1.Task, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, task := range e.tasks {
		if task.GetName() != name {
			continue
		}
		if task.GetState() == runsv1.Task_OPEN {
			change(task)
		}
		return proto.CloneOf(task), nil
	}
	return nil, Refuse("not_found", "NOT_FOUND", "no such task")
}

// decided fills a task as the decision says.
func (e *Env) decided(task *runsv1.Task, a *decision) {
	decide, reason := a.decide, a.reason
	if other, ok := e.others[task.GetStep()]; ok {
		decide, reason = other.decide, other.reason
	}
	task.State, task.Decision, task.Reason, task.DecidedBy = runsv1.Task_DECIDED, decide, reason, "users/decider"
	task.Form = e.forms[task.GetStep()]
}

func (e *Env) decideAll(a *decision) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, task := range e.tasks {
		if task.GetState() == runsv1.Task_OPEN {
			e.decided(task, a)
			e.wf.SignalWorkflow(process.SignalTask, proto.CloneOf(task))
		}
	}
}
