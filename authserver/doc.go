// Package authserver is the OAuth2 and OpenID Connect server of the house, built on ory/fosite.
//
// A third party's sign-in; every step comes back to /oauth2/authorize, none routes to another:
//
//	client --> /oauth2/authorize --(nobody signed in)--> /signin  --+
//	               |    ^--------------------------------------------+
//	               |----(not allowed yet)---------------> /consent --+
//	               v
//	           redirect URI with a code --> /oauth2/token --> access, refresh and ID token
//
// The console's own: /signin --> cookie --> POST /session/token --> access token for five minutes.
// A machine's: POST /oauth2/token with its secret.
//
//	server.go     New, Mount, Handlers, Run: where everything is put together
//	text.go       what is no text is refused in front of every address
//	provider.go   fosite: which handlers, which rules
//	timeouts.go   every duration of the protocol
//	config.go     settings
//	housekeeping.go  what is deleted when
//	protocol/     words that the rooms share: session, client, scopes, redirect rules
//	authorize/ token/ introspect/ revoke/ userinfo/ logout/ discovery/   the protocol, a folder an endpoint
//	login/ consent/ session/ page/ limit/   a person at the browser
//	access/ keys/ revocation/   access tokens: made, signed, taken back
//	clients/      who may ask
//	store/        PostgreSQL
//
// Nobody imports this room: others verify tokens by its JWKS through internal/auth.
package authserver
