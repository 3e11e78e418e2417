package activities

import (
	"context"
	"errors"
	"time"

	"connectrpc.com/connect"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/temporal"
	"google.golang.org/genproto/googleapis/rpc/errdetails"

	"github.com/microservicehub/mshub/internal/rpc"
)

// final says which codes another attempt can't change: the service understood and said no, and changed nothing. All other
// codes, and errors that are no answers, are tried again.
var final = map[connect.Code]bool{
	connect.CodeInvalidArgument:    true,
	connect.CodeNotFound:           true,
	connect.CodeAlreadyExists:      true,
	connect.CodePermissionDenied:   true,
	connect.CodeFailedPrecondition: true,
	connect.CodeOutOfRange:         true,
	connect.CodeUnimplemented:      true,

	connect.CodeCanceled:          false, // the worker stops, or the service does
	connect.CodeUnknown:           false,
	connect.CodeDeadlineExceeded:  false,
	connect.CodeResourceExhausted: false, // after the pause that the service asks for
	connect.CodeAborted:           false,
	connect.CodeInternal:          false, // a bug that the next release may mend while the run waits
	connect.CodeUnavailable:       false,
	connect.CodeDataLoss:          false,
	connect.CodeUnauthenticated:   false, // the worker's token, not the run's right: a new one may be due
}

// failure turns a service's error into Temporal's: the type is the reason, the first detail the code ("not_found").
func failure(err error) error {
	if err == nil {
		return nil
	}
	var application *temporal.ApplicationError
	var cancelled *temporal.CanceledError
	if errors.As(err, &application) || errors.As(err, &cancelled) || errors.Is(err, activity.ErrResultPending) {
		return err
	}
	code := connect.CodeOf(err)
	reason := rpc.ReasonOf(err)
	if reason == "" {
		reason = "UNKNOWN"
	}
	return temporal.NewApplicationErrorWithOptions(rpc.Message(err), reason, temporal.ApplicationErrorOptions{
		NonRetryable:   final[code],
		NextRetryDelay: retryDelay(err),
		Details:        []any{code.String()},
	})
}

// retryDelay is the pause that an exhausted service asked for; 0 = the policy's.
func retryDelay(err error) time.Duration {
	var ce *connect.Error
	if !errors.As(err, &ce) {
		return 0
	}
	for _, detail := range ce.Details() {
		value, _ := detail.Value()
		if info, ok := value.(*errdetails.RetryInfo); ok {
			return info.GetRetryDelay().AsDuration()
		}
	}
	return 0
}

// NewInterceptor gives a worker's activities the error table and the heartbeat.
func NewInterceptor() interceptor.WorkerInterceptor { return &workerInterceptor{} }

type workerInterceptor struct {
	interceptor.WorkerInterceptorBase
}

func (*workerInterceptor) InterceptActivity(_ context.Context, next interceptor.ActivityInboundInterceptor) interceptor.ActivityInboundInterceptor {
	return &inbound{interceptor.ActivityInboundInterceptorBase{Next: next}}
}

type inbound struct {
	interceptor.ActivityInboundInterceptorBase
}

func (i *inbound) ExecuteActivity(ctx context.Context, in *interceptor.ExecuteActivityInput) (any, error) {
	working, stop := alive(ctx)
	defer stop()
	result, err := i.Next.ExecuteActivity(working, in)
	if err != nil && temporal.IsCanceledError(context.Cause(working)) { // broken off, as its run wanted
		return nil, temporal.NewCanceledError()
	}
	return result, failure(err)
}
