package testenv

import (
	"cmp"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/google/uuid"

	"github.com/microservicehub/mshub/internal/auth"
	"github.com/microservicehub/mshub/internal/rpc"
)

// jwksPath is where an Issuer's keys are served, as the authorization server's are.
const jwksPath = "/oauth2/jwks"

// TestIssuer stands in for the authorization server: it signs access tokens for any caller, with a key of its own that it
// publishes over HTTP.
type TestIssuer struct {
	url         string
	signer      jose.Signer
	keys        jose.JSONWebKeySet
	revocations *auth.Revocations
	verifier    *auth.Verifier
}

// Issuer starts an issuer that ends with the test.
func Issuer(t testing.TB) *TestIssuer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	public := jose.JSONWebKey{Key: key.Public(), KeyID: rand.Text(), Algorithm: string(jose.ES256), Use: "sig"}
	signer, err := jose.NewSigner(
		jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: key, KeyID: public.KeyID}},
		(&jose.SignerOptions{}).WithType(auth.TokenType),
	)
	if err != nil {
		t.Fatal(err)
	}
	i := &TestIssuer{signer: signer, keys: jose.JSONWebKeySet{Keys: []jose.JSONWebKey{public}}, revocations: auth.NewRevocations(time.Now)}
	mux := http.NewServeMux()
	i.serveKeys(mux)
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	i.url = server.URL
	i.verifier = auth.NewVerifier(i.url, auth.HTTPKeys(server.Client(), i.url+jwksPath), i.revocations, time.Now)
	return i
}

// URL is the issuer's name, and the audience of its tokens.
func (i *TestIssuer) URL() string { return i.url }

// Verifier trusts this issuer alone.
func (i *TestIssuer) Verifier() *auth.Verifier { return i.verifier }

// Options is the chain of production in front of a handler, trusting this issuer.
func (i *TestIssuer) Options() []connect.HandlerOption {
	return rpc.HandlerOptions(quiet(), auth.NewInterceptor(i.verifier))
}

// Token returns an access token that makes its bearer the caller. Without scopes it gets all of them, without an expiry
// five minutes. A run's token is its worker's: As adds the headers that name the run.
func (i *TestIssuer) Token(c auth.Caller) string {
	now := time.Now()
	claims := auth.Claims{
		Claims: jwt.Claims{
			Issuer:   i.url,
			Audience: jwt.Audience{i.url},
			ID:       cmp.Or(c.TokenID, rand.Text()),
			IssuedAt: jwt.NewNumericDate(now),
			Expiry:   jwt.NewNumericDate(now.Add(5 * time.Minute)),
		},
		Permissions: c.Permissions,
		Roles:       c.Roles,
		Scope:       cmp.Or(strings.Join(c.Scopes, " "), "admin"),
		ClientID:    c.ClientID,
		SessionID:   c.SessionID,
		Keepers:     c.Keepers,
	}
	if !c.IssuedAt.IsZero() {
		claims.IssuedAt = jwt.NewNumericDate(c.IssuedAt)
	}
	if !c.Expiry.IsZero() {
		claims.Expiry = jwt.NewNumericDate(c.Expiry)
	}
	if c.Organisation != uuid.Nil {
		claims.Organisation = c.Organisation.String()
	}
	switch c.Kind {
	case auth.User:
		claims.Subject = c.User.String()
	case auth.Client:
		claims.Subject = auth.ClientSubject(c.ClientID)
	case auth.Service:
		claims.Subject = auth.ServiceSubject(strings.TrimPrefix(c.Actor, "services/"))
	case auth.Run:
		claims.Subject, claims.Scope, claims.Organisation = auth.ServiceSubject("worker"), auth.WorkerScope, ""
	case auth.Anonymous:
		panic("testenv: an anonymous caller has no token")
	}
	token, err := jwt.Signed(i.signer).Claims(claims).Serialize()
	if err != nil {
		panic(err) // a key in memory signs
	}
	return token
}

// As makes a client call as the caller: with its token, and for a run the headers that a worker sends.
// The anonymous caller sends none.
func (i *TestIssuer) As(c auth.Caller) connect.ClientOption {
	if c.Kind == auth.Anonymous {
		return connect.WithInterceptors()
	}
	token := i.Token(c)
	bearer := connect.UnaryInterceptorFunc(func(next connect.UnaryFunc) connect.UnaryFunc {
		return func(ctx context.Context, req connect.AnyRequest) (connect.AnyResponse, error) {
			req.Header().Set("Authorization", "Bearer "+token)
			return next(ctx, req)
		}
	})
	run := auth.RunHeaders(func(context.Context) (auth.RunIdentity, bool) {
		return auth.RunIdentity{Organisation: c.Organisation, Run: c.Run, Actor: c.Actor, Step: c.Step}, c.Kind == auth.Run
	})
	return connect.WithInterceptors(bearer, run)
}

// Serve serves a Connect handler, made with the issuer's Options, over real HTTP until the test ends, with the issuer's
// keys beside it. It returns the base URL for clients.
func Serve(t testing.TB, issuer *TestIssuer, path string, handler http.Handler) string {
	t.Helper()
	mux := http.NewServeMux()
	mux.Handle(path, handler)
	issuer.serveKeys(mux)
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server.URL
}

func (i *TestIssuer) serveKeys(mux *http.ServeMux) {
	mux.HandleFunc("GET "+jwksPath, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(i.keys)
	})
}
