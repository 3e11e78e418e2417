package login

import (
	"net/http"
	"strings"

	identityv1 "github.com/microservicehub/mshub/services/identity/v1"

	"github.com/microservicehub/mshub/authserver/page"
)

type resetView struct{ Email string }

// ShowReset shows the form.
func (p *Pages) ShowReset(w http.ResponseWriter, r *http.Request) {
	p.reset(w, r, http.StatusOK, resetView{}, "")
}

func (p *Pages) reset(w http.ResponseWriter, r *http.Request, status int, view resetView, problem string) {
	p.View.Render(w, r, status, "reset", page.View{Title: "Forgot your password?", Error: problem, Data: view})
}

// SubmitReset asks for a link by mail, with the same answer for a known and an unknown address.
func (p *Pages) SubmitReset(w http.ResponseWriter, r *http.Request) {
	posted := p.View.Posted(w, r)
	view := resetView{Email: strings.TrimSpace(r.PostForm.Get("email"))}
	switch {
	case !posted:
		p.reset(w, r, http.StatusForbidden, view, page.Expired)
		return
	case !p.Guard.Allow(w, r, view.Email):
		return
	case !plausible(view.Email):
		p.reset(w, r, http.StatusUnprocessableEntity, view, "This is not an e-mail address.")
		return
	}
	res, err := p.Credentials.CreateLink(r.Context(), &identityv1.CreateLinkRequest{Kind: identityv1.Link_RESET, Email: view.Email})
	if err != nil {
		p.failed(w, r, err)
		return
	}
	p.View.Redirect(w, sent)
	p.Mail.Send(r.Context(), res.GetMail())
}
