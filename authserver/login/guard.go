package login

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"strings"
	"time"

	"github.com/microservicehub/mshub/authserver/limit"
	"github.com/microservicehub/mshub/authserver/page"
	"github.com/microservicehub/mshub/authserver/protocol"
	"github.com/microservicehub/mshub/internal/auth"
)

const (
	deviceCookie = "mshub-device"
	deviceAge    = 365 * 24 * time.Hour
)

// Guard counts attempts an address and an account. A browser that has signed in to an account before is counted for
// itself, so nobody can lock a person out by guessing at the account from elsewhere.
type Guard struct {
	Addresses, Accounts *limit.Buckets
	Pages               *page.Pages
	// Keys sign the device cookie, the first new ones.
	Keys [][]byte
}

// Allow counts an attempt, or answers 429 and returns false. Account is "" where only the address counts.
func (g *Guard) Allow(w http.ResponseWriter, r *http.Request, account string) bool {
	wait, ok := g.Addresses.Take(auth.RemoteAddress(r.RemoteAddr))
	if ok && account != "" {
		wait, ok = g.Accounts.Take(g.bucket(r, account))
	}
	if !ok {
		g.refuse(w, r, wait)
	}
	return ok
}

func (g *Guard) refuse(w http.ResponseWriter, r *http.Request, wait time.Duration) {
	limit.RetryAfter(w, wait)
	g.Pages.Say(w, r, http.StatusTooManyRequests, "Too many attempts", "Wait a moment, then go back and try again.")
}

// Remember marks the browser as one that has signed in to the account.
func (g *Guard) Remember(w http.ResponseWriter, account string) {
	nonce := protocol.RandomSecret()
	g.Pages.SetCookie(w, deviceCookie, nonce+"."+sign(g.Keys[0], nonce, account), int(deviceAge/time.Second))
}

func (g *Guard) bucket(r *http.Request, account string) string {
	if c, err := r.Cookie(g.Pages.CookieName(deviceCookie)); err == nil {
		nonce, mac, _ := strings.Cut(c.Value, ".")
		for _, key := range g.Keys {
			if hmac.Equal([]byte(mac), []byte(sign(key, nonce, account))) {
				return "device:" + nonce
			}
		}
	}
	return "account:" + string(protocol.Hash(normal(account)))
}

func sign(key []byte, nonce, account string) string {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(nonce + "\x00" + normal(account)))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// normal makes one key of the ways to write an address.
func normal(email string) string { return strings.ToLower(strings.TrimSpace(email)) }
