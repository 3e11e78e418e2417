package auth

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"connectrpc.com/connect"

	"github.com/microservicehub/mshub/internal/config"
	"github.com/microservicehub/mshub/internal/rpc"
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

// ServiceSecrets are the secrets of a service of the house ("worker", "operator"): derived from the secret keys, so that
// every process that has those can get the service's token, and nobody has to hand secrets around. The first is the one
// to present; the authorization server knows all.
func ServiceSecrets(keys config.Keys, name string) []string {
	derived := keys.Derive("service/" + name)
	secrets := make([]string, 0, len(derived))
	for _, key := range derived {
		secrets = append(secrets, base64.RawURLEncoding.EncodeToString(key))
	}
	return secrets
}

// ServiceTokenSource gets tokens of a service of the house at the token endpoint (".../oauth2/token").
// The service's scope is "mshub.<name>".
func ServiceTokenSource(client *http.Client, tokenURL string, keys config.Keys, name string) TokenSource {
	secrets := ServiceSecrets(keys, name)
	return func(ctx context.Context) (string, time.Time, error) {
		if len(secrets) == 0 {
			return "", time.Time{}, fmt.Errorf("a token of the service %s needs MSHUB_SECRET_KEYS", name)
		}
		form := url.Values{"grant_type": {"client_credentials"}}
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, tokenURL, strings.NewReader(form.Encode()))
		if err != nil {
			return "", time.Time{}, err
		}
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		req.SetBasicAuth(url.QueryEscape(name), url.QueryEscape(secrets[0]))
		asked := time.Now()
		res, err := client.Do(req)
		if err != nil {
			return "", time.Time{}, rpc.Unavailable("the authorization server can't be reached now; try again")
		}
		defer func() { _ = res.Body.Close() }()
		var answer struct {
			AccessToken string `json:"access_token"`
			ExpiresIn   int    `json:"expires_in"`
			Error       string `json:"error"`
		}
		err = json.NewDecoder(io.LimitReader(res.Body, maxKeySet)).Decode(&answer)
		switch {
		case res.StatusCode == http.StatusUnauthorized:
			return "", time.Time{}, rpc.Unauthenticated("SERVICE_SECRET", "the authorization server does not know this service's secret; MSHUB_SECRET_KEYS must be the same everywhere")
		case res.StatusCode != http.StatusOK || err != nil || answer.AccessToken == "":
			return "", time.Time{}, rpc.Unavailable("the authorization server gives no token now (%d %s); try again", res.StatusCode, answer.Error)
		}
		return answer.AccessToken, asked.Add(time.Duration(answer.ExpiresIn) * time.Second), nil
	}
}

// RevocationFeed is the fetch function of Revocations.Poll: it reads the authorization server's list
// (".../oauth2/revocations") with a service's token.
func RevocationFeed(client *http.Client, feedURL string, source TokenSource, now func() time.Time) func(ctx context.Context, since time.Time) ([]Revocation, error) {
	cached := &cachedToken{source: source, now: now}
	return func(ctx context.Context, since time.Time) ([]Revocation, error) {
		token, err := cached.get(ctx)
		if err != nil {
			return nil, err
		}
		query := url.Values{"since": {since.UTC().Format(time.RFC3339Nano)}}
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, feedURL+"?"+query.Encode(), nil)
		if err != nil {
			return nil, err
		}
		req.Header.Set("Authorization", "Bearer "+token)
		res, err := client.Do(req)
		if err != nil {
			return nil, err
		}
		defer func() { _ = res.Body.Close() }()
		if res.StatusCode != http.StatusOK {
			return nil, fmt.Errorf("revocations: %s answered %s", feedURL, res.Status)
		}
		var list []Revocation
		return list, json.NewDecoder(io.LimitReader(res.Body, maxFeed)).Decode(&list)
	}
}

// maxFeed bounds what we read of the revocations.
const maxFeed = 16 << 20
