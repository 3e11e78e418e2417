package authserver

import (
	"bytes"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"

	"github.com/ory/fosite"

	"github.com/microservicehub/mshub/authserver/page"
	"github.com/microservicehub/mshub/authserver/protocol"
)

// maxForm is how much of a body is looked at: as much as any endpoint reads.
const maxForm = 64 << 10

// textOnly answers 400 to parameters and credentials that no database can hold, so that nobody behind it has to think of
// them. Everything else goes on as it came, faults that the endpoints have their own words for included.
func textOnly(pages *page.Pages, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case isText(r):
			next.ServeHTTP(w, r)
		case strings.HasPrefix(r.URL.Path, "/oauth2/"):
			protocol.AnswerError(w, fosite.ErrInvalidRequest.WithHint("Parameters must be UTF-8 text without U+0000, in the query or a URL-encoded form."))
		default:
			pages.Say(w, r, http.StatusBadRequest, "This request can't be read", "It holds characters that are no text. Go back and type them again.")
		}
	})
}

func isText(r *http.Request) bool {
	query, _ := url.ParseQuery(r.URL.RawQuery) // what can't be read is not in it, here and behind
	if !protocol.AreTexts(query) {
		return false
	}
	if user, password, ok := r.BasicAuth(); ok && (!credential(user) || !credential(password)) {
		return false
	}
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if strings.HasPrefix(kind, "multipart/") {
		return false // nobody sends one, and it would be a second way in
	}
	if r.Body == nil || kind != "application/x-www-form-urlencoded" {
		return true
	}
	// An error of the body comes again when the endpoint reads on.
	body, _ := io.ReadAll(io.LimitReader(r.Body, maxForm+1))
	r.Body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(body), r.Body), r.Body}
	form, _ := url.ParseQuery(string(body))
	return protocol.AreTexts(form)
}

// credential is a part of the Basic header, which is URL-encoded inside (RFC 6749 §2.3.1).
func credential(part string) bool {
	decoded, err := url.QueryUnescape(part)
	return protocol.IsText(part) && (err != nil || protocol.IsText(decoded))
}
