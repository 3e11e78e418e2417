package postgres

import (
	"encoding/base64"
	"encoding/json"

	"github.com/microservicehub/mshub/internal/rpc"
)

// DefaultPageSize and MaxPageSize bound every list.
const (
	DefaultPageSize = 50
	MaxPageSize     = 1000
)

// PageSize is the number of rows to return for what a client asked: 0 means the default.
func PageSize(asked int32) int {
	if asked <= 0 {
		return DefaultPageSize
	}
	return min(int(asked), MaxPageSize)
}

// EncodePage makes a page token of the last row's sort values. Tokens are opaque to clients but hold no secret.
func EncodePage(values ...any) string {
	raw, err := json.Marshal(values)
	if err != nil {
		return ""
	}
	return base64.RawURLEncoding.EncodeToString(raw)
}

// DecodePage reads a page token into pointers of the same number and types; anything else is invalid_argument.
func DecodePage(token string, into ...any) error {
	raw, err := base64.RawURLEncoding.DecodeString(token)
	var parts []json.RawMessage
	if err == nil {
		err = json.Unmarshal(raw, &parts)
	}
	if err == nil && len(parts) == len(into) {
		for i, part := range parts {
			if err = json.Unmarshal(part, into[i]); err != nil {
				break
			}
		}
		if err == nil {
			return nil
		}
	}
	return rpc.Invalid("pageToken", "is not a token of this list; start again without one")
}
