package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/google/uuid"

	"github.com/microservicehub/mshub/internal/auth"
)

// issuer stands in for the authorization server: it signs the tokens of the starter and of the worker.
type issuer struct {
	signer       jose.Signer
	verifier     *auth.Verifier
	organisation uuid.UUID
}

const issuerURL = "http://bench.mshub"

func newIssuer() (*issuer, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: key, KeyID: "bench"}},
		(&jose.SignerOptions{}).WithType(auth.TokenType))
	if err != nil {
		return nil, err
	}
	public := jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key.Public(), KeyID: "bench", Algorithm: string(jose.ES256), Use: "sig"}}}
	keys := func(context.Context) (jose.JSONWebKeySet, error) { return public, nil }
	organisation, err := uuid.NewV7()
	return &issuer{signer, auth.NewVerifier(issuerURL, keys, auth.NewRevocations(time.Now), time.Now), organisation}, err
}

func (i *issuer) starter(context.Context) (string, time.Time, error) {
	return i.token(auth.Claims{
		Claims: jwt.Claims{Subject: auth.ClientSubject("bench")}, Organisation: i.organisation.String(),
		Permissions: []string{"runs.read", "runs.write"}, Scope: "runs:write", ClientID: "bench",
	})
}

func (i *issuer) worker(context.Context) (string, time.Time, error) {
	return i.token(auth.Claims{Claims: jwt.Claims{Subject: auth.ServiceSubject("worker")}, Scope: auth.WorkerScope})
}

// forWorkers is a worker's token for a whole measurement: a process apart can't ask for new ones.
func (i *issuer) forWorkers() (string, error) {
	token, _, err := i.sign(auth.Claims{Claims: jwt.Claims{Subject: auth.ServiceSubject("worker")}, Scope: auth.WorkerScope}, 12*time.Hour)
	return token, err
}

func (i *issuer) token(claims auth.Claims) (string, time.Time, error) {
	return i.sign(claims, auth.TokenLifetime)
}

func (i *issuer) sign(claims auth.Claims, lifetime time.Duration) (string, time.Time, error) {
	id, err := uuid.NewV7()
	expiry := time.Now().Add(lifetime)
	claims.ID, claims.Issuer, claims.Audience = id.String(), issuerURL, jwt.Audience{issuerURL}
	claims.IssuedAt, claims.Expiry = jwt.NewNumericDate(time.Now()), jwt.NewNumericDate(expiry)
	token, e := jwt.Signed(i.signer).Claims(claims).Serialize()
	return token, expiry, errors.Join(err, e)
}
