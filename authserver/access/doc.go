// Package access makes access tokens and reads them back.
//
//	issuer.go    Issuer: who may do what now (asked of the identity service at every issue) becomes a signed token
//	verifier.go  Verifier: a token presented to the server itself; unlike other rooms it asks the database
package access
