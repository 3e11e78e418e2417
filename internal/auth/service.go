package auth

import (
	"context"
	"sync"
	"time"

	"connectrpc.com/connect"
)

// TokenSource returns a valid access token of a service of the house and when it expires.
type TokenSource func(ctx context.Context) (token string, expiry time.Time, err error)

// Bearer puts a service's token on every call of a client, renewed a minute before it expires.
func Bearer(source TokenSource, now func() time.Time) connect.UnaryInterceptorFunc {
	cached := &cachedToken{source: source, now: now}
	return func(next connect.UnaryFunc) connect.UnaryFunc {
		return func(ctx context.Context, req connect.AnyRequest) (connect.AnyResponse, error) {
			token, err := cached.get(ctx)
			if err != nil {
				return nil, err
			}
			req.Header().Set("Authorization", "Bearer "+token)
			return next(ctx, req)
		}
	}
}

type cachedToken struct {
	source TokenSource
	now    func() time.Time

	mu     sync.Mutex
	token  string
	expiry time.Time
}

func (c *cachedToken) get(ctx context.Context) (string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.now().Before(c.expiry.Add(-time.Minute)) {
		return c.token, nil
	}
	token, expiry, err := c.source(ctx)
	if err != nil {
		return "", err
	}
	c.token, c.expiry = token, expiry
	return token, nil
}
