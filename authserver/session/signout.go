package session

import (
	"net/http"

	"github.com/microservicehub/mshub/authserver/access"
	"github.com/microservicehub/mshub/authserver/page"
)

// SignOut serves /signout: a question, then a form. A link alone signs nobody out.
type SignOut struct {
	Sessions *Manager
	Issuer   *access.Issuer
	Pages    *page.Pages
}

type signOutView struct{ Person, ReturnTo string }

// Show asks.
func (h *SignOut) Show(w http.ResponseWriter, r *http.Request) { h.ask(w, r, http.StatusOK, "") }

func (h *SignOut) ask(w http.ResponseWriter, r *http.Request, status int, problem string) {
	s, err := h.Sessions.Current(r)
	if err != nil {
		h.Pages.Fail(w, r, err)
		return
	}
	returnTo := page.Local(r.FormValue("return_to"))
	if s == nil {
		h.Pages.Redirect(w, "/signin")
		return
	}
	view := signOutView{Person: "this account", ReturnTo: returnTo}
	if person, err := h.Issuer.Of(r.Context(), s.UserID, [16]byte{}); err == nil {
		view.Person = person.Profile.Email
	}
	h.Pages.Render(w, r, status, "signout", page.View{Title: "Sign out?", Error: problem, Data: view})
}

// Submit ends the session.
func (h *SignOut) Submit(w http.ResponseWriter, r *http.Request) {
	if !h.Pages.Posted(w, r) {
		h.ask(w, r, http.StatusForbidden, page.Expired)
		return
	}
	if err := h.Sessions.End(w, r); err != nil {
		h.Pages.Fail(w, r, err)
		return
	}
	location := page.Local(r.PostForm.Get("return_to"))
	if location == "/" {
		location = "/signin"
	}
	h.Pages.Redirect(w, location)
}
