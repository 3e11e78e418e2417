package runs

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"go.temporal.io/api/serviceerror"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/microservicehub/mshub/events"
	"github.com/microservicehub/mshub/internal/auth"
	"github.com/microservicehub/mshub/internal/rpc"
	"github.com/microservicehub/mshub/services/runs/store"
	runsv1 "github.com/microservicehub/mshub/services/runs/v1"
	"github.com/microservicehub/mshub/workflows/process"
)

// RetryStep has a failed step of a parked run tried again, and a step or an undo that waits for its next attempt tried at
// once.
func (s *Service) RetryStep(ctx context.Context, req *runsv1.RetryStepRequest) (*runsv1.Run, error) {
	return s.command(ctx, steering{
		method: "RetryStep", update: process.UpdateRetryStep, req: req, step: req.GetStep(), check: hasStep(req.GetStep()), backingOff: true,
	})
}

// SkipStep has a parked run go on without its failed step.
func (s *Service) SkipStep(ctx context.Context, req *runsv1.SkipStepRequest) (*runsv1.Run, error) {
	return s.command(ctx, steering{method: "SkipStep", update: process.UpdateSkipStep, req: req, step: req.GetStep(), check: hasStep(req.GetStep())})
}

// ResetRun has a run undo what it did from a step on, and go on from there.
func (s *Service) ResetRun(ctx context.Context, req *runsv1.ResetRunRequest) (*runsv1.Run, error) {
	return s.command(ctx, steering{method: "ResetRun", update: process.UpdateReset, req: req, step: req.GetStep(), check: hasStep(req.GetStep())})
}

// hasStep refuses a step that the process does not have; "" stands for the one that has failed.
func hasStep(name string) func(entry) error {
	return func(e entry) error {
		known := slices.ContainsFunc(e.Steps, func(s process.Step) bool { return s.Name == name })
		if name != "" && !known {
			return rpc.Invalid("step", "%s has no step %q", e.Name, name)
		}
		return nil
	}
}

// TerminateRun ends a run at once, on both sides: in Temporal, then its row. Between the two a crash is mended by the
// reconciler, which finds the run terminated.
func (s *Service) TerminateRun(ctx context.Context, req *runsv1.TerminateRunRequest) (*runsv1.Run, error) {
	id, err := runID(req.GetName())
	if err != nil {
		return nil, err
	}
	c := steering{method: "TerminateRun", req: req, ends: runsv1.Run_TERMINATED}
	b, err := s.begin(ctx, id, c)
	if err != nil || b.answer != nil {
		return b.answer, err
	}
	switch state := runsv1.Run_State(runsv1.Run_State_value[b.head.State]); {
	case state == c.ends: // a repeat of what has worked
		return s.answer(ctx, id, c, nil)
	case state >= runsv1.Run_COMPLETED:
		return nil, ended(b.head.State)
	case state == runsv1.Run_QUEUED:
		if done, err := s.endQueued(ctx, c.method, id, c.ends, req.GetReason()); err != nil || done {
			return s.answer(ctx, id, c, err)
		}
	}
	if err := s.terminate(ctx, id, req.GetReason()); err != nil {
		s.logger.WarnContext(ctx, "run can't be terminated now", "run", id, "error", err)
		return nil, rpc.Unavailable("Temporal does not answer; the run goes on, try again")
	}
	if err := s.end(ctx, c.method, id, unwritten(c.ends, "TERMINATED", req.GetReason()+" (nothing was undone)")); err != nil {
		return nil, err
	}
	if b.head.State == runsv1.Run_STARTING.String() { // it may have been launched at this very moment
		if err := s.terminate(ctx, id, req.GetReason()); err != nil {
			s.logger.WarnContext(ctx, "a terminated run may be running in Temporal", "run", id, "error", err)
		}
	}
	return s.answer(ctx, id, c, nil)
}

// terminate ends a run in Temporal; one that is not there needs no end.
func (s *Service) terminate(ctx context.Context, id uuid.UUID, reason string) error {
	ctx, cancel := context.WithTimeout(ctx, commandTimeout)
	defer cancel()
	err := s.temporal.TerminateWorkflow(ctx, id.String(), "", reason)
	if _, gone := errors.AsType[*serviceerror.NotFound](err); gone {
		return nil
	}
	return err
}

// RetryRun starts a new run with the input of one that ended without success, or with what a completed one left to do.
func (s *Service) RetryRun(ctx context.Context, req *runsv1.RetryRunRequest) (*runsv1.Run, error) {
	id, err := runID(req.GetName())
	if err != nil {
		return nil, err
	}
	var row store.Run
	var head events.RunHead
	err = s.tx(ctx, func(tx pgx.Tx) (err error) {
		row, head, err = runWithHead(ctx, tx, id)
		return err
	})
	if err != nil {
		return nil, err
	}
	e, err := s.catalogue.get(row.Process)
	if err != nil {
		return nil, err
	}
	if err := mayRun(ctx, e); err != nil {
		return nil, err
	}
	if !retriable(e, head.State) {
		return nil, rpc.Precondition("NOT_FAILED", "only a run that ended without success can be retried; this one is %s", strings.ToLower(head.State))
	}
	input, err := e.retryInput(row, head.State)
	if err != nil {
		return nil, err
	}
	retry := acceptance{
		method: "RetryRun", process: e, input: input, key: rpc.IdempotencyKey(ctx), title: row.Title,
		actor: auth.From(ctx).Actor, reason: req.GetReason(), retriedFrom: &id,
	}
	if row.Key != nil {
		retry.businessKey = *row.Key
	}
	retried, err := s.accept(ctx, retry)
	return s.after(ctx, retried, err)
}

// retriable: what ended without success, and what is completed in a process that says what is left to do.
func retriable(e entry, state string) bool {
	switch number := runsv1.Run_State(runsv1.Run_State_value[state]); {
	case number < runsv1.Run_COMPLETED:
		return false
	case number == runsv1.Run_COMPLETED:
		return e.RetryInput != ""
	}
	return true
}

// retryInput is the old run's input; that of a completed run also names it.
func (e entry) retryInput(row store.Run, state string) (proto.Message, error) {
	input := e.Input.ProtoReflect().New().Interface()
	if err := protojson.Unmarshal(row.Input, input); err != nil {
		return nil, rpc.Precondition("INPUT_OUTDATED", "the process has changed since; start it anew (%s)", plain(err))
	}
	if state == runsv1.Run_COMPLETED.String() {
		message := input.ProtoReflect()
		message.Set(message.Descriptor().Fields().ByJSONName(e.RetryInput), protoreflect.ValueOfString(events.RunName(row.ID)))
	}
	return input, validInput(input)
}
