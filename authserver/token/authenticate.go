package token

import (
	"context"
	"crypto/subtle"
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/ory/fosite"

	"github.com/microservicehub/mshub/authserver/protocol"
)

// Authenticator checks a client's secret, by HTTP Basic or in the form. It replaces fosite's way, which hashes with
// bcrypt on every call and answers faster for an unknown client than for a wrong secret.
type Authenticator struct {
	clients func(ctx context.Context, id string) (*protocol.Client, error)
	now     func() time.Time
}

// NewAuthenticator finds clients with the given function, which returns fosite.ErrNotFound for an unknown id.
func NewAuthenticator(clients func(ctx context.Context, id string) (*protocol.Client, error), now func() time.Time) *Authenticator {
	return &Authenticator{clients: clients, now: now}
}

// unknown is compared against when there is no such client, so that both answers take the same work.
var unknown = protocol.Secret{Hash: make([]byte, 32)}

// Authenticate is a fosite.ClientAuthenticationStrategy. A public client has no secret to show.
func (a *Authenticator) Authenticate(ctx context.Context, r *http.Request, form url.Values) (fosite.Client, error) {
	id, secret, err := credentials(r, form)
	if err != nil {
		return nil, err
	}
	client, err := a.clients(ctx, id)
	switch {
	case errors.Is(err, fosite.ErrNotFound):
		a.matches([]protocol.Secret{unknown}, secret)
		return nil, fosite.ErrInvalidClient
	case err != nil:
		return nil, fosite.ErrTemporarilyUnavailable.WithWrap(err)
	case client.IsPublic() && secret == "":
		return client, nil
	case client.IsPublic() || !a.matches(client.Secrets, secret):
		return nil, fosite.ErrInvalidClient
	}
	return client, nil
}

// matches compares with every secret, so that the time tells nothing.
func (a *Authenticator) matches(secrets []protocol.Secret, presented string) bool {
	hash, now, found := protocol.Hash(presented), a.now(), 0
	for _, s := range secrets {
		equal := subtle.ConstantTimeCompare(hash, s.Hash)
		if s.Expires.IsZero() || now.Before(s.Expires) {
			found |= equal
		}
	}
	return found == 1
}

// credentials reads id and secret from exactly one place.
func credentials(r *http.Request, form url.Values) (id, secret string, err error) {
	if form.Get("client_assertion") != "" || form.Get("client_assertion_type") != "" {
		return "", "", fosite.ErrInvalidClient.WithHint("Clients authenticate with their secret, by HTTP Basic or in the form.")
	}
	user, password, basic := r.BasicAuth()
	if !basic {
		if id = form.Get("client_id"); id == "" {
			return "", "", fosite.ErrInvalidClient.WithHint("Send the client's id and secret, by HTTP Basic or in the form.")
		}
		return id, form.Get("client_secret"), nil
	}
	if id, err = url.QueryUnescape(user); err == nil {
		secret, err = url.QueryUnescape(password)
	}
	if err != nil {
		return "", "", fosite.ErrInvalidRequest.WithHint("Id and secret in the Authorization header must be URL-encoded.")
	}
	if form.Get("client_secret") != "" || (form.Get("client_id") != "" && form.Get("client_id") != id) {
		return "", "", fosite.ErrInvalidRequest.WithHint("Send the client's credentials in one place only.")
	}
	return id, secret, nil
}
