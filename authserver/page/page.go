// Package page draws the server's own pages and guards their forms.
//
//	page.go     Pages: renders a template with the headers that every page carries
//	form.go     the token in every form, and the check of every POST
//	local.go    which addresses a page may send a person on to
//	templates/  layout.html and style.css around one file a page
//
// The pages need no JavaScript and run none: their policy allows no script at all.
package page

import (
	"bytes"
	"embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"io/fs"
	"log/slog"
	"net/http"
	"net/url"
	"path"
	"strings"

	"github.com/microservicehub/mshub/authserver/protocol"
)

//go:embed templates
var files embed.FS

// Pages renders the server's pages. Safe for concurrent use.
type Pages struct {
	origin    string
	secure    bool
	keys      [][]byte
	templates map[string]*template.Template
	log       *slog.Logger
}

// New parses the templates. The public address decides about cookies and origins; keys sign forms, the first new ones.
func New(public *url.URL, keys [][]byte, log *slog.Logger) (*Pages, error) {
	p := &Pages{
		origin:    public.Scheme + "://" + public.Host,
		secure:    public.Scheme == "https",
		keys:      keys,
		templates: map[string]*template.Template{},
		log:       log,
	}
	style, err := fs.ReadFile(files, "templates/style.css")
	if err != nil {
		return nil, err
	}
	functions := template.FuncMap{"style": func() template.CSS { return template.CSS(style) }} //nolint:gosec // our own file
	names, err := fs.Glob(files, "templates/*.html")
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		if path.Base(name) == "layout.html" {
			continue
		}
		t, err := template.New("layout.html").Funcs(functions).ParseFS(files, "templates/layout.html", name)
		if err != nil {
			return nil, err
		}
		p.templates[strings.TrimSuffix(path.Base(name), ".html")] = t
	}
	return p, nil
}

// Origin is the only origin that the server's forms and cookies belong to.
func (p *Pages) Origin() string { return p.origin }

// Secure reports whether the public address is https; cookies then carry the prefix __Host-.
func (p *Pages) Secure() bool { return p.secure }

// View is what a template gets.
type View struct {
	Title string
	// Error is a sentence above the form; the page then has role=alert.
	Error string
	// Form is the token of the page's forms.
	Form  string
	Nonce string
	// Data is the page's own.
	Data any
}

// Render answers with a page. Targets are the origins that the page's forms may lead to in the end, beside our own:
// Chromium applies form-action to every redirect that follows a form.
func (p *Pages) Render(w http.ResponseWriter, r *http.Request, status int, name string, view View, targets ...string) {
	view.Form, view.Nonce = p.token(w, r), protocol.RandomSecret()[:22]
	var body bytes.Buffer
	t, ok := p.templates[name]
	if !ok {
		p.log.ErrorContext(r.Context(), "there is no page of this name", "page", name)
		http.Error(w, "Something went wrong on our side.", http.StatusInternalServerError)
		return
	}
	if err := t.Execute(&body, view); err != nil {
		p.log.ErrorContext(r.Context(), "page", "page", name, "error", err)
		http.Error(w, "Something went wrong on our side.", http.StatusInternalServerError)
		return
	}
	p.headers(w)
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", fmt.Sprintf(
		"default-src 'none'; style-src 'nonce-%s'; img-src 'self'; form-action %s; frame-ancestors 'none'; base-uri 'none'",
		view.Nonce, strings.Join(append([]string{"'self'"}, targets...), " ")))
	w.WriteHeader(status)
	_, _ = w.Write(body.Bytes())
}

// Message is a page that only says something.
type Message struct {
	Text string
	// Link and Label lead on; empty for none.
	Link, Label string
}

// Say renders a message.
func (p *Pages) Say(w http.ResponseWriter, r *http.Request, status int, title, text string) {
	p.Render(w, r, status, "message", View{Title: title, Data: Message{Text: text}})
}

// Fail renders what nobody expected; the cause goes to the log.
func (p *Pages) Fail(w http.ResponseWriter, r *http.Request, err error) {
	p.log.ErrorContext(r.Context(), "page failed", "path", r.URL.Path, "error", err)
	p.Render(w, r, http.StatusServiceUnavailable, "message", View{
		Title: "That did not work",
		Data:  Message{Text: "Something went wrong on our side. Try again in a moment.", Link: "/signin", Label: "Back to sign-in"},
	})
}

// Redirect sends the person on with 303, so that a form is never posted again to the next address.
func (p *Pages) Redirect(w http.ResponseWriter, location string) {
	p.headers(w)
	w.Header().Set("Location", location)
	w.WriteHeader(http.StatusSeeOther)
}

func (p *Pages) headers(w http.ResponseWriter) {
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
}

func encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }
