package auth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/microservicehub/mshub/internal/rpc"
)

const (
	// refetchAfter bounds how often an unknown kid makes us ask for the keys: a flood of forged tokens must not become
	// a flood of requests.
	refetchAfter = 10 * time.Second
	// leeway for clocks that differ.
	leeway = 5 * time.Second
	// maxKeySet bounds what we read from the keys' address.
	maxKeySet = 64 << 10
)

// Keys fetches the issuer's current public keys.
type Keys func(ctx context.Context) (jose.JSONWebKeySet, error)

// HTTPKeys reads a JWKS document.
func HTTPKeys(client *http.Client, url string) Keys {
	return func(ctx context.Context) (jose.JSONWebKeySet, error) {
		var set jose.JSONWebKeySet
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return set, err
		}
		res, err := client.Do(req)
		if err != nil {
			return set, err
		}
		defer func() { _ = res.Body.Close() }()
		if res.StatusCode != http.StatusOK {
			return set, fmt.Errorf("keys: %s answered %s", url, res.Status)
		}
		return set, json.NewDecoder(io.LimitReader(res.Body, maxKeySet)).Decode(&set)
	}
}

// Verifier turns an access token into a Caller. Safe for concurrent use; keys are fetched when first needed.
type Verifier struct {
	issuer      string
	keys        Keys
	revocations *Revocations
	now         func() time.Time

	mu      sync.RWMutex
	byID    map[string]jose.JSONWebKey
	fetched time.Time
}

// NewVerifier trusts tokens of the issuer (MSHUB_PUBLIC_URL), which is also their audience.
func NewVerifier(issuer string, keys Keys, revocations *Revocations, now func() time.Time) *Verifier {
	return &Verifier{issuer: issuer, keys: keys, revocations: revocations, now: now, byID: map[string]jose.JSONWebKey{}}
}

// Revocations returns the list that the verifier obeys.
func (v *Verifier) Revocations() *Revocations { return v.revocations }

// Verify returns who the token speaks for. Errors are `unauthenticated` and say why without repeating the token;
// unreachable keys are `unavailable`.
func (v *Verifier) Verify(ctx context.Context, token string) (Caller, error) {
	parsed, err := jwt.ParseSigned(token, []jose.SignatureAlgorithm{jose.ES256})
	if err != nil || len(parsed.Headers) != 1 {
		return Caller{}, rpc.Unauthenticated("TOKEN_MALFORMED", "the access token is not a JWT signed with ES256")
	}
	header := parsed.Headers[0]
	if typ, _ := header.ExtraHeaders[jose.HeaderType].(string); typ != TokenType {
		return Caller{}, rpc.Unauthenticated("TOKEN_MALFORMED", "the token is not an access token")
	}
	key, err := v.key(ctx, header.KeyID)
	if err != nil {
		return Caller{}, err
	}
	var claims Claims
	if err := parsed.Claims(key, &claims); err != nil {
		return Caller{}, rpc.Unauthenticated("TOKEN_SIGNATURE", "the access token's signature is wrong")
	}
	err = claims.ValidateWithLeeway(jwt.Expected{Issuer: v.issuer, AnyAudience: jwt.Audience{v.issuer}, Time: v.now()}, leeway)
	switch {
	case errors.Is(err, jwt.ErrExpired):
		return Caller{}, rpc.Unauthenticated("TOKEN_EXPIRED", "the access token has expired; get a new one")
	case err != nil, claims.Expiry == nil:
		return Caller{}, rpc.Unauthenticated("TOKEN_FOREIGN", "the access token was not issued for this service")
	}
	caller, ok := claims.caller()
	if !ok {
		return Caller{}, rpc.Unauthenticated("TOKEN_FOREIGN", "the access token's subject is unknown here")
	}
	if v.revocations.Revoked(caller) {
		return Caller{}, rpc.Unauthenticated("TOKEN_REVOKED", "the access was taken back; sign in again")
	}
	return caller, nil
}

func (v *Verifier) key(ctx context.Context, kid string) (jose.JSONWebKey, error) {
	v.mu.RLock()
	key, ok := v.byID[kid]
	v.mu.RUnlock()
	if ok {
		return key, nil
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if key, ok := v.byID[kid]; ok {
		return key, nil
	}
	if !v.fetched.IsZero() && v.now().Sub(v.fetched) < refetchAfter {
		return jose.JSONWebKey{}, unknownKey()
	}
	set, err := v.keys(ctx)
	if err != nil {
		return jose.JSONWebKey{}, rpc.Unavailable("the signing keys can't be read now; try again")
	}
	v.fetched = v.now()
	v.byID = make(map[string]jose.JSONWebKey, len(set.Keys))
	for _, k := range set.Keys {
		v.byID[k.KeyID] = k
	}
	if key, ok := v.byID[kid]; ok {
		return key, nil
	}
	return jose.JSONWebKey{}, unknownKey()
}

func unknownKey() error {
	return rpc.Unauthenticated("TOKEN_FOREIGN", "the access token was signed with a key that is unknown here")
}
