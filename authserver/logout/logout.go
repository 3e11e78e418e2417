// Package logout is /oauth2/logout (OpenID Connect RP-Initiated Logout): an application asks to sign the person out here
// as well.
//
// With an ID token of the person who is signed in it happens at once; without, the person is asked, because any page can
// link here. Back to the application only at an address that is registered for it.
package logout

import (
	"errors"
	"net/http"
	"net/url"
	"slices"

	"github.com/ory/fosite/token/jwt"

	"github.com/microservicehub/mshub/authserver/keys"
	"github.com/microservicehub/mshub/authserver/page"
	"github.com/microservicehub/mshub/authserver/session"
	"github.com/microservicehub/mshub/authserver/store"
)

// Endpoint serves GET and POST /oauth2/logout.
type Endpoint struct {
	Sessions *session.Manager
	Store    *store.Store
	Signer   keys.Signer
	Pages    *page.Pages
}

// ServeHTTP signs out, or asks.
func (e *Endpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, 64<<10)
	if err := r.ParseForm(); err != nil {
		e.Pages.Say(w, r, http.StatusBadRequest, "This request can't be read", "Sign out here instead, or go back to the application.")
		return
	}
	subject, client := e.hint(r, r.Form.Get("id_token_hint"))
	if given := r.Form.Get("client_id"); client == "" {
		client = given
	} else if given != "" && given != client {
		e.Pages.Say(w, r, http.StatusBadRequest, "This request contradicts itself", "It names two applications. Nobody was signed out.")
		return
	}
	s, err := e.Sessions.Current(r)
	if err != nil {
		e.Pages.Fail(w, r, err)
		return
	}
	back := e.back(r, client)
	switch {
	case s == nil:
		e.Pages.Redirect(w, back)
	case subject != s.UserID.String():
		e.Pages.Redirect(w, "/signout")
	default:
		if err := e.Sessions.End(w, r); err != nil {
			e.Pages.Fail(w, r, err)
			return
		}
		e.Pages.Redirect(w, back)
	}
}

// hint returns whom an ID token of ours is about and whom it was issued to, expired or not; nothing if it is not ours.
func (e *Endpoint) hint(r *http.Request, token string) (subject, client string) {
	if token == "" {
		return "", ""
	}
	decoded, err := e.Signer.Decode(r.Context(), token)
	var invalid *jwt.ValidationError
	if err != nil && (!errors.As(err, &invalid) || invalid.Errors != jwt.ValidationErrorExpired) {
		return "", ""
	}
	if typ, _ := decoded.Header["typ"].(string); typ != "JWT" {
		return "", ""
	}
	subject, _ = decoded.Claims["sub"].(string)
	client, _ = decoded.Claims["azp"].(string)
	return subject, client
}

// back is where the person goes on: the application's address if it is registered, else our sign-in page.
func (e *Endpoint) back(r *http.Request, clientID string) string {
	const home = "/signin"
	target := r.Form.Get("post_logout_redirect_uri")
	if target == "" || clientID == "" {
		return home
	}
	client, err := e.Store.Client(r.Context(), clientID)
	if err != nil || !slices.Contains(client.RedirectURIs, target) {
		return home
	}
	u, err := url.Parse(target)
	if err != nil {
		return home
	}
	if state := r.Form.Get("state"); state != "" {
		query := u.Query()
		query.Set("state", state)
		u.RawQuery = query.Encode()
	}
	return u.String()
}
