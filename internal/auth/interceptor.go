package auth

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/microservicehub/mshub/internal/rpc"
)

// NewInterceptor authenticates every call and enforces the method's rule. Streams are refused: the house has none.
func NewInterceptor(verifier *Verifier) connect.Interceptor { return interceptor{verifier} }

type interceptor struct{ verifier *Verifier }

func (i interceptor) WrapUnary(next connect.UnaryFunc) connect.UnaryFunc {
	return func(ctx context.Context, req connect.AnyRequest) (connect.AnyResponse, error) {
		method, ok := req.Spec().Schema.(protoreflect.MethodDescriptor)
		if !ok {
			return nil, rpc.Denied("NO_RULE", "this method is closed")
		}
		caller, err := i.verifier.Authenticate(ctx, req.Header())
		rule := RuleOf(method)
		if err != nil && !rule.GetPublic() {
			return nil, challenged(err)
		}
		caller.RemoteAddress = RemoteAddress(req.Peer().Addr)
		if err := Check(rule, caller); err != nil {
			return nil, challenged(err)
		}
		res, err := next(With(ctx, caller), req)
		return res, challenged(err)
	}
}

// challenged gives an error that becomes a 401 the header that belongs to it; others stay as they are.
func challenged(err error) error {
	if failure, ok := errors.AsType[*connect.Error](err); ok && failure.Code() == connect.CodeUnauthenticated {
		failure.Meta().Set("WWW-Authenticate", challenge)
	}
	return err
}

func (i interceptor) WrapStreamingClient(next connect.StreamingClientFunc) connect.StreamingClientFunc {
	return next
}

func (i interceptor) WrapStreamingHandler(connect.StreamingHandlerFunc) connect.StreamingHandlerFunc {
	return func(context.Context, connect.StreamingHandlerConn) error {
		return rpc.Denied("NO_RULE", "this method is closed")
	}
}

// Authenticate reads the Authorization header, and beside a worker's token the headers of its run. No header is the
// anonymous caller, which is no error; a bad token is one.
func (v *Verifier) Authenticate(ctx context.Context, header http.Header) (Caller, error) {
	value := header.Get("Authorization")
	if value == "" {
		return Caller{}, nil
	}
	scheme, token, _ := strings.Cut(value, " ")
	if !strings.EqualFold(scheme, "Bearer") || token == "" {
		return Caller{}, rpc.Unauthenticated("TOKEN_MALFORMED", "the Authorization header must read: Bearer <access token>")
	}
	caller, err := v.Verify(ctx, token)
	if err != nil {
		return Caller{}, err
	}
	return asRun(caller, header)
}
