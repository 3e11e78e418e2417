package authorize

import (
	"encoding/json"
	"net/http"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/ory/fosite"

	"github.com/microservicehub/mshub/authserver/protocol"
	"github.com/microservicehub/mshub/authserver/store"
)

// Push serves POST /oauth2/par: the client, which has shown its secret, deposits an authorization request and gets an id
// to send the person with. The request is used up when its code is issued, not when it is first looked at.
type Push struct {
	Reader *Reader
	// Authenticate checks the client.
	Authenticate fosite.ClientAuthenticationStrategy
	// Lifetime of a deposited request.
	Lifetime time.Duration
}

// ServeHTTP stores the request if it would be answered.
func (p *Push) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	uri, err := p.push(w, r)
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	if err != nil {
		known := fosite.ErrorToRFC6749Error(err)
		w.WriteHeader(known.CodeField)
		_ = json.NewEncoder(w).Encode(map[string]string{"error": known.ErrorField, "error_description": known.GetDescription()})
		return
	}
	w.WriteHeader(http.StatusCreated)
	_ = json.NewEncoder(w).Encode(map[string]any{"request_uri": uri, "expires_in": int(p.Lifetime.Seconds())})
}

func (p *Push) push(w http.ResponseWriter, r *http.Request) (string, error) {
	r.Body = http.MaxBytesReader(w, r.Body, 64<<10)
	if err := r.ParseForm(); err != nil {
		return "", fosite.ErrInvalidRequest.WithHint("The form can't be read.")
	}
	form := r.PostForm
	client, err := p.Authenticate(r.Context(), r, form)
	if err != nil {
		return "", err
	}
	if form.Has("request_uri") {
		return "", fosite.ErrInvalidRequest.WithHint("A pushed request can't refer to another one.")
	}
	form.Del("client_secret")
	form.Set("client_id", client.GetID())
	if _, err := p.Reader.Read(r.Context(), form); err != nil {
		return "", err
	}
	uri := parPrefix + protocol.RandomSecret()
	err = p.Reader.Store.Do(r.Context(), func(tx pgx.Tx) error {
		return store.New().CreatePushedRequest(r.Context(), tx, store.CreatePushedRequestParams{
			UriHash: protocol.Hash(uri), ClientID: client.GetID(), Form: form.Encode(), ExpiresAt: p.Reader.Now().Add(p.Lifetime),
		})
	})
	return uri, err
}
