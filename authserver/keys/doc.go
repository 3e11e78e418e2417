// Package keys owns the signing keys: made here, sealed in PostgreSQL, published as a JWKS, rotated without a person.
//
//	ring.go    Ring: the keys in memory; signs with the active one, verifies with all that are published
//	rotate.go  the states of a key and when it passes from one to the next
//	seal.go    how the private half lies in the database
//	signer.go  the Ring as fosite's Signer (ID tokens)
//	service.go KeyService, and /oauth2/jwks
//	metrics.go the age of the key that signs
//
//	next --(activate_at)--> active --(the next one takes over)--> retiring --(no token of it lives)--> retired
//
// A next key is published at least a day before it signs, so every verifier that caches the JWKS has seen it by then.
package keys
