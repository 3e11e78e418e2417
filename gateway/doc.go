// Package gateway translates protocols and decides nothing: whatever comes in goes out as a Connect call to the role that
// owns the method, with the caller's own token, and meets the same interceptors as any other call.
//
//	backend.go     where the roles are
//	rest.go        /v1/…: the google.api.http options of the doors, as routes
//	transcode.go   one REST request -> one message
//	openapi.go     /openapi.json: generated from the same options (openapi.yaml), and what these do not say (openapi.extra.yaml)
//	docs.go        /docs: the reference for people, drawn from the same document
//	graphql.go     /graphql: queries of schema.graphql, behind limits
//	clients.go     the services that GraphQL reads, and what one request has loaded
//	resolvers.go   the fields of Query
//	fields.go      the fields of every other type
package gateway
