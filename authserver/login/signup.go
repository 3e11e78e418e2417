package login

import (
	"net/http"
	"net/mail"
	"strings"

	"connectrpc.com/connect"

	identityv1 "github.com/microservicehub/mshub/services/identity/v1"

	"github.com/microservicehub/mshub/authserver/page"
)

type signUpView struct{ Name, Email string }

// ShowSignUp shows the form, if people may create accounts by themselves.
func (p *Pages) ShowSignUp(w http.ResponseWriter, r *http.Request) {
	if p.closed(w, r) {
		return
	}
	p.signUp(w, r, http.StatusOK, signUpView{}, "")
}

func (p *Pages) signUp(w http.ResponseWriter, r *http.Request, status int, view signUpView, problem string) {
	p.View.Render(w, r, status, "signup", page.View{Title: "Create an account", Error: problem, Data: view})
}

// SubmitSignUp asks for a link by mail. Page, status and cookies are the same for a known and an unknown address; the
// mail tells the difference to the one who reads it.
func (p *Pages) SubmitSignUp(w http.ResponseWriter, r *http.Request) {
	if p.closed(w, r) {
		return
	}
	posted := p.View.Posted(w, r)
	view := signUpView{Name: strings.TrimSpace(r.PostForm.Get("name")), Email: strings.TrimSpace(r.PostForm.Get("email"))}
	switch {
	case !posted:
		p.signUp(w, r, http.StatusForbidden, view, page.Expired)
		return
	case !p.Guard.Allow(w, r, view.Email):
		return
	case !plausible(view.Email):
		p.signUp(w, r, http.StatusUnprocessableEntity, view, "This is not an e-mail address.")
		return
	case view.Name == "" || len(view.Name) > 200:
		p.signUp(w, r, http.StatusUnprocessableEntity, view, "Tell us your name, in at most 200 characters.")
		return
	}
	res, err := p.Credentials.SignUp(r.Context(), &identityv1.SignUpRequest{Email: view.Email, DisplayName: view.Name})
	if connect.CodeOf(err) == connect.CodeInvalidArgument {
		p.signUp(w, r, http.StatusUnprocessableEntity, view, sentence(err))
		return
	}
	if err != nil {
		p.failed(w, r, err)
		return
	}
	p.View.Redirect(w, sent)
	p.Mail.Send(r.Context(), res.GetMail())
}

func (p *Pages) closed(w http.ResponseWriter, r *http.Request) bool {
	if !p.SignUp {
		p.View.Say(w, r, http.StatusNotFound, "By invitation only", "Accounts here are given by an administrator. Ask the one who told you about this place.")
	}
	return !p.SignUp
}

// sent is the one answer to every request for a link.
const sent = "/signin/sent"

// ShowSent says to look into the mailbox.
func (p *Pages) ShowSent(w http.ResponseWriter, r *http.Request) {
	p.View.Render(w, r, http.StatusOK, "message", page.View{Title: "Look into your mailbox", Data: page.Message{
		Text: "If everything is as it should be, a mail with a link is on its way to you. It may take a minute; look into the spam folder too.",
		Link: "/signin", Label: "Back to sign-in",
	}})
}

// plausible reports whether a text can be an e-mail address; whether it is one, the mail will show.
func plausible(email string) bool {
	a, err := mail.ParseAddress(email)
	return err == nil && a.Address == email && len(email) <= 254
}
