package protocol

import (
	"time"

	"github.com/google/uuid"
	"github.com/ory/fosite"
)

// Kind is what sort of program a client is; it decides which grants it may use.
type Kind string

// The kinds of clients.
const (
	// Machine acts for itself: client_credentials.
	Machine Kind = "machine"
	// Confidential is a web server that keeps a secret: authorization code.
	Confidential Kind = "confidential"
	// Public is a browser or native application without a secret: authorization code.
	Public Kind = "public"
	// Service is a part of the house; its secret is derived from the secret keys. Never stored.
	Service Kind = "service"
)

// Client is an OAuth2 client. It implements fosite.Client and fosite.ResponseModeClient.
type Client struct {
	ID string
	// Organisation that its tokens speak for; zero for what is built in.
	Organisation uuid.UUID
	Title        string
	Kind         Kind
	RedirectURIs []string
	Scopes       []string
	// Keepers are the people, as "users/ID", who were ever shown a secret of it; the one who registered it is the first.
	Keepers []string
	// FirstParty never asks for consent: it is the house itself.
	FirstParty bool
	// UsedAt is when a token was last issued to it, to the minute.
	UsedAt time.Time
	// Secrets are the SHA-256 of the secrets that work, each until its end (zero: until replaced).
	Secrets []Secret
}

// Secret is one secret of a client.
type Secret struct {
	Hash    []byte
	Expires time.Time
}

// GetID returns the client_id.
func (c *Client) GetID() string { return c.ID }

// GetHashedSecret is unused: secrets are compared by this house's own strategy.
func (c *Client) GetHashedSecret() []byte { return nil }

// GetRedirectURIs returns the registered redirect URIs.
func (c *Client) GetRedirectURIs() []string { return c.RedirectURIs }

// GetGrantTypes follows from the kind.
func (c *Client) GetGrantTypes() fosite.Arguments {
	switch c.Kind {
	case Machine, Service:
		return fosite.Arguments{"client_credentials"}
	case Confidential, Public:
		return fosite.Arguments{"authorization_code", "refresh_token"}
	}
	return fosite.Arguments{"none"}
}

// GetResponseTypes is `code` for those who may send a person here.
func (c *Client) GetResponseTypes() fosite.Arguments {
	if c.Kind == Confidential || c.Kind == Public {
		return fosite.Arguments{"code"}
	}
	return fosite.Arguments{"none"}
}

// GetResponseModes allows what `code` uses anyway, when it is asked for by name.
func (c *Client) GetResponseModes() []fosite.ResponseModeType {
	return []fosite.ResponseModeType{fosite.ResponseModeQuery}
}

// GetScopes returns the scopes that it may ask for.
func (c *Client) GetScopes() fosite.Arguments { return c.Scopes }

// IsPublic reports whether it has no secret.
func (c *Client) IsPublic() bool { return c.Kind == Public }

// GetAudience is empty: a token's audience is this house, and nobody may ask for another.
func (c *Client) GetAudience() fosite.Arguments { return nil }
