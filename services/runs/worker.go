package runs

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/microservicehub/mshub/events"
	eventsv1 "github.com/microservicehub/mshub/events/v1"
	"github.com/microservicehub/mshub/internal/audit"
	"github.com/microservicehub/mshub/internal/auth"
	"github.com/microservicehub/mshub/internal/postgres"
	"github.com/microservicehub/mshub/internal/rpc"
	"github.com/microservicehub/mshub/services/runs/store"
	runsv1 "github.com/microservicehub/mshub/services/runs/v1"
)

// The methods here are called by workers in the name of a run, and concern that run alone. Each may be repeated.

// callingRun is the run that calls.
func callingRun(ctx context.Context) (uuid.UUID, error) {
	caller := auth.From(ctx)
	if caller.Kind != auth.Run {
		return uuid.Nil, rpc.Denied("ONLY_RUNS", "only a run may call this method")
	}
	return caller.Run, nil
}

// journal runs f, appends the event as the last statement, and wakes the run's viewers after the commit. An event
// without a kind is left out.
func (s *Service) journal(ctx context.Context, run uuid.UUID, f func(tx pgx.Tx) (id string, event *eventsv1.Event, err error)) error {
	return s.journalTail(ctx, run, func(tx, _ pgx.Tx) (string, *eventsv1.Event, error) { return f(tx) })
}

// journalTail is journal whose f may give what needs no answer to the tail: it travels with the event.
func (s *Service) journalTail(ctx context.Context, run uuid.UUID, f func(tx, tail pgx.Tx) (id string, event *eventsv1.Event, err error)) error {
	var seq int64
	var fresh bool
	err := s.tx(ctx, func(tx pgx.Tx) error {
		tail := postgres.Pipeline(tx)
		id, event, err := f(tx, tail)
		if err != nil {
			return err
		}
		if event == nil {
			return tail.Flush(ctx)
		}
		seq, fresh, err = events.Append(ctx, tail, events.Entry{
			Organisation: auth.From(ctx).Organisation, Run: run, ID: id, Event: event, State: event.GetState(),
		})
		return err
	})
	if err == nil && fresh {
		s.events.Wake(ctx, run, seq)
	}
	return err
}

var outcomes = map[runsv1.Run_State]string{
	runsv1.Run_COMPLETED:  events.RunCompleted,
	runsv1.Run_FAILED:     events.RunFailed,
	runsv1.Run_CANCELLED:  events.RunCancelled,
	runsv1.Run_TERMINATED: events.RunTerminated,
	runsv1.Run_TIMED_OUT:  events.RunTimedOut,
	runsv1.Run_LOST:       events.RunLost,
}

// FinishRun writes the end of the calling run.
func (s *Service) FinishRun(ctx context.Context, req *runsv1.FinishRunRequest) (*runsv1.FinishRunResponse, error) {
	run, err := callingRun(ctx)
	if err != nil {
		return nil, err
	}
	return &runsv1.FinishRunResponse{}, s.end(ctx, finishRun, run, req)
}

// finishRun is the method by which a run ends itself.
const finishRun = "FinishRun"

// end writes how a run ended: outcome, result, error, withdrawn tasks, audit and event, in one transaction.
func (s *Service) end(ctx context.Context, method string, run uuid.UUID, end *runsv1.FinishRunRequest) error {
	return s.endIf(ctx, method, run, end, func(pgx.Tx) (bool, error) { return true, nil })
}

// endIf is end, unless the condition, asked in the same transaction, does not hold.
func (s *Service) endIf(ctx context.Context, method string, run uuid.UUID, end *runsv1.FinishRunRequest, condition func(tx pgx.Tx) (bool, error)) error {
	var closed []store.Task
	var row store.Run
	err := s.journalTail(ctx, run, func(tx, tail pgx.Tx) (string, *eventsv1.Event, error) {
		row = store.Run{}
		if holds, err := condition(tx); err != nil || !holds {
			return "", nil, err
		}
		state := end.GetState().String()
		result, err := marshal(end.GetResult())
		if err != nil {
			return "", nil, err
		}
		failure, err := marshal(end.GetError())
		if err != nil {
			return "", nil, err
		}
		row, err = queries.EndRun(ctx, tx, store.EndRunParams{ID: run, Outcome: &state, Result: result, Error: failure})
		if errors.Is(err, pgx.ErrNoRows) {
			row, err = runRow(ctx, tx, run) // ended before: a repeated call; unknown: not_found
			return "", nil, err
		}
		if err != nil {
			return "", nil, err
		}
		if end.GetState() != runsv1.Run_COMPLETED || s.catalogue.mayAsk(row.Process) {
			if closed, err = queries.WithdrawTasks(ctx, tx, run); err != nil {
				return "", nil, err
			}
		}
		if err := s.tellEnd(ctx, tail, row, end); err != nil {
			return "", nil, err
		}
		if method != finishRun { // what a run does by itself is in its journal; the audit says what others do to it
			err = audit.Append(ctx, tail, audit.Entry{
				Action: action(method), Target: events.RunName(run), After: map[string]any{"state": state}, Reason: end.GetError().GetMessage(),
			})
		}
		kind := outcomes[end.GetState()]
		return kind, &eventsv1.Event{
			Kind: kind, State: state, Message: end.GetError().GetMessage(), Reason: end.GetError().GetReason(), Step: end.GetError().GetStep(),
		}, err
	})
	if err != nil {
		return err
	}
	for _, task := range closed {
		s.hintInbox(ctx, task)
	}
	s.slotFreed(row.Process)
	return nil
}

