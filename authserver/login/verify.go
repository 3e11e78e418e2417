package login

import (
	"fmt"
	"net/http"
	"strings"

	"connectrpc.com/connect"
	"github.com/google/uuid"

	identityv1 "github.com/microservicehub/mshub/services/identity/v1"

	"github.com/microservicehub/mshub/authserver/page"
	"github.com/microservicehub/mshub/internal/rpc"
)

type verifyView struct {
	Link, ReturnTo            string
	Words, Button             string
	Name, Email               string
	NeedsPassword, NewAccount bool
}

// ShowVerify says what a link is for, without using it up: mail scanners open links too.
func (p *Pages) ShowVerify(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	view := verifyView{Link: query.Get("link"), ReturnTo: page.Local(query.Get("return_to"))}
	if p.Guard.Allow(w, r, "") {
		p.verify(w, r, http.StatusOK, view, "")
	}
}

func (p *Pages) verify(w http.ResponseWriter, r *http.Request, status int, view verifyView, problem string) {
	if view.Link == "" || len(view.Link) > 200 {
		p.dead(w, r)
		return
	}
	link, err := p.Credentials.GetLink(r.Context(), &identityv1.GetLinkRequest{Token: view.Link})
	if isDead(err) {
		p.dead(w, r)
		return
	}
	if err != nil {
		p.failed(w, r, err)
		return
	}
	title := "Confirm your address"
	view.NeedsPassword, view.Button = link.GetNeedsPassword(), "Continue"
	view.NewAccount = link.GetKind() == identityv1.Link_ADMINISTRATOR
	if !view.NewAccount {
		view.Email, view.Name = link.GetEmail(), link.GetDisplayName()
	}
	switch link.GetKind() {
	case identityv1.Link_INVITATION:
		title, view.Button = "You are invited", "Accept the invitation"
		view.Words = fmt.Sprintf("%s invites you. ", or(link.GetOrganisation(), "Your team"))
		if view.NeedsPassword {
			view.Words += "Choose a password, and your account is ready."
		}
	case identityv1.Link_VERIFICATION:
		view.Words = "Confirm that this is your address."
		if view.NeedsPassword {
			title, view.Words = "Choose a password", "Then your account is ready."
		}
	case identityv1.Link_RESET:
		title, view.Button = "Choose a new password", "Save and sign in"
		view.Words = "Everywhere else you will be signed out."
	case identityv1.Link_ADMINISTRATOR:
		title, view.Button, view.NeedsPassword = "Set up the administrator", "Create the account", true
		view.Words = "This account may do everything. The link works once."
	}
	p.View.Render(w, r, status, "verify", page.View{Title: title, Error: problem, Data: view}, p.Targets(r, view.ReturnTo)...)
}

// SubmitVerify uses the link up. Who has just set a password is signed in; who only confirmed something signs in as usual.
func (p *Pages) SubmitVerify(w http.ResponseWriter, r *http.Request) {
	posted := p.View.Posted(w, r)
	form := r.PostForm
	view := verifyView{
		Link: form.Get("link"), ReturnTo: page.Local(form.Get("return_to")),
		Name: strings.TrimSpace(form.Get("name")), Email: strings.TrimSpace(form.Get("email")),
	}
	password := form.Get("password")
	switch {
	case !posted:
		p.verify(w, r, http.StatusForbidden, view, page.Expired)
		return
	case !p.Guard.Allow(w, r, ""):
		return
	case len(password) > 1024:
		p.verify(w, r, http.StatusUnprocessableEntity, view, "The password is longer than 1024 characters.")
		return
	}
	res, err := p.Credentials.RedeemLink(r.Context(), &identityv1.RedeemLinkRequest{
		Token: view.Link, Password: password, Email: view.Email, DisplayName: view.Name,
	})
	switch {
	case connect.CodeOf(err) == connect.CodeInvalidArgument, connect.CodeOf(err) == connect.CodeAlreadyExists:
		p.verify(w, r, http.StatusUnprocessableEntity, view, sentence(err))
		return
	case isDead(err):
		p.dead(w, r)
		return
	case err != nil:
		p.failed(w, r, err)
		return
	}
	user, err := uuid.Parse(strings.TrimPrefix(res.GetUser().GetName(), "users/"))
	if err != nil {
		p.View.Fail(w, r, err)
		return
	}
	p.enter(w, r, user, res, password != "", view.ReturnTo)
}

func (p *Pages) enter(w http.ResponseWriter, r *http.Request, user uuid.UUID, res *identityv1.RedeemLinkResponse, proved bool, returnTo string) {
	if !proved {
		p.View.Redirect(w, returnTo) // the console asks to sign in if nobody is
		return
	}
	if res.GetKind() == identityv1.Link_RESET {
		if err := p.Sessions.EndAll(r, user); err != nil {
			p.View.Fail(w, r, err)
			return
		}
	}
	if err := p.Sessions.Start(w, r, user); err != nil {
		p.View.Fail(w, r, err)
		return
	}
	p.Guard.Remember(w, res.GetUser().GetEmail())
	p.View.Redirect(w, returnTo)
}

func (p *Pages) dead(w http.ResponseWriter, r *http.Request) {
	p.View.Render(w, r, http.StatusGone, "message", page.View{Title: "This link does not work any more", Data: page.Message{
		Text: "It was used already, has expired, or was copied incompletely. Ask for a new one.",
		Link: "/signin", Label: "Go to sign-in",
	}})
}

// isDead: unknown, used, withdrawn and expired links are all the same to whoever holds one.
func isDead(err error) bool {
	code := connect.CodeOf(err)
	return err != nil && (code == connect.CodeNotFound || code == connect.CodeFailedPrecondition)
}

// labels are the fields of the identity service as the pages call them.
var labels = map[string]string{
	"email": "E-mail", "displayName": "Name", "password": "Password", "token": "The link",
}

// sentence turns a field's complaint ("displayName: must not be empty") into one for a person, about what the page shows.
func sentence(err error) string {
	text := rpc.Message(err)
	if field, rest, ok := strings.Cut(text, ": "); ok {
		if label := labels[field]; label != "" {
			text = label + " " + rest
		}
	}
	return strings.TrimSuffix(text, ".") + "."
}

func or(text, instead string) string {
	if text == "" {
		return instead
	}
	return text
}
