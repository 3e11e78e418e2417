package clients

import (
	"github.com/microservicehub/mshub/authserver/protocol"
	"github.com/microservicehub/mshub/internal/auth"
	"github.com/microservicehub/mshub/internal/config"
)

// CommandLine is the client_id of `mshub login`.
const CommandLine = "mshub-cli"

// services of the house; each may ask for "mshub.<name>" alone.
var services = []string{"worker", "authserver", "operator", "node"}

// Builtin returns the clients that every installation has: the command line, and the house's own services, whose
// secrets are derived from the installation's keys.
func Builtin(keys config.Keys) []*protocol.Client {
	list := []*protocol.Client{{
		ID:    CommandLine,
		Title: "MicroServiceHub command line",
		Kind:  protocol.Public,
		// Any port: the program listens where it can.
		RedirectURIs: []string{"http://127.0.0.1/callback", "http://[::1]/callback"},
		Scopes:       protocol.AllScopes(),
	}}
	for _, name := range services {
		c := &protocol.Client{ID: name, Title: "services/" + name, Kind: protocol.Service, Scopes: []string{"mshub." + name}}
		for _, secret := range auth.ServiceSecrets(keys, name) {
			c.Secrets = append(c.Secrets, protocol.Secret{Hash: protocol.Hash(secret)})
		}
		list = append(list, c)
	}
	return list
}
