package redis

import (
	"crypto/rand"
	"fmt"
	"net/url"

	"github.com/alicebob/miniredis/v2"
)

// Embedded is a Redis server inside this process, on a free port of the loopback interface.
type Embedded struct {
	server *miniredis.Miniredis
	url    string
}

// StartEmbedded starts the server behind a password that nobody but its URL knows. Its keys expire by the clock,
// which miniredis does only when asked to.
func StartEmbedded() (*Embedded, error) {
	server := miniredis.NewMiniRedis()
	password := rand.Text()
	server.RequireAuth(password)
	server.ClockTTL(true)
	if err := server.StartAddr("127.0.0.1:0"); err != nil {
		return nil, fmt.Errorf("start the embedded Redis: %w", err)
	}
	address := url.URL{Scheme: "redis", User: url.UserPassword("", password), Host: server.Addr()}
	return &Embedded{server: server, url: address.String()}, nil
}

// URL is the server's address, the password in it: for Open, never for a log.
func (e *Embedded) URL() string { return e.url }

// Close stops the server and closes its connections. It may be called more than once.
func (e *Embedded) Close() { e.server.Close() }
