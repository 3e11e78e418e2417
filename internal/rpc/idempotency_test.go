package rpc

import (
	"net/http"
	"strings"
	"testing"

	"connectrpc.com/connect"
)

// TestIdempotencyKeys: a caller can't take a key that the house gives itself.
func TestIdempotencyKeys(t *testing.T) {
	t.Parallel()
	for key, ok := range map[string]bool{
		"": true, "order-7": true, "my/schedules/1": true, strings.Repeat("x", 200): true, "runs/7/step/1": true,
		strings.Repeat("x", 201): false, "schedules/0190/2026-01-01T00:00:00Z": false, "bulk/0190/0191": false, "facts/0190": false,
	} {
		ctx, err := readIdempotencyKey(t.Context(), http.Header{IdempotencyHeader: {key}})
		if ok && (err != nil || IdempotencyKey(ctx) != key) || !ok && connect.CodeOf(err) != connect.CodeInvalidArgument {
			t.Errorf("%q: %v", key, err)
		}
	}
}
