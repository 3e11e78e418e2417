// Package authorize is /oauth2/authorize: the dispatcher of every third party's sign-in.
//
//	endpoint.go  the steps, in order; each that is missing sends the person to its page, and each page comes back here
//	request.go   Reader: is this request one we would answer at all, and whose is it
//	ticket.go    the proof that a page hands back: "signed in after you asked", "allowed just now"
//	par.go       /oauth2/par: a client deposits its request beforehand (RFC 9126)
//
//	/oauth2/authorize --(nobody signed in, or not recently enough)--> /signin  --> /oauth2/authorize
//	                  --(not allowed yet)---------------------------> /consent --> /oauth2/authorize
//	                  --(code)--------------------------------------> the client's redirect URI
//
// The request itself travels in the address, so any number of tabs can be under way at once.
package authorize
