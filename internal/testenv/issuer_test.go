package testenv

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/google/uuid"

	"github.com/microservicehub/mshub/internal/auth"
	"github.com/microservicehub/mshub/internal/rpc"
)

func TestIssuerMakesTheCaller(t *testing.T) {
	t.Parallel()
	issuer := Issuer(t)
	user, organisation := uuid.New(), uuid.New()
	for name, want := range map[string]auth.Caller{
		"a user":    {Kind: auth.User, User: user, Actor: "users/" + user.String(), Organisation: organisation, Permissions: []string{"runs.*"}, Scopes: []string{"runs:write"}},
		"a client":  {Kind: auth.Client, ClientID: "ci", Actor: "clients/ci", Organisation: organisation, Scopes: []string{"admin"}},
		"a service": {Kind: auth.Service, Actor: "services/worker", Scopes: []string{auth.WorkerScope}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := issuer.Verifier().Verify(t.Context(), issuer.Token(want))
			if err != nil {
				t.Fatal(err)
			}
			ignored := cmpopts.IgnoreFields(auth.Caller{}, "TokenID", "IssuedAt", "Expiry")
			if diff := cmp.Diff(want, got, ignored); diff != "" {
				t.Errorf("caller (-want +got):\n%s", diff)
			}
		})
	}

	expired := auth.Caller{Kind: auth.User, User: user, Expiry: time.Now().Add(-time.Hour)}
	if _, err := issuer.Verifier().Verify(t.Context(), issuer.Token(expired)); rpc.ReasonOf(err) != "TOKEN_EXPIRED" {
		t.Errorf("expired token: %v", err)
	}
	if _, err := Issuer(t).Verifier().Verify(t.Context(), issuer.Token(expired)); err == nil {
		t.Error("another issuer's verifier takes the token")
	}
}
