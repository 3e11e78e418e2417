package token

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"connectrpc.com/connect"
	"github.com/google/uuid"
	"github.com/ory/fosite"

	"github.com/microservicehub/mshub/authserver/access"
	"github.com/microservicehub/mshub/authserver/limit"
	"github.com/microservicehub/mshub/authserver/protocol"
	"github.com/microservicehub/mshub/authserver/store"
	"github.com/microservicehub/mshub/internal/auth"
)

const (
	accessLifetime = auth.TokenLifetime
	// maxForm bounds a request's body.
	maxForm = 64 << 10
)

// Endpoint serves POST /oauth2/token.
type Endpoint struct {
	Provider fosite.OAuth2Provider
	Store    *store.Store
	Issuer   *access.Issuer
	// EndFamily takes back everything that descends from one code.
	EndFamily func(ctx context.Context, family uuid.UUID) error
	// Failures bounds wrong secrets an address.
	Failures *limit.Buckets
	// Family is how long refresh tokens may descend from one code; Idle how long one waits for its use.
	Family, Idle time.Duration
	Log          *slog.Logger
	Now          func() time.Time
}

// ServeHTTP walks the phases that every grant has in common.
func (e *Endpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	ctx := r.Context()
	address := auth.RemoteAddress(r.RemoteAddr)
	if wait, ok := e.Failures.Peek(address); !ok {
		limit.RetryAfter(w, wait)
		e.Provider.WriteAccessError(ctx, w, nil, errTooMany)
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	request, err := e.Provider.NewAccessRequest(ctx, r, &protocol.Session{})
	if err != nil {
		if errors.Is(err, fosite.ErrInvalidClient) {
			e.Failures.Take(address)
		}
		if code := r.PostForm.Get("code"); code != "" && errors.Is(err, fosite.ErrInvalidGrant) {
			if err := e.Store.SpoilCode(ctx, code); err != nil {
				e.Log.WarnContext(ctx, "a code that was refused may be tried again", "error", err)
			}
		}
		e.fail(ctx, w, r, request, err)
		return
	}
	if err := e.authorise(ctx, request); err != nil {
		e.fail(ctx, w, r, request, err)
		return
	}
	if err := e.Issuer.Ready(ctx); err != nil {
		e.fail(ctx, w, r, request, fosite.ErrTemporarilyUnavailable.WithWrap(err))
		return
	}
	var response fosite.AccessResponder
	err = e.Store.Atomic(ctx, func(ctx context.Context) error {
		response, err = e.Provider.NewAccessResponse(ctx, request)
		return err
	})
	if errors.Is(err, store.ErrLost) || errors.Is(err, fosite.ErrInvalidatedAuthorizeCode) {
		err = e.lost(ctx, request)
	}
	if err != nil {
		e.fail(ctx, w, r, request, err)
		return
	}
	if client, ok := request.GetClient().(*protocol.Client); ok {
		if err := e.Store.TouchClient(ctx, client); err != nil {
			e.Log.WarnContext(ctx, "the use of a client was not written down", "client", client.ID, "error", err)
		}
	}
	e.Provider.WriteAccessResponse(ctx, w, request, response)
}

// authorise says what the tokens may do: for a machine its scopes, for a person what the identity service says now.
func (e *Endpoint) authorise(ctx context.Context, r fosite.AccessRequester) error {
	client, ok := r.GetClient().(*protocol.Client)
	session, isSession := r.GetSession().(*protocol.Session)
	if !ok || !isSession {
		return fosite.ErrServerError.WithDebug("a request without client or session")
	}
	if r.GetGrantTypes().ExactOne("client_credentials") {
		scopes := r.GetRequestedScopes()
		if len(scopes) == 0 {
			scopes = client.Scopes
		}
		for _, scope := range scopes {
			r.GrantScope(scope)
		}
		session.Organisation = client.Organisation
		session.Subject = auth.ClientSubject(client.ID)
		session.Keepers = client.Keepers
		session.Permissions = []string{"*"} // cut down to its scopes, which its registrar had to have
		if client.Kind == protocol.Service {
			session.Subject, session.Permissions = auth.ServiceSubject(client.ID), nil
		}
		return nil
	}
	person, err := e.Issuer.Of(ctx, session.User, session.Organisation)
	switch {
	case errors.Is(err, access.ErrNoAccess):
		if family, parseErr := uuid.Parse(r.GetID()); parseErr == nil {
			if err := e.EndFamily(ctx, family); err != nil {
				return fosite.ErrServerError.WithWrap(err)
			}
		}
		return fosite.ErrInvalidGrant.WithWrap(err).WithHint("The person has no access to this organisation any more.")
	case err != nil:
		return fosite.ErrTemporarilyUnavailable.WithWrap(err)
	}
	session.Permissions, session.Roles, session.Person = person.Permissions, person.Roles, person.Profile
	if r.GetGrantTypes().ExactOne("authorization_code") {
		now := e.Now()
		session.FamilyExpiresAt = now.Add(e.Family)
		session.SetExpiresAt(fosite.RefreshToken, earlier(now.Add(e.Idle), session.FamilyExpiresAt))
	}
	return nil
}

// lost answers the one who came second, and takes the winner's tokens back: one of the two is not the client.
func (e *Endpoint) lost(ctx context.Context, r fosite.AccessRequester) error {
	family, err := uuid.Parse(r.GetID())
	if err == nil {
		err = e.EndFamily(ctx, family)
	}
	if err != nil {
		return fosite.ErrServerError.WithWrap(err)
	}
	return fosite.ErrInvalidGrant.WithHint("It was used before. All tokens that descend from it were taken back.")
}

var errTooMany = &fosite.RFC6749Error{
	ErrorField:       "temporarily_unavailable",
	DescriptionField: "Too many wrong secrets from this address. Try again later.",
	CodeField:        http.StatusTooManyRequests,
}

// fail writes an error; its cause goes to the log alone.
func (e *Endpoint) fail(ctx context.Context, w http.ResponseWriter, r *http.Request, request fosite.AccessRequester, err error) {
	known := fosite.ErrorToRFC6749Error(err)
	if known.CodeField >= http.StatusInternalServerError && ctx.Err() == nil {
		e.Log.ErrorContext(ctx, "token endpoint", "error", known.ErrorField, "detail", known.DebugField, "cause", errors.Unwrap(known), "code", connect.CodeOf(err).String())
		if known.ErrorField == "error" {
			err = fosite.ErrServerError
		}
	}
	if _, _, basic := r.BasicAuth(); basic && known.CodeField == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", `Basic realm="mshub"`)
	}
	e.Provider.WriteAccessError(ctx, w, request, err)
}
