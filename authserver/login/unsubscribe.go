package login

import (
	"encoding/base64"
	"net/http"
	"net/url"

	identityv1 "github.com/microservicehub/mshub/services/identity/v1"

	"github.com/microservicehub/mshub/authserver/page"
)

// The address below a digest is all the authority there is: no cookie counts, so no other site can borrow one, and nobody
// has to be signed in. What it can do is end that one mail.

type unsubscribeView struct{ Action, Organisation string }

// ShowUnsubscribe asks; mail scanners open links too.
func (p *Pages) ShowUnsubscribe(w http.ResponseWriter, r *http.Request) {
	link := r.URL.Query().Get("link")
	organisation, ok := p.unsubscribe(w, r, link, true)
	if !ok {
		return
	}
	p.View.Render(w, r, http.StatusOK, "unsubscribe", page.View{
		Title: "No more of these mails?",
		Data:  unsubscribeView{Action: "/unsubscribe?" + url.Values{"link": {link}}.Encode(), Organisation: organisation},
	})
}

// SubmitUnsubscribe does it: the page's button and the mail program's (RFC 8058) are one and the same POST.
func (p *Pages) SubmitUnsubscribe(w http.ResponseWriter, r *http.Request) {
	organisation, ok := p.unsubscribe(w, r, r.URL.Query().Get("link"), false)
	if !ok {
		return
	}
	p.View.Render(w, r, http.StatusOK, "message", page.View{Title: "No more of these mails", Data: page.Message{
		Text: "You get no digest of " + or(organisation, "this organisation") + " any more. In your account you can change that.",
		Link: "/account", Label: "Go to your account",
	}})
}

// unsubscribe returns whose digest it is, or has answered. Nobody guesses a link, so nobody is slowed down.
func (p *Pages) unsubscribe(w http.ResponseWriter, r *http.Request, link string, dry bool) (organisation string, ok bool) {
	if raw, err := base64.RawURLEncoding.DecodeString(link); err != nil || len(raw) == 0 || len(link) > 200 {
		p.deadUnsubscribe(w, r)
		return "", false
	}
	res, err := p.Credentials.Unsubscribe(r.Context(), &identityv1.UnsubscribeRequest{Token: link, DryRun: dry})
	switch {
	case isDead(err):
		p.deadUnsubscribe(w, r)
		return "", false
	case err != nil:
		p.failed(w, r, err)
		return "", false
	}
	return res.GetOrganisation(), true
}

func (p *Pages) deadUnsubscribe(w http.ResponseWriter, r *http.Request) {
	p.View.Render(w, r, http.StatusGone, "message", page.View{Title: "This link does not work", Data: page.Message{
		Text: "It was copied incompletely, or you are no member of that organisation any more. In your account you can choose which mails come.",
		Link: "/account", Label: "Go to your account",
	}})
}
