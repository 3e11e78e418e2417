// Package token is POST /oauth2/token, and what fosite needs to know about tokens.
//
//	endpoint.go      the phases that no grant can skip: limit, client, grant, person asked anew, one transaction, answer
//	authenticate.go  the client's secret
//	strategy.go      how codes, refresh, access and ID tokens are made
//	refresh.go       the refresh grant: rotation, reuse ends the family, fewer scopes but never more, an absolute end
//
// authorization_code, PKCE and client_credentials are fosite's own handlers.
package token