// RecordEvents writes what the frame knows: lines of the journal, and the title that people see.
func (s *Service) RecordEvents(ctx context.Context, req *runsv1.RecordEventsRequest) (*runsv1.RecordEventsResponse, error) {
	run, err := callingRun(ctx)
	if err != nil {
		return nil, err
	}
	if title := req.GetTitle(); title != "" {
		err := s.tx(ctx, func(tx pgx.Tx) error {
			if subjects := subjectsOf(nil, title); len(subjects) > 0 {
				if err := queries.InsertSubjects(ctx, tx, store.InsertSubjectsParams{Run: run, Subjects: subjects}); err != nil {
					return err
				}
			}
			return queries.SetTitle(ctx, tx, store.SetTitleParams{ID: run, Title: title})
		})
		if err != nil {
			return nil, err
		}
	}
	for _, entry := range req.GetEntries() {
		err := s.journal(ctx, run, func(pgx.Tx) (string, *eventsv1.Event, error) { return entry.GetEventId(), entry.GetEvent(), nil })
		if err != nil {
			return nil, err
		}
	}
	return &runsv1.RecordEventsResponse{}, nil
}

// CreateTask puts a task into the inbox; the run waits from then on.
func (s *Service) CreateTask(ctx context.Context, req *runsv1.CreateTaskRequest) (*runsv1.Task, error) {
	run, err := callingRun(ctx)
	if err != nil {
		return nil, err
	}
	id, err := uuid.NewV7()
	if err != nil {
		return nil, err
	}
	params := store.InsertTaskParams{
		ID: id, Run: run, Step: req.GetStep(), Item: req.GetItem(), Title: req.GetTitle(), Description: req.GetDescription(), Assignee: req.GetAssignee(),
		Call: callOf(ctx, req), Quorum: max(req.GetQuorum(), 1), FourEyes: req.GetFourEyes(), Excluded: append([]string{}, req.GetExcluded()...),
		ApproveLabel: req.GetApproveLabel(), RejectLabel: req.GetRejectLabel(), Files: append([]string{}, req.GetFiles()...), FormMessage: req.GetFormMessage(),
	}
	schema, err := s.formSchema(req)
	if err != nil {
		return nil, err
	}
	if params.FormSchema, err = marshal(schema); err != nil {
		return nil, err
	}
	if params.Context, err = marshal(req.GetContext()); err != nil {
		return nil, err
	}
	if req.GetDueTime() != nil {
		due := req.GetDueTime().AsTime()
		params.DueAt = &due
	}
	var row store.Task
	err = s.journal(ctx, run, func(tx pgx.Tx) (string, *eventsv1.Event, error) {
		err := queries.SupersedeTask(ctx, tx, store.SupersedeTaskParams{Run: run, Step: params.Step, Item: params.Item, Call: params.Call})
		if err != nil {
			return "", nil, err
		}
		inserted, err := queries.InsertTask(ctx, tx, params)
		if err != nil {
			return "", nil, err
		}
		row, err = queries.TaskOfStep(ctx, tx, store.TaskOfStepParams{Run: run, Step: req.GetStep(), Item: req.GetItem()})
		if errors.Is(err, pgx.ErrNoRows) {
			return "", nil, rpc.NotFound("run", events.RunName(run))
		}
		if err != nil || inserted == 0 {
			return "", nil, err
		}
		if err := s.auditTask(ctx, tx, "CreateTask", store.Task{}, row); err != nil {
			return "", nil, err
		}
		if err := tellTask(ctx, tx, row); err != nil {
			return "", nil, err
		}
		return taskEvent(row, events.StepWaiting)
	})
	if err != nil {
		return nil, err
	}
	s.hintInbox(ctx, row)
	return s.taskWithVotes(ctx, row)
}

// callOf names the making of a task: the same call again gives the same task, the same step after a reset another one.
func callOf(ctx context.Context, req *runsv1.CreateTaskRequest) string {
	if key := rpc.IdempotencyKey(ctx); key != "" {
		return key
	}
	return fmt.Sprintf("%s/%d", req.GetStep(), req.GetItem())
}

// ExpireTask is the deadline's conditional update; the answer is what the row says.
func (s *Service) ExpireTask(ctx context.Context, req *runsv1.ExpireTaskRequest) (*runsv1.Task, error) {
	return s.closeTask(ctx, "ExpireTask", req.GetName(), "EXPIRED")
}

// WithdrawTask takes an open task out of the inbox.
func (s *Service) WithdrawTask(ctx context.Context, req *runsv1.WithdrawTaskRequest) (*runsv1.Task, error) {
	return s.closeTask(ctx, "WithdrawTask", req.GetName(), "WITHDRAWN")
}

