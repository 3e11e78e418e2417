// Package protocol holds the words that the rooms of the authorization server share, so that they need not import the
// server.
//
//	session.go  Session: what an authorization request remembers until its tokens are issued
//	client.go   Client: an OAuth2 client as fosite sees it
//	scopes.go   the scopes there are, what they mean in words, and who may hand one on
//	redirect.go which redirect URIs may be registered, and when one matches
//	text.go     which values are text at all
//	answer.go   JSON answers and errors
//	prefix.go   prefixes of what we hand out, for secret scanners
package protocol
