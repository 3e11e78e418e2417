package activities

import (
	"context"
	"fmt"

	"connectrpc.com/connect"

	"github.com/microservicehub/mshub/internal/auth"
	"github.com/microservicehub/mshub/internal/rpc"
	"github.com/microservicehub/mshub/internal/temporal"
)

// ClientInterceptors is what every client of a worker needs beside its token: it says in whose name an activity calls, and
// gives the call its idempotency key.
func ClientInterceptors() []connect.Interceptor {
	return []connect.Interceptor{auth.RunHeaders(identity), connect.UnaryInterceptorFunc(sendKey)}
}

func identity(ctx context.Context) (auth.RunIdentity, bool) {
	run, ok := temporal.RunFrom(ctx)
	return auth.RunIdentity{Organisation: run.Organisation, Run: run.Run, Actor: run.Actor, Step: run.Step}, ok
}

func sendKey(next connect.UnaryFunc) connect.UnaryFunc {
	return func(ctx context.Context, req connect.AnyRequest) (connect.AnyResponse, error) {
		if run, ok := temporal.RunFrom(ctx); ok && run.Step != "" && req.Spec().IsClient {
			req.Header().Set(rpc.IdempotencyHeader, Key(run))
		}
		return next(ctx, req)
	}
}

// Key is the same for all attempts of a call: RUN/step/item, what the call is for beside the step ("undo"), and how often
// a reset had the step done again ("~1").
func Key(run temporal.RunContext) string {
	key := fmt.Sprintf("%s/%s/%d", run.Run, run.Step, run.Item)
	if run.Call != "" {
		key += "/" + run.Call
	}
	if run.Epoch > 0 {
		key += fmt.Sprintf("~%d", run.Epoch)
	}
	return key
}
