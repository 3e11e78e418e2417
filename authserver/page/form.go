package page

import (
	"crypto/hmac"
	"crypto/sha256"
	"net/http"

	"github.com/microservicehub/mshub/authserver/protocol"
)

const (
	// formField carries the token in every form.
	formField = "form"
	// maxForm bounds a form's body.
	maxForm = 64 << 10
	// secretLength is the length of protocol.RandomSecret.
	secretLength = 43
)

// CookieName is a cookie's name at this address: with the prefix that keeps other hosts from setting it, where that is
// possible.
func (p *Pages) CookieName(name string) string {
	if p.secure {
		return "__Host-" + name
	}
	return name
}

// SetCookie sets a cookie that no script reads and no other site's request carries, but for a plain link.
func (p *Pages) SetCookie(w http.ResponseWriter, name, value string, maxAge int) {
	http.SetCookie(w, &http.Cookie{ //nolint:gosec // http, and so not Secure, on this machine alone
		Name: p.CookieName(name), Value: value, Path: "/", MaxAge: maxAge,
		Secure: p.secure, HttpOnly: true, SameSite: http.SameSiteLaxMode,
	})
}

const formCookie = "mshub-form"

// token returns the token of the browser's forms, giving the browser a cookie if it has none. It stays the same for all
// tabs and through a sign-in, so that twenty tabs can be finished in any order.
func (p *Pages) token(w http.ResponseWriter, r *http.Request) string {
	if c, err := r.Cookie(p.CookieName(formCookie)); err == nil && len(c.Value) == secretLength {
		return p.sign(p.keys[0], c.Value)
	}
	value := protocol.RandomSecret()
	p.SetCookie(w, formCookie, value, 0)
	return p.sign(p.keys[0], value)
}

func (p *Pages) sign(key []byte, value string) string {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(value))
	return encode(mac.Sum(nil))
}

// Posted reports whether a POST comes from one of our own forms in this browser. It reads the form, which stays bounded.
func (p *Pages) Posted(w http.ResponseWriter, r *http.Request) bool {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		return false
	}
	// Under our own referrer policy browsers send "null"; another origin is never ours.
	if origin := r.Header.Get("Origin"); origin != "" && origin != "null" && origin != p.origin {
		return false
	}
	if site := r.Header.Get("Sec-Fetch-Site"); site != "" && site != "same-origin" && site != "none" {
		return false
	}
	c, err := r.Cookie(p.CookieName(formCookie))
	if err != nil || len(c.Value) != secretLength {
		return false
	}
	for _, key := range p.keys {
		if hmac.Equal([]byte(p.sign(key, c.Value)), []byte(r.PostForm.Get(formField))) {
			return true
		}
	}
	return false
}

// Expired is what a person reads when Posted says no.
const Expired = "This page was open for too long, or cookies are switched off. Please try again."
