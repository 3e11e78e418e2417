package authorize

import (
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
	r.Body = http.MaxBytesReader(w, r.Body, 64<<10)
	uri, err := p.push(r)
	if err != nil {
		protocol.AnswerError(w, err)
		return
	}
	protocol.Answer(w, http.StatusCreated, pushed{RequestURI: uri, ExpiresIn: int(p.Lifetime.Seconds())})
}

type pushed struct {
	RequestURI string `json:"request_uri"`
	ExpiresIn  int    `json:"expires_in"` // seconds
}

func (p *Push) push(r *http.Request) (string, error) {
	ctx := r.Context()
	if err := r.ParseForm(); err != nil {
		return "", fosite.ErrInvalidRequest.WithHint("The form can't be read.")
	}
	form := r.PostForm
	client, err := p.Authenticate(ctx, r, form)
	if err != nil {
		return "", err
	}
	if form.Has("request_uri") {
		return "", fosite.ErrInvalidRequest.WithHint("A pushed request can't refer to another one.")
	}
	form.Del("client_secret")
	form.Set("client_id", client.GetID())
	if _, err := p.Reader.Read(ctx, form); err != nil {
		return "", err
	}
	uri := parPrefix + protocol.RandomSecret()
	err = p.Reader.Store.Do(ctx, func(tx pgx.Tx) error {
		return store.New().CreatePushedRequest(ctx, tx, store.CreatePushedRequestParams{
			UriHash: protocol.Hash(uri), ClientID: client.GetID(), Form: form.Encode(), ExpiresAt: p.Reader.Now().Add(p.Lifetime),
		})
	})
	return uri, err
}
