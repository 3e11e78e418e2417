// Package session is a person signed in on a browser.
//
//	manager.go  Manager: starts, finds and ends sessions; the cookie
//	token.go    POST /session/token: the console's cookie becomes a five-minute access token
//	signout.go  /signout
//	service.go  SessionService: a person sees and ends the own sessions
//
// The cookie's 256 bits are stored as their SHA-256. Only the server's own pages and /session/token take the cookie; no
// RPC does.
package session
