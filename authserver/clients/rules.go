package clients

import (
	"fmt"
	"slices"
	"strings"

	authserverv1 "github.com/microservicehub/mshub/authserver/v1"

	"github.com/microservicehub/mshub/authserver/protocol"
	"github.com/microservicehub/mshub/internal/auth"
	"github.com/microservicehub/mshub/internal/rpc"
)

var kinds = map[authserverv1.Client_Kind]protocol.Kind{
	authserverv1.Client_MACHINE:      protocol.Machine,
	authserverv1.Client_CONFIDENTIAL: protocol.Confidential,
	authserverv1.Client_PUBLIC:       protocol.Public,
}

// checkScopes refuses scopes that do not exist or make no sense for the kind.
func checkScopes(kind protocol.Kind, scopes []string) error {
	if len(scopes) == 0 {
		return rpc.Invalid("client.scopes", "name at least one scope; there are: %s", strings.Join(protocol.AllScopes(), " "))
	}
	for i, scope := range scopes {
		field := fmt.Sprintf("client.scopes[%d]", i)
		switch {
		case !protocol.KnownScope(scope):
			return rpc.Invalid(field, "there is no scope %q; there are: %s", scope, strings.Join(protocol.AllScopes(), " "))
		case slices.Contains(scopes[:i], scope):
			return rpc.Invalid(field, "%q is there twice", scope)
		case kind == protocol.Machine && slices.Contains([]string{protocol.OpenID, protocol.Profile, protocol.Email, protocol.OfflineAccess}, scope):
			return rpc.Invalid(field, "%q is about a person; a machine acts for itself", scope)
		}
	}
	return nil
}

// checkRedirects: those who send people here need an address to send them back to, and machines have none.
func checkRedirects(kind protocol.Kind, uris []string) error {
	if kind == protocol.Machine && len(uris) > 0 {
		return rpc.Invalid("client.redirectUris", "a machine client sends nobody here; leave them out")
	}
	if kind != protocol.Machine && len(uris) == 0 {
		return rpc.Invalid("client.redirectUris", "name at least one address to send people back to")
	}
	for i, uri := range uris {
		field := fmt.Sprintf("client.redirectUris[%d]", i)
		if err := protocol.CheckRedirectURI(uri); err != nil {
			return rpc.Invalid(field, "%s", err)
		}
		if slices.Contains(uris[:i], uri) {
			return rpc.Invalid(field, "is there twice")
		}
	}
	return nil
}

// checkHandOn refuses scopes that reach further than the caller itself.
func checkHandOn(caller auth.Caller, scopes []string) error {
	for _, scope := range scopes {
		if !protocol.MayHandOn(caller, scope) {
			return rpc.Denied("SCOPE_BEYOND_YOURS", "you can't give a client the scope %q: your own token and roles do not cover it", scope)
		}
	}
	return nil
}

// checkReach refuses to hand over, by its secret or its addresses, a client that reaches further than the caller itself.
func checkReach(caller auth.Caller, scopes []string) error {
	for _, scope := range scopes {
		if !protocol.MayHandOn(caller, scope) {
			return rpc.Denied("SCOPE_BEYOND_YOURS", "the client has the scope %q, which your own token and roles do not cover; ask an administrator", scope)
		}
	}
	return nil
}
