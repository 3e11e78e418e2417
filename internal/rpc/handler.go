package rpc

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"runtime/debug"

	"connectrpc.com/connect"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
)

// MaxRequestBytes bounds a request's message; files travel as bytes through links, not through RPCs.
const MaxRequestBytes = 4 << 20

// HandlerOptions is the chain in front of every handler of the house, outermost first: telemetry (trace, metrics),
// error mapping and log, authentication and rules, validation of the message.
func HandlerOptions(logger *slog.Logger, authenticate connect.Interceptor, telemetry ...connect.Interceptor) []connect.HandlerOption {
	chain := append(append([]connect.Interceptor{}, telemetry...),
		mapErrors(logger),
		authenticate,
		validRequests(),
	)
	return []connect.HandlerOption{
		connect.WithInterceptors(chain...),
		connect.WithReadMaxBytes(MaxRequestBytes),
		connect.WithRecover(func(ctx context.Context, spec connect.Spec, _ http.Header, p any) error {
			logger.ErrorContext(ctx, "handler panicked", "procedure", spec.Procedure, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			return internalError(ctx)
		}),
	}
}

// mapErrors carries the idempotency key in, and turns what comes out into the vocabulary: unknown errors become
// "internal" with the trace id, their cause goes to the log alone.
func mapErrors(logger *slog.Logger) connect.UnaryInterceptorFunc {
	return func(next connect.UnaryFunc) connect.UnaryFunc {
		return func(ctx context.Context, req connect.AnyRequest) (connect.AnyResponse, error) {
			ctx, err := readIdempotencyKey(ctx, req.Header())
			if err != nil {
				return nil, err
			}
			res, err := next(ctx, req)
			if err == nil {
				return res, nil
			}
			return nil, Public(ctx, logger, req.Spec().Procedure, err)
		}
	}
}

// Public turns any error into one that may be shown; plain HTTP handlers call it too.
func Public(ctx context.Context, logger *slog.Logger, procedure string, err error) error {
	var known *connect.Error
	switch {
	case errors.As(err, &known):
		return withReason(known)
	case errors.Is(err, context.Canceled):
		return connect.NewError(connect.CodeCanceled, errors.New("the caller went away"))
	case errors.Is(err, context.DeadlineExceeded):
		return build(connect.CodeDeadlineExceeded, "DEADLINE", "took longer than the caller wanted to wait")
	case errors.Is(err, pgx.ErrNoRows):
		return build(connect.CodeNotFound, "NOT_FOUND", "not found")
	}
	// In a text column and in a JSON one, which PostgreSQL tells apart.
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok && (pg.Code == "22021" || pg.Code == "22P05") {
		return Invalid("request", "holds a character that is no text (a zero byte); leave it out")
	}
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok && pg.Code == "57014" {
		logger.WarnContext(ctx, "a statement took too long", "procedure", procedure, "error", err)
		return Slow()
	}
	if unavailable(err) {
		logger.WarnContext(ctx, "call failed for now", "procedure", procedure, "error", err)
		return Unavailable("a part of the system is restarting; try again")
	}
	logger.ErrorContext(ctx, "call failed", "procedure", procedure, "error", err)
	return internalError(ctx)
}

// unavailable knows a database that restarts or is out of connections, and a connection that broke under a call.
func unavailable(err error) bool {
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok {
		return len(pg.Code) == 5 && (pg.Code[:2] == "08" || pg.Code[:2] == "57" || pg.Code == "53300")
	}
	var connecting *pgconn.ConnectError
	var broken *net.OpError
	return errors.As(err, &connecting) || errors.As(err, &broken)
}

func internalError(ctx context.Context) error {
	id := trace.SpanContextFromContext(ctx).TraceID()
	message := "something went wrong on our side"
	if id.IsValid() {
		message += "; tell the operator this trace id: " + id.String()
	}
	return build(connect.CodeInternal, "INTERNAL", message, &errdetails.RequestInfo{RequestId: id.String()})
}

// withReason gives errors made elsewhere (connect itself) the ErrorInfo that every error carries.
func withReason(err *connect.Error) error {
	if infoOf(err) == nil {
		reason := "PROTOCOL"
		if err.Code() == connect.CodeInvalidArgument {
			reason = "INVALID_FIELD"
		}
		if detail, e := connect.NewErrorDetail(&errdetails.ErrorInfo{Reason: reason, Domain: Domain}); e == nil {
			err.AddDetail(detail)
		}
	}
	return err
}
