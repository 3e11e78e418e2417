package auth_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"connectrpc.com/connect"

	"github.com/microservicehub/mshub/internal/auth"
	"github.com/microservicehub/mshub/internal/rpc"
	"github.com/microservicehub/mshub/internal/testenv"
)

// Every 401 says how to do better, and nothing else does.
func TestHTTPChallenges(t *testing.T) {
	t.Parallel()
	issuer := testenv.Issuer(t)
	var answer error
	guarded := auth.HTTP(issuer.Verifier(), "runs.read", "runs:read", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if answer != nil {
			auth.WriteError(connect.NewErrorWriter(), w, r, answer)
		}
	}))
	reader := "Bearer " + issuer.Token(auth.Caller{Kind: auth.User, Permissions: []string{"runs.read"}, Scopes: []string{"runs:read"}})
	for _, c := range []struct {
		name, authorization string
		answer              error
		status              int
		challenge           string
	}{
		{"no token", "", nil, http.StatusUnauthorized, "Bearer"},
		{"no bearer", "Basic eDp5", nil, http.StatusUnauthorized, "Bearer"},
		{"no JWT", "Bearer x", nil, http.StatusUnauthorized, "Bearer"},
		{"no permission", "Bearer " + issuer.Token(auth.Caller{Kind: auth.User, Scopes: []string{"runs:read"}}), nil, http.StatusForbidden, ""},
		{"allowed", reader, nil, http.StatusOK, ""},
		{"the handler's own 401", reader, rpc.Unauthenticated("GONE", "sign in again"), http.StatusUnauthorized, "Bearer"},
		{"the handler's own 404", reader, rpc.NotFound("run", "runs/x"), http.StatusNotFound, ""},
	} {
		answer = c.answer
		req := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
		if c.authorization != "" {
			req.Header.Set("Authorization", c.authorization)
		}
		w := httptest.NewRecorder()
		guarded.ServeHTTP(w, req)
		if got := w.Header().Get("WWW-Authenticate"); w.Code != c.status || got != c.challenge {
			t.Errorf("%s: %d %q, want %d %q: %s", c.name, w.Code, got, c.status, c.challenge, w.Body)
		}
	}
}
