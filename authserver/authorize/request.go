package authorize

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/ory/fosite"

	"github.com/microservicehub/mshub/authserver/protocol"
	"github.com/microservicehub/mshub/authserver/store"
)

// Request is an authorization request that we would answer.
type Request struct {
	fosite.AuthorizeRequester
	Client *protocol.Client
	// Query is the request as the client sent it (for a pushed one: its id), and what every step hands on.
	Query url.Values
}

// Unproven reports whether the client can't prove who it is: any program on a device may listen on loopback.
func (r *Request) Unproven() bool {
	return r.Client.IsPublic() && r.GetRedirectURI().Scheme == "http"
}

// Reader reads authorization requests.
type Reader struct {
	Provider fosite.OAuth2Provider
	Store    *store.Store
	Now      func() time.Time
}

// unanswerableError: the redirect URI can't be trusted, so the person reads the error and the client does not.
type unanswerableError struct{ error }

func (e unanswerableError) Unwrap() error { return e.error }

const (
	parPrefix = "urn:ietf:params:oauth:request_uri:"
	// challengeLength is that of every SHA-256 in base64url.
	challengeLength = 43
)

// Read validates a request. An error of type unanswerableError must not be sent to the redirect URI.
func (d *Reader) Read(ctx context.Context, query url.Values) (*Request, error) {
	if !protocol.AreTexts(query) { // in a return address, where it is encoded twice
		return nil, unanswerableError{fosite.ErrInvalidRequest.WithHint("A parameter is no valid text.")}
	}
	for name, values := range query {
		if len(values) > 1 {
			return nil, unanswerableError{fosite.ErrInvalidRequest.WithHintf("The parameter %q is there twice.", name)}
		}
	}
	form := query
	if uri := query.Get("request_uri"); strings.HasPrefix(uri, parPrefix) {
		pushed, err := d.pushed(ctx, uri, query.Get("client_id"))
		if err != nil {
			return nil, err
		}
		form = pushed
	}
	r, err := d.read(ctx, form)
	if r != nil {
		r.Query = query
	}
	return r, err
}

// read validates a request whose parameters are all there.
func (d *Reader) read(ctx context.Context, form url.Values) (*Request, error) {
	client, err := d.Store.Client(ctx, form.Get("client_id"))
	if errors.Is(err, fosite.ErrNotFound) {
		return nil, unanswerableError{fosite.ErrInvalidClient.WithHint("There is no such application.")}
	}
	if err != nil {
		return nil, err
	}
	// Required always, and the same byte for byte: what follows may be sent there.
	if !protocol.MatchRedirectURI(client.RedirectURIs, form.Get("redirect_uri")) {
		return nil, unanswerableError{fosite.ErrInvalidRequest.WithHint("The redirect_uri is not registered for this application.")}
	}
	if form.Has("request_uri") || form.Has("request") {
		return d.refused(form, client, fosite.ErrRequestNotSupported.WithHint("Send the parameters themselves, or push them to /oauth2/par."))
	}
	ar, err := d.parse(ctx, form)
	r := &Request{AuthorizeRequester: ar, Client: client, Query: form}
	if err != nil {
		if ar == nil || ar.GetRedirectURI() == nil {
			return d.refused(form, client, err)
		}
		return r, err
	}
	return r, proven(form)
}

// parse lets fosite read the request. fosite insists on a state; PKCE, which is never missing here, does what state was
// for, so a client without one is read as if it had sent something.
func (d *Reader) parse(ctx context.Context, form url.Values) (fosite.AuthorizeRequester, error) {
	state := form.Get("state")
	if state == "" {
		form = maps.Clone(form)
		form.Set("state", "none")
	}
	in, err := http.NewRequestWithContext(ctx, http.MethodGet, Path+"?"+form.Encode(), nil) //nolint:gosec // never sent: fosite reads it
	if err != nil {
		return nil, err
	}
	ar, err := d.Provider.NewAuthorizeRequest(ctx, in)
	if parsed, ok := ar.(*fosite.AuthorizeRequest); ok {
		parsed.State = state
	}
	return ar, err
}

// refused returns an error that may go to the redirect URI although fosite has not looked at it.
func (d *Reader) refused(form url.Values, client *protocol.Client, err error) (*Request, error) {
	ar := fosite.NewAuthorizeRequest()
	ar.Client, ar.State = client, form.Get("state")
	var parseErr error
	if ar.RedirectURI, parseErr = url.Parse(form.Get("redirect_uri")); parseErr != nil {
		return nil, unanswerableError{err}
	}
	return &Request{AuthorizeRequester: ar, Client: client, Query: form}, err
}

// proven wants PKCE with S256 of every client. fosite would check it as well, but only after the code is made.
func proven(form url.Values) error {
	switch {
	case form.Get("code_challenge") == "":
		return fosite.ErrInvalidRequest.WithHint("PKCE is required: send code_challenge and code_challenge_method=S256.")
	case form.Get("code_challenge_method") != "S256":
		return fosite.ErrInvalidRequest.WithHint("The code_challenge_method must be S256.")
	case len(form.Get("code_challenge")) != challengeLength:
		return fosite.ErrInvalidRequest.WithHint("The code_challenge must be a SHA-256 in base64url without padding.")
	}
	return nil
}

// pushed returns the parameters of a request that the client deposited. Looking does not use it up: a person may reload.
func (d *Reader) pushed(ctx context.Context, uri, clientID string) (url.Values, error) {
	var form string
	err := d.Store.Do(ctx, func(tx pgx.Tx) (err error) {
		form, err = store.New().GetPushedRequest(ctx, tx, store.GetPushedRequestParams{UriHash: protocol.Hash(uri), ClientID: clientID, Now: d.Now()})
		return err
	})
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, unanswerableError{fosite.ErrInvalidRequestURI.WithHint("The pushed request is unknown, used or too old. Start again in the application.")}
	}
	if err != nil {
		return nil, err
	}
	return url.ParseQuery(form)
}
