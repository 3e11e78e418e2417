package rpc

import (
	"context"
	"net/http"
	"strings"

	"connectrpc.com/connect"
)

// IdempotencyHeader names a call so that repeating it changes nothing: chosen by people's clients, run/step/call for runs.
const IdempotencyHeader = "Idempotency-Key"

type idempotencyKey struct{}

// IdempotencyKey returns the key of the call being served, or "".
func IdempotencyKey(ctx context.Context) string {
	key, _ := ctx.Value(idempotencyKey{}).(string)
	return key
}

// WithIdempotencyKey sets the key of the next call (for clients) or of the call being served (for tests).
func WithIdempotencyKey(ctx context.Context, key string) context.Context {
	return context.WithValue(ctx, idempotencyKey{}, key)
}

// readIdempotencyKey carries the header of an incoming call into the context.
func readIdempotencyKey(ctx context.Context, header http.Header) (context.Context, error) {
	key := header.Get(IdempotencyHeader)
	if key == "" {
		return ctx, nil
	}
	if len(key) > 200 {
		return ctx, Invalid(IdempotencyHeader, "is %d bytes long; at most 200 are allowed", len(key))
	}
	return WithIdempotencyKey(ctx, key), CheckIdempotencyKey(IdempotencyHeader, key)
}

// ownKeys begin the keys that the house gives itself, never over the wire: to the times of schedules, to what a bulk command
// reaches, to what starts on a fact.
var ownKeys = []string{"schedules/", "bulk/", "facts/"}

// CheckIdempotencyKey refuses a key that a caller chose and that could be one of the house's own: whoever took it beforehand
// would keep a schedule from firing.
func CheckIdempotencyKey(field, key string) error {
	for _, prefix := range ownKeys {
		if strings.HasPrefix(key, prefix) {
			return Invalid(field, "must not begin with %q, which is the house's own; choose another key", prefix)
		}
	}
	return nil
}

// SendIdempotencyKey is the client's half: it sends the key that WithIdempotencyKey put into the context.
func SendIdempotencyKey() connect.UnaryInterceptorFunc {
	return func(next connect.UnaryFunc) connect.UnaryFunc {
		return func(ctx context.Context, req connect.AnyRequest) (connect.AnyResponse, error) {
			if key := IdempotencyKey(ctx); key != "" && req.Spec().IsClient {
				req.Header().Set(IdempotencyHeader, key)
			}
			return next(ctx, req)
		}
	}
}
