package authorize

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/ory/fosite"

	"github.com/microservicehub/mshub/authserver/access"
	"github.com/microservicehub/mshub/authserver/page"
	"github.com/microservicehub/mshub/authserver/protocol"
	"github.com/microservicehub/mshub/authserver/session"
	"github.com/microservicehub/mshub/authserver/store"
)

const (
	// loginAge bounds how long a person may take to sign in again.
	loginAge = time.Hour
	// consentAge bounds the way back from the consent page.
	consentAge = 5 * time.Minute
)

// Endpoint serves /oauth2/authorize.
type Endpoint struct {
	Reader   *Reader
	Tickets  *Tickets
	Sessions *session.Manager
	Issuer   *access.Issuer
	Pages    *page.Pages
	// Consented returns the scopes that a person has allowed a client before.
	Consented func(ctx context.Context, s *store.Session, clientID string) ([]string, error)
	// PublicURL is the issuer, named in every answer (RFC 9207).
	PublicURL string
	Log       *slog.Logger
}

// ServeHTTP walks the steps; the first that is missing decides where the person goes next.
func (e *Endpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodPost { // OpenID Connect allows it; the cookie comes along only with a GET
		r.Body = http.MaxBytesReader(w, r.Body, 64<<10)
		if err := r.ParseForm(); err != nil {
			e.Pages.Say(w, r, http.StatusBadRequest, "This request can't be read", "Start again in the application.")
			return
		}
		e.Pages.Redirect(w, Path+"?"+r.PostForm.Encode())
		return
	}
	query := r.URL.Query()
	login, consent := query.Get(loginTicket), query.Get(consentTicket)
	query.Del(loginTicket)
	query.Del(consentTicket)

	req, err := e.Reader.Read(r.Context(), query)
	if err != nil {
		e.fail(w, r, req, err)
		return
	}
	s, err := e.Sessions.Current(r)
	if err != nil {
		e.Pages.Fail(w, r, err)
		return
	}
	prompt := strings.Fields(req.GetRequestForm().Get("prompt"))
	asked, fresh := e.signedIn(s, req, prompt, login)
	if !fresh {
		if slices.Contains(prompt, "none") {
			e.fail(w, r, req, fosite.ErrLoginRequired)
			return
		}
		back := address(query, loginTicket, e.Tickets.issue(loginTicket, "", query))
		e.Pages.Redirect(w, "/signin?return_to="+url.QueryEscape(back))
		return
	}
	person, err := e.Issuer.Of(r.Context(), s.UserID, req.Client.Organisation)
	switch {
	case errors.Is(err, access.ErrNoAccess):
		e.fail(w, r, req, fosite.ErrAccessDenied.WithHint("The person is no member of the organisation that this application belongs to."))
		return
	case err != nil:
		e.Pages.Fail(w, r, err)
		return
	}
	allowed, err := e.allowed(r.Context(), s, req, prompt, consent)
	if err != nil {
		e.Pages.Fail(w, r, err)
		return
	}
	if !allowed {
		if slices.Contains(prompt, "none") {
			e.fail(w, r, req, fosite.ErrConsentRequired)
			return
		}
		e.Pages.Redirect(w, "/consent?"+query.Encode())
		return
	}
	e.answer(w, r, req, s, person, asked)
}

// signedIn reports whether somebody is signed in, as recently as the client wants, and since when the client waits.
func (e *Endpoint) signedIn(s *store.Session, req *Request, prompt []string, ticket string) (asked time.Time, ok bool) {
	now := e.Tickets.Now()
	if s == nil {
		return now, false
	}
	if first, good := e.Tickets.check(ticket, loginTicket, "", req.Query, loginAge); good && !s.AuthenticatedAt.Before(first) {
		return first, true // signed in after this request asked for it
	}
	if slices.Contains(prompt, "login") || slices.Contains(prompt, "select_account") {
		return now, false
	}
	if age, err := strconv.Atoi(req.GetRequestForm().Get("max_age")); err == nil {
		return now, !s.AuthenticatedAt.Add(time.Duration(age) * time.Second).Before(now)
	}
	return now, true
}

// allowed reports whether the person has allowed everything that is asked for: just now, or before and remembered.
func (e *Endpoint) allowed(ctx context.Context, s *store.Session, req *Request, prompt []string, ticket string) (bool, error) {
	if req.Client.FirstParty {
		return true, nil
	}
	if _, ok := e.Tickets.check(ticket, consentTicket, s.ID.String(), req.Query, consentAge); ok {
		return true, nil
	}
	if slices.Contains(prompt, "consent") || req.Unproven() {
		return false, nil
	}
	before, err := e.Consented(ctx, s, req.Client.ID)
	if err != nil || before == nil {
		return false, err
	}
	for _, scope := range req.GetRequestedScopes() {
		if !slices.Contains(before, scope) {
			return false, nil
		}
	}
	return true, nil
}

