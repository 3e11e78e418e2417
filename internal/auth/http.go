package auth

import (
	"net"
	"net/http"

	"connectrpc.com/connect"
)

// HTTP guards a plain handler with the same token, permission and scope rules as a Connect method.
// Errors have Connect's JSON body.
func HTTP(verifier *Verifier, permission, scope string, next http.Handler) http.Handler {
	errors := connect.NewErrorWriter()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		caller, err := verifier.Authenticate(r.Context(), r.Header)
		if err == nil {
			err = Require(caller, permission, scope)
		}
		if err != nil {
			WriteError(errors, w, r, err)
			return
		}
		caller.RemoteAddress = RemoteAddress(r.RemoteAddr)
		next.ServeHTTP(w, r.WithContext(With(r.Context(), caller)))
	})
}

// WriteError answers a plain HTTP request in Connect's unary JSON form, whatever the request's content type. A 401 tells
// how to do better (RFC 6750 §3).
func WriteError(writer *connect.ErrorWriter, w http.ResponseWriter, r *http.Request, err error) {
	plain := r.Clone(r.Context())
	plain.Header.Set("Content-Type", "application/json")
	plain.Header.Set("Connect-Protocol-Version", "1")
	plain.Method = http.MethodPost
	w.Header().Set("Cache-Control", "no-store")
	if connect.CodeOf(err) == connect.CodeUnauthenticated {
		w.Header().Set("WWW-Authenticate", challenge)
	}
	_ = writer.Write(w, plain, err)
}

// challenge is the WWW-Authenticate header of every 401.
const challenge = "Bearer"

// RemoteAddress is a peer's address without its port.
func RemoteAddress(peer string) string {
	if host, _, err := net.SplitHostPort(peer); err == nil {
		return host
	}
	return peer
}
