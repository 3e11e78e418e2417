package process

import (
	"errors"
	"fmt"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	runsv1 "github.com/microservicehub/mshub/services/runs/v1"
)

// Reasons of failures that the kit itself finds.
const (
	ReasonCancelled  = "CANCELLED"
	ReasonExpired    = "EXPIRED"
	ReasonTimedOut   = "TIMED_OUT"
	ReasonUndeclared = "UNDECLARED_STEP"
	ReasonUndoFailed = "UNDO_FAILED"
)

// Fail ends the story with a reason for machines ("REJECTED") and a sentence for people; what was done is undone.
func Fail(reason, format string, args ...any) error {
	return temporal.NewNonRetryableApplicationError(fmt.Sprintf(format, args...), reason, nil)
}

// FailStep is Fail on account of a step, which is shown as failed: what it brought can't be worked with.
func FailStep(ctx workflow.Context, step, reason, format string, args ...any) error {
	f := frameOf(ctx)
	if _, ok := f.definition.step(step); !ok {
		return undeclared(f.definition, step)
	}
	return f.failed(ctx, step, 0, Fail(reason, format, args...))
}

// ReasonOf returns the machine-readable reason of an error that Do, Each, Task, AwaitFact or Fail returned.
func ReasonOf(err error) string { return failureOf(err).GetReason() }

// stepError is what a step returns: its cause, and which step it was. Untold is the failure of a call beside the step:
// only if the story ends with it has the step failed.
type stepError struct {
	step   string
	cause  error
	untold bool
}

func (e *stepError) Error() string { return fmt.Sprintf("step %s: %v", e.step, e.cause) }
func (e *stepError) Unwrap() error { return e.cause }

// failureOf finds in an error what a run's page shows. Package activities puts the code into the details and the reason
// into the type of the application errors that it makes.
func failureOf(err error) *runsv1.RunError {
	if err == nil {
		return nil
	}
	failure := &runsv1.RunError{Code: "unknown", Message: err.Error()}
	if step, ok := errors.AsType[*stepError](err); ok {
		failure.Step = step.step
		failure.Message = step.cause.Error()
	}
	var application *temporal.ApplicationError
	var timeout *temporal.TimeoutError
	switch {
	case errors.As(err, &application):
		failure.Message, failure.Reason = application.Message(), application.Type()
		failure.Code = "failed_precondition"
		if application.HasDetails() {
			_ = application.Details(&failure.Code)
		}
	case temporal.IsCanceledError(err):
		failure.Code, failure.Reason, failure.Message = "canceled", ReasonCancelled, "the run was cancelled"
	case errors.As(err, &timeout):
		failure.Code, failure.Reason = "deadline_exceeded", ReasonTimedOut
		failure.Message = "no answer in time: " + timeout.TimeoutType().String()
	}
	return failure
}

// refused is true if the service said no: then the step changed nothing, and there is nothing of it to undo. After any
// other failure (time-out, lost connection, cancel) the step may or may not have happened.
func refused(err error) bool {
	var application *temporal.ApplicationError
	return errors.As(err, &application) && application.NonRetryable()
}
