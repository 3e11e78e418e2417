// Package auth answers one question for every room: who is calling, and may they?
//
//	v1/rule.proto   the option with which each method says what it needs
//	caller.go       Caller, the answer, carried in the context
//	claims.go       the access token's claims
//	verifier.go     token -> Caller: signature by JWKS, issuer, audience, expiry, revocation
//	revocation.go   the last minutes of revocations, held in memory by every node
//	rule.go         the rule of a method, and whether a Caller satisfies it
//	interceptor.go  the one place that enforces rules on Connect handlers
//	http.go         the same for plain HTTP handlers
//	proxies.go      from where a call came, if proxies stand before the house
//	run.go          how a worker calls in the name of a run
//	service.go      the token of a service of the house
//
// Services decide from the token alone; nobody asks the authorization server during a call.
package auth
