package login

import (
	"errors"
	"net/http"
	"strings"
	"time"

	"connectrpc.com/connect"
	"github.com/google/uuid"
	"google.golang.org/genproto/googleapis/rpc/errdetails"

	identityv1 "github.com/microservicehub/mshub/services/identity/v1"

	"github.com/microservicehub/mshub/authserver/page"
	"github.com/microservicehub/mshub/authserver/session"
	"github.com/microservicehub/mshub/internal/auth"
	"github.com/microservicehub/mshub/services/identity/v1/identityv1connect"
)

// Pages serves the pages of this room.
type Pages struct {
	View        *page.Pages
	Guard       *Guard
	Sessions    *session.Manager
	Credentials identityv1connect.CredentialServiceClient
	Mail        *Mailer
	// SignUp allows people to create an account by themselves.
	SignUp bool
	// Targets returns the origins that a return address may lead to in the end: a client's redirect URI behind an
	// authorization request.
	Targets func(r *http.Request, returnTo string) []string
}

type signInView struct {
	Email, ReturnTo string
	SignUp          bool
}

// ShowSignIn shows the form. Somebody who is signed in already may sign in again, as somebody else or to prove presence.
func (p *Pages) ShowSignIn(w http.ResponseWriter, r *http.Request) {
	p.signIn(w, r, http.StatusOK, signInView{ReturnTo: page.Local(r.URL.Query().Get("return_to"))}, "")
}

func (p *Pages) signIn(w http.ResponseWriter, r *http.Request, status int, view signInView, problem string) {
	view.SignUp = p.SignUp
	p.View.Render(w, r, status, "signin", page.View{Title: "Sign in", Error: problem, Data: view}, p.Targets(r, view.ReturnTo)...)
}

// SubmitSignIn checks the password. One sentence for an unknown address, a wrong password and a disabled account.
func (p *Pages) SubmitSignIn(w http.ResponseWriter, r *http.Request) {
	posted := p.View.Posted(w, r)
	view := signInView{Email: strings.TrimSpace(r.PostForm.Get("email")), ReturnTo: page.Local(r.PostForm.Get("return_to"))}
	if !posted {
		p.signIn(w, r, http.StatusForbidden, view, page.Expired)
		return
	}
	if !p.Guard.Allow(w, r, view.Email) {
		return
	}
	password := r.PostForm.Get("password")
	if view.Email == "" || password == "" || len(view.Email) > 254 || len(password) > 1024 {
		p.signIn(w, r, http.StatusUnauthorized, view, wrong)
		return
	}
	res, err := p.Credentials.VerifyCredentials(r.Context(), &identityv1.VerifyCredentialsRequest{
		Email: view.Email, Password: password, RemoteAddress: auth.RemoteAddress(r.RemoteAddr),
	})
	if err != nil {
		p.failed(w, r, err)
		return
	}
	user, err := uuid.Parse(strings.TrimPrefix(res.GetUser().GetName(), "users/"))
	if err != nil {
		p.signIn(w, r, http.StatusUnauthorized, view, wrong)
		return
	}
	if err := p.Sessions.Start(w, r, user); err != nil {
		p.View.Fail(w, r, err)
		return
	}
	p.Guard.Remember(w, view.Email)
	p.View.Redirect(w, view.ReturnTo)
}

const wrong = "E-mail or password is wrong."

// failed answers when the identity service says neither yes nor no.
func (p *Pages) failed(w http.ResponseWriter, r *http.Request, err error) {
	if connect.CodeOf(err) != connect.CodeResourceExhausted {
		p.View.Fail(w, r, err)
		return
	}
	p.Guard.refuse(w, r, retryAfter(err))
}

// retryAfter reads how long the identity service wants us to wait.
func retryAfter(err error) time.Duration {
	if failure, ok := errors.AsType[*connect.Error](err); ok {
		for _, detail := range failure.Details() {
			if value, err := detail.Value(); err == nil {
				if info, ok := value.(*errdetails.RetryInfo); ok {
					return info.GetRetryDelay().AsDuration()
				}
			}
		}
	}
	return time.Second
}