// AcknowledgeTask says that the run obeys the decision; nobody tells it again.
func (s *Service) AcknowledgeTask(ctx context.Context, req *runsv1.AcknowledgeTaskRequest) (*runsv1.AcknowledgeTaskResponse, error) {
	_, err := s.closeTask(ctx, "AcknowledgeTask", req.GetName(), "DECIDED")
	return &runsv1.AcknowledgeTaskResponse{}, err
}

// closeTask ends a task for its run: an open one takes the state, a decided one keeps its decision.
func (s *Service) closeTask(ctx context.Context, method, name, state string) (*runsv1.Task, error) {
	run, err := callingRun(ctx)
	if err != nil {
		return nil, err
	}
	id, err := taskID(name)
	if err != nil {
		return nil, err
	}
	var row store.Task
	err = s.journal(ctx, run, func(tx pgx.Tx) (string, *eventsv1.Event, error) {
		before, err := queries.LockTask(ctx, tx, id)
		if errors.Is(err, pgx.ErrNoRows) || err == nil && before.Run != run {
			return "", nil, rpc.NotFound("task", name)
		}
		if err != nil {
			return "", nil, err
		}
		if before.State == "OPEN" && state == "DECIDED" {
			return "", nil, rpc.Precondition("NOT_DECIDED", "nobody has decided yet")
		}
		if row, err = queries.CloseTask(ctx, tx, store.CloseTaskParams{ID: id, Run: run, State: state}); err != nil {
			return "", nil, err
		}
		if row.Version != before.Version {
			if err := s.auditTask(ctx, tx, method, before, row); err != nil {
				return "", nil, err
			}
		}
		switch row.State {
		case "DECIDED":
			return taskEvent(row, events.StepSucceeded)
		case "EXPIRED":
			return taskEvent(row, events.StepTimedOut)
		}
		return "", nil, nil
	})
	if err != nil {
		return nil, err
	}
	s.hintInbox(ctx, row)
	return s.taskWithVotes(ctx, row)
}

// EscalateTask gives an open task to others because nobody decided in time; a decision that was faster stays.
func (s *Service) EscalateTask(ctx context.Context, req *runsv1.EscalateTaskRequest) (*runsv1.Task, error) {
	run, err := callingRun(ctx)
	if err != nil {
		return nil, err
	}
	id, err := taskID(req.GetName())
	if err != nil {
		return nil, err
	}
	var row store.Task
	err = s.journal(ctx, run, func(tx pgx.Tx) (string, *eventsv1.Event, error) {
		before, err := queries.LockTask(ctx, tx, id)
		if errors.Is(err, pgx.ErrNoRows) || err == nil && before.Run != run {
			return "", nil, rpc.NotFound("task", req.GetName())
		}
		row = before
		if err != nil || before.State != "OPEN" || before.Escalated && before.Assignee == req.GetAssignee() {
			return "", nil, err
		}
		// Nobody takes back what was not decided in time: DelegatedFrom is left out.
		row, err = queries.Assign(ctx, tx, store.AssignParams{ID: id, Assignee: req.GetAssignee(), DelegatedBy: before.DelegatedBy, Escalated: true})
		if err != nil {
			return "", nil, err
		}
		if err := s.auditTask(ctx, tx, "EscalateTask", before, row); err != nil {
			return "", nil, err
		}
		id, event := handedOver(row, "nobody decided in time; "+row.Assignee+" may now", "")
		return id, event, nil
	})
	if err != nil {
		return nil, err
	}
	s.hintInbox(ctx, row)
	return s.taskWithVotes(ctx, row)
}

// handedOver is the line of the journal about a task that somebody else has from now on.
func handedOver(row store.Task, message, actor string) (string, *eventsv1.Event) {
	id := fmt.Sprintf("%s/%d/%s", taskName(row.ID), row.Version, events.StepWaiting)
	return id, &eventsv1.Event{
		Kind: events.StepWaiting, Step: row.Step, Item: max(row.Item, 0), Message: message, Actor: actor,
		Data: &structpb.Struct{Fields: map[string]*structpb.Value{"task": structpb.NewStringValue(taskName(row.ID))}},
	}
}

// taskEvent is the line of the journal about a task's step.
func taskEvent(row store.Task, kind string) (string, *eventsv1.Event, error) {
	event := &eventsv1.Event{Kind: kind, Step: row.Step, Item: row.Item, Actor: row.DecidedBy}
	event.Data = &structpb.Struct{Fields: map[string]*structpb.Value{"task": structpb.NewStringValue(taskName(row.ID))}}
	switch kind {
	case events.StepSucceeded:
		event.Message = strings.ToLower(row.Decision)
		if row.Reason != "" {
			event.Message += ": " + row.Reason
		}
		event.Data.Fields["decision"] = structpb.NewStringValue(row.Decision)
	case events.StepTimedOut:
		event.Message, event.Reason = "nobody decided in time", "EXPIRED"
	}
	return taskName(row.ID) + "/" + kind, event, nil // after a reset the step has another task
}
