// Package consent is where a person allows a third party something, and takes it back.
//
//	consent.go  /consent: what the application wants, in words; Allow or Deny
//	service.go  GrantService: what the person has allowed, and how to end it
//
// What was allowed is remembered a person and a client, and grows with what is allowed later. The page re-reads the
// request, shows it, and sends the person back to /oauth2/authorize; it issues nothing itself.
package consent

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/ory/fosite"

	"github.com/microservicehub/mshub/authserver/access"
	"github.com/microservicehub/mshub/authserver/authorize"
	"github.com/microservicehub/mshub/authserver/page"
	"github.com/microservicehub/mshub/authserver/protocol"
	"github.com/microservicehub/mshub/authserver/session"
	"github.com/microservicehub/mshub/authserver/store"
	"github.com/microservicehub/mshub/internal/audit"
	"github.com/microservicehub/mshub/internal/auth"
	"github.com/microservicehub/mshub/internal/postgres"
)

// Page serves /consent.
type Page struct {
	DB       *postgres.DB
	Reader   *authorize.Reader
	Tickets  *authorize.Tickets
	Sessions *session.Manager
	Issuer   *access.Issuer
	View     *page.Pages
	// PublicURL is the issuer, named in a refusal.
	PublicURL string
	Now       func() time.Time
}

type view struct {
	Client, Target, Person string
	Scopes                 []protocol.ScopeWords
	Unproven               bool
	// Request is the authorization request, as it came.
	Request string
}

// Remembered returns the scopes that a person has allowed a client; nil if none ever.
func Remembered(db *postgres.DB) func(ctx context.Context, s *store.Session, clientID string) ([]string, error) {
	q := store.New()
	return func(ctx context.Context, s *store.Session, clientID string) ([]string, error) {
		var row store.Consent
		err := db.Global(ctx, func(tx pgx.Tx) (err error) {
			row, err = q.GetConsent(ctx, tx, store.GetConsentParams{UserID: s.UserID, ClientID: clientID})
			return err
		})
		if errors.Is(err, pgx.ErrNoRows) {
			return nil, nil
		}
		return row.Scopes, err
	}
}

// Show asks.
func (p *Page) Show(w http.ResponseWriter, r *http.Request) {
	p.show(w, r, r.URL.Query(), http.StatusOK, "")
}

func (p *Page) show(w http.ResponseWriter, r *http.Request, query url.Values, status int, problem string) {
	req, s, ok := p.read(w, r, query)
	if !ok {
		return
	}
	person, err := p.Issuer.Of(r.Context(), s.UserID, req.Client.Organisation)
	if err != nil {
		p.View.Redirect(w, authorize.Path+"?"+query.Encode()) // which knows what to say
		return
	}
	target := req.GetRedirectURI()
	p.View.Render(w, r, status, "consent", page.View{Title: "Allow access?", Error: problem, Data: view{
		Client:   req.Client.Title,
		Target:   target.Host,
		Person:   person.Profile.Email,
		Scopes:   protocol.InWords(req.GetRequestedScopes()),
		Unproven: req.Unproven(),
		Request:  query.Encode(),
	}}, protocol.Origin(target.String()))
}

// read returns the request and who is asked; otherwise it has sent the person to where both are sorted out.
func (p *Page) read(w http.ResponseWriter, r *http.Request, query url.Values) (*authorize.Request, *store.Session, bool) {
	s, err := p.Sessions.Current(r)
	if err != nil {
		p.View.Fail(w, r, err)
		return nil, nil, false
	}
	req, err := p.Reader.Read(r.Context(), query)
	if err != nil || s == nil {
		p.View.Redirect(w, authorize.Path+"?"+query.Encode())
		return nil, nil, false
	}
	return req, s, true
}

// Submit takes the decision.
func (p *Page) Submit(w http.ResponseWriter, r *http.Request) {
	posted := p.View.Posted(w, r)
	query, err := url.ParseQuery(r.PostForm.Get("request"))
	if err != nil {
		query = url.Values{}
	}
	if !posted {
		p.show(w, r, query, http.StatusForbidden, page.Expired)
		return
	}
	req, s, ok := p.read(w, r, query)
	if !ok {
		return
	}
	if r.PostForm.Get("decision") != "allow" {
		refusal := fosite.ErrAccessDenied.WithHint("The person refused.")
		p.View.Redirect(w, authorize.ErrorAddress(req, p.PublicURL, refusal))
		return
	}
	if err := p.remember(r, req, s); err != nil {
		p.View.Fail(w, r, err)
		return
	}
	p.View.Redirect(w, p.Tickets.Allowed(query, s.ID.String()))
}

func (p *Page) remember(r *http.Request, req *authorize.Request, s *store.Session) error {
	ctx := auth.With(r.Context(), auth.Caller{
		Kind: auth.User, User: s.UserID, Organisation: req.Client.Organisation, Actor: "users/" + s.UserID.String(),
		SessionID: s.ID.String(), RemoteAddress: auth.RemoteAddress(r.RemoteAddr),
	})
	id, err := uuid.NewV7()
	if err != nil {
		return err
	}
	scopes := append([]string{}, req.GetRequestedScopes()...)
	return p.DB.Global(ctx, func(tx pgx.Tx) error {
		err := store.New().SaveConsent(ctx, tx, store.SaveConsentParams{
			ID: id, UserID: s.UserID, ClientID: req.Client.ID, ClientTitle: req.Client.Title, Scopes: scopes, Now: p.Now(),
		})
		if err != nil {
			return err
		}
		return audit.Append(ctx, tx, audit.Entry{
			Action: "authserver/Consent", Target: "clients/" + req.Client.ID, After: map[string]any{"scopes": scopes},
		})
	})
}
