package rpc

import (
	"errors"
	"fmt"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
)

// Domain is the `domain` of every ErrorInfo.
const Domain = "mshub"

// ReasonTooLarge is the reason of TooLarge.
const ReasonTooLarge = "TOO_LARGE"

// Invalid says which field of the request is wrong and what to do: code invalid_argument, with the field's path
// ("input.email", "pageToken") as a BadRequest violation.
func Invalid(field, format string, args ...any) error {
	description := fmt.Sprintf(format, args...)
	return build(connect.CodeInvalidArgument, "INVALID_FIELD", field+": "+description,
		&errdetails.BadRequest{FieldViolations: []*errdetails.BadRequest_FieldViolation{{Field: field, Description: description}}})
}

// Violation is one wrong field of several; see InvalidFields.
type Violation struct{ Field, Description string }

// maxViolations is how many wrong fields one answer lists; the message says how many there are.
const maxViolations = 100

// InvalidFields is Invalid for several fields at once. It needs at least one.
func InvalidFields(violations ...Violation) error {
	bad := &errdetails.BadRequest{}
	for _, v := range violations[:min(len(violations), maxViolations)] {
		bad.FieldViolations = append(bad.FieldViolations, &errdetails.BadRequest_FieldViolation{Field: v.Field, Description: v.Description})
	}
	message := violations[0].Field + ": " + violations[0].Description
	switch n := len(violations) - 1; {
	case n >= maxViolations:
		message += fmt.Sprintf(" (and %d more; the first %d are listed)", n, maxViolations)
	case n > 0:
		message += fmt.Sprintf(" (and %d more)", n)
	}
	return build(connect.CodeInvalidArgument, "INVALID_FIELD", message, bad)
}

// TooLarge refuses a body, for good: sending it again changes nothing. Plain HTTP handlers answer it with 413.
func TooLarge(limit int64) error {
	return build(connect.CodeInvalidArgument, ReasonTooLarge, fmt.Sprintf("the body is larger than %d bytes", limit))
}

// NotFound is also the answer for what exists in another organisation: no hint.
func NotFound(kind, name string) error {
	return build(connect.CodeNotFound, "NOT_FOUND", fmt.Sprintf("%s %q not found", kind, name))
}

// AlreadyExists refuses a second one of the same name, or an idempotency key with another request.
func AlreadyExists(reason, format string, args ...any) error {
	return build(connect.CodeAlreadyExists, reason, fmt.Sprintf(format, args...))
}

// Precondition refuses because of the state things are in, not because of the request: reason ALREADY_DECIDED.
func Precondition(reason, format string, args ...any) error {
	return build(connect.CodeFailedPrecondition, reason, fmt.Sprintf(format, args...))
}

// Denied says what the caller lacks.
func Denied(reason, format string, args ...any) error {
	return build(connect.CodePermissionDenied, reason, fmt.Sprintf(format, args...))
}

// Unauthenticated says that nobody, or nobody we believe, is calling.
func Unauthenticated(reason, format string, args ...any) error {
	return build(connect.CodeUnauthenticated, reason, fmt.Sprintf(format, args...))
}

// Exhausted sheds load; clients may retry after the given time.
func Exhausted(retryAfter time.Duration, format string, args ...any) error {
	return build(connect.CodeResourceExhausted, "EXHAUSTED", fmt.Sprintf(format, args...),
		&errdetails.RetryInfo{RetryDelay: durationpb.New(retryAfter)})
}

// Unavailable is for what will be there again soon: retry.
func Unavailable(format string, args ...any) error {
	return build(connect.CodeUnavailable, "UNAVAILABLE", fmt.Sprintf(format, args...))
}

// Slow says that a database was given no more time for what was asked.
func Slow() error {
	return build(connect.CodeDeadlineExceeded, "DEADLINE", "the database took too long to answer; ask for less, with a narrower filter or without an order of your own")
}

// Internal hides a cause that people should not see. The interceptor logs the cause beside the trace id that the
// caller receives.
func Internal(cause error) error {
	return &hidden{cause: cause}
}

// ReasonOf returns the machine-readable reason of an error made by this package, or "".
func ReasonOf(err error) string {
	if info := infoOf(err); info != nil {
		return info.GetReason()
	}
	return ""
}

// FieldsOf returns the field paths of an invalid_argument error.
func FieldsOf(err error) []string {
	var ce *connect.Error
	if !errors.As(err, &ce) {
		return nil
	}
	var fields []string
	for _, detail := range ce.Details() {
		value, _ := detail.Value()
		if bad, ok := value.(*errdetails.BadRequest); ok {
			for _, v := range bad.GetFieldViolations() {
				fields = append(fields, v.GetField())
			}
		}
	}
	return fields
}

// Message returns the sentence without the code that connect.Error.Error puts before it.
func Message(err error) string {
	if ce, ok := errors.AsType[*connect.Error](err); ok {
		return ce.Message()
	}
	return err.Error()
}

func infoOf(err error) *errdetails.ErrorInfo {
	var ce *connect.Error
	if !errors.As(err, &ce) {
		return nil
	}
	for _, detail := range ce.Details() {
		value, _ := detail.Value()
		if info, ok := value.(*errdetails.ErrorInfo); ok {
			return info
		}
	}
	return nil
}

func build(code connect.Code, reason, message string, details ...proto.Message) *connect.Error {
	err := connect.NewError(code, errors.New(message))
	details = append([]proto.Message{&errdetails.ErrorInfo{Reason: reason, Domain: Domain}}, details...)
	for _, d := range details {
		if detail, e := connect.NewErrorDetail(d); e == nil {
			err.AddDetail(detail)
		}
	}
	return err
}

type hidden struct{ cause error }

func (h *hidden) Error() string { return "internal: " + h.cause.Error() }
func (h *hidden) Unwrap() error { return h.cause }