// answer sends the person back with a code.
func (e *Endpoint) answer(w http.ResponseWriter, r *http.Request, req *Request, s *store.Session, person access.Person, asked time.Time) {
	ctx := r.Context()
	for _, scope := range req.GetRequestedScopes() {
		req.GrantScope(scope)
	}
	carried := &protocol.Session{
		Subject:      s.UserID.String(),
		User:         s.UserID,
		Organisation: person.Organisation,
		Scopes:       req.GetGrantedScopes(),
		AuthTime:     s.AuthenticatedAt,
		RequestedAt:  asked,
	}
	var response fosite.AuthorizeResponder
	err := e.Reader.Store.Atomic(ctx, func(ctx context.Context) (err error) {
		if response, err = e.Reader.Provider.NewAuthorizeResponse(ctx, req.AuthorizeRequester, carried); err != nil {
			return err
		}
		return e.used(ctx, req, s)
	})
	if err != nil {
		e.fail(w, r, req, err)
		return
	}
	response.AddParameter("iss", e.PublicURL)
	if req.GetState() == "" {
		response.GetParameters().Del("state")
	}
	w.Header().Set("Referrer-Policy", "no-referrer")
	e.Reader.Provider.WriteAuthorizeResponse(ctx, w, req.AuthorizeRequester, response)
}

// used uses a pushed request up, exactly once, and remembers when the consent last served.
func (e *Endpoint) used(ctx context.Context, req *Request, s *store.Session) error {
	q := store.New()
	return e.Reader.Store.Do(ctx, func(tx pgx.Tx) error {
		if uri := req.Query.Get("request_uri"); uri != "" {
			n, err := q.DeletePushedRequest(ctx, tx, protocol.Hash(uri))
			if err != nil {
				return err
			}
			if n == 0 {
				return unanswerableError{fosite.ErrInvalidRequestURI.WithHint("The pushed request was used already.")}
			}
		}
		return q.TouchConsent(ctx, tx, store.TouchConsentParams{UserID: s.UserID, ClientID: req.Client.ID, UsedAt: e.Tickets.Now()})
	})
}

// fail tells the client, if its redirect URI is known to be its own, else the person.
func (e *Endpoint) fail(w http.ResponseWriter, r *http.Request, req *Request, err error) {
	var unanswerable unanswerableError
	known := fosite.ErrorToRFC6749Error(err)
	if req == nil || errors.As(err, &unanswerable) {
		if known.CodeField >= http.StatusInternalServerError {
			e.Pages.Fail(w, r, err)
			return
		}
		e.Pages.Say(w, r, http.StatusBadRequest, "This sign-in can't go on", known.HintField+" Tell the people who run the application.")
		return
	}
	if known.CodeField >= http.StatusInternalServerError {
		e.Log.ErrorContext(r.Context(), "authorization endpoint", "error", known.ErrorField, "detail", known.DebugField, "cause", errors.Unwrap(known))
		if known.ErrorField == "error" {
			known = fosite.ErrServerError
		}
	}
	e.Pages.Redirect(w, ErrorAddress(req, e.PublicURL, known))
}

// ErrorAddress is the client's redirect URI with an error (RFC 6749 §4.1.2.1) and who says so (RFC 9207).
func ErrorAddress(req *Request, issuer string, err *fosite.RFC6749Error) string {
	target := *req.GetRedirectURI()
	query := target.Query()
	query.Set("error", err.ErrorField)
	query.Set("error_description", err.GetDescription())
	query.Set("iss", issuer)
	if state := req.GetState(); state != "" {
		query.Set("state", state)
	}
	target.RawQuery = query.Encode()
	return target.String()
}

// Targets returns the origin that a local return address may lead to in the end: the redirect URI of the authorization
// request in it, once that is known to be the client's.
func (e *Endpoint) Targets(r *http.Request, returnTo string) []string {
	u, err := url.Parse(returnTo)
	if err != nil || u.Path != Path {
		return nil
	}
	query := u.Query()
	query.Del(loginTicket)
	query.Del(consentTicket)
	req, _ := e.Reader.Read(r.Context(), query)
	if req == nil || req.GetRedirectURI() == nil {
		return nil
	}
	return []string{protocol.Origin(req.GetRedirectURI().String())}
}
