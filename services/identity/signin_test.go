package identity_test

import (
	"fmt"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/google/go-cmp/cmp"

	"github.com/microservicehub/mshub/internal/auth"
	"github.com/microservicehub/mshub/internal/rpc"
	identityv1 "github.com/microservicehub/mshub/services/identity/v1"
)

func TestGuessingIsSlowedDown(t *testing.T) {
	t.Parallel()
	h := setup(t)
	h.administrator("ada@example.com")
	try := func(email, password, from string) (bool, error) {
		res, err := h.accounts.VerifyCredentials(t.Context(), &identityv1.VerifyCredentialsRequest{Email: email, Password: password, RemoteAddress: from})
		return res.GetUser() != nil, err
	}
	// A known and an unknown account answer the same, attempt by attempt.
	for _, email := range []string{"ada@example.com", "nobody@example.com"} {
		var codes []connect.Code
		for range 7 {
			_, err := try(email, "wrong password", "192.0.2.9")
			codes = append(codes, connect.CodeOf(err))
		}
		none := connect.CodeOf(nil)
		if diff := cmp.Diff([]connect.Code{none, none, none, none, none, connect.CodeResourceExhausted, connect.CodeResourceExhausted}, codes); diff != "" {
			t.Errorf("%s: %s", email, diff)
		}
	}
	if ok, err := try("ada@example.com", password, "192.0.2.9"); ok || connect.CodeOf(err) != connect.CodeResourceExhausted {
		t.Errorf("the guesser's address must wait even with the right password: %v, %v", ok, err)
	}
	if ok, err := try("ada@example.com", password, "198.51.100.1"); !ok || err != nil {
		t.Errorf("the owner was locked out from another address: %v, %v", ok, err)
	}
	h.wait(2 * time.Second)
	if ok, err := try("ada@example.com", password, "192.0.2.9"); !ok || err != nil {
		t.Errorf("after the wait: %v, %v", ok, err)
	}
	for range 5 {
		if _, err := try("ada@example.com", "wrong password", "192.0.2.9"); err != nil {
			t.Errorf("a success must forgive the failures before it: %v", err)
		}
	}
}

// Guesses from everywhere slow strangers down, never the address the owner uses.
func TestManyAddressesCannotLockTheOwnerOut(t *testing.T) {
	t.Parallel()
	h := setup(t)
	h.administrator("ada@example.com")
	if !h.signsIn("ada@example.com", password) {
		t.Fatal("can't sign in")
	}
	try := func(password, from string) error {
		_, err := h.accounts.VerifyCredentials(t.Context(), &identityv1.VerifyCredentialsRequest{Email: "ada@example.com", Password: password, RemoteAddress: from})
		return err
	}
	for i := range 50 {
		if err := try("wrong password", fmt.Sprintf("203.0.113.%d", i)); err != nil {
			t.Fatal(err)
		}
	}
	if err := try(password, "203.0.113.200"); connect.CodeOf(err) != connect.CodeResourceExhausted {
		t.Errorf("got %v", err)
	}
	if !h.signsIn("ada@example.com", password) {
		t.Error("the owner is locked out")
	}
	// One IPv6 customer is one address.
	h.wait(2 * time.Hour)
	for i := range 5 {
		if err := try("wrong password", fmt.Sprintf("2001:db8::%d", i)); err != nil {
			t.Fatal(err)
		}
	}
	if err := try("wrong password", "2001:db8::ffff"); connect.CodeOf(err) != connect.CodeResourceExhausted {
		t.Errorf("got %v", err)
	}
}

func TestOnlyTheAuthorizationServerMayAsk(t *testing.T) {
	t.Parallel()
	h := setup(t)
	admin := h.administrator("ada@example.com")
	for name, option := range map[string]connect.ClientOption{
		"nobody":        connect.WithInterceptors(),
		"administrator": h.issuer.As(admin.caller),
		"worker":        h.issuer.As(auth.Caller{Kind: auth.Service, Actor: "services/worker", Scopes: []string{"mshub.worker"}}),
		"client":        h.issuer.As(auth.Caller{Kind: auth.Client, ClientID: "c", Scopes: []string{"mshub.authserver", "admin"}, Permissions: []string{"*"}}),
	} {
		_, err := h.credentials(option).VerifyCredentials(t.Context(), &identityv1.VerifyCredentialsRequest{Email: "ada@example.com", Password: password})
		if code := connect.CodeOf(err); code != connect.CodePermissionDenied && code != connect.CodeUnauthenticated {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Look-alikes of an address are other addresses or the same account, never another account's mail.
func TestAddressesAreTheSameWithoutCaseAndSpaces(t *testing.T) {
	t.Parallel()
	h := setup(t)
	h.administrator("Mike@Example.com")
	for _, same := range []string{"mike@example.com", " MIKE@EXAMPLE.COM ", "mi\u212ae@example.com"} { // KELVIN SIGN
		if !h.signsIn(same, password) {
			t.Errorf("%q is the same address", same)
		}
	}
	for _, other := range []string{"mıke@example.com", "mike@example.com.", "mike@examp1e.com"} {
		if h.signsIn(other, password) {
			t.Errorf("%q is another address", other)
		}
	}
	res, err := h.accounts.CreateLink(t.Context(), &identityv1.CreateLinkRequest{Kind: identityv1.Link_RESET, Email: "mi\u212ae@example.com"})
	if err != nil || res.GetMail().GetEmail() != "Mike@Example.com" {
		t.Errorf("mail goes to %q, %v", res.GetMail().GetEmail(), err)
	}
	for _, bad := range []string{"a@b\r\nBcc: c@d", "Ann <ann@example.com>", "ann@example.com, eve@example.com", "plain", ""} {
		if _, err := h.accounts.CreateLink(t.Context(), &identityv1.CreateLinkRequest{Kind: identityv1.Link_RESET, Email: bad}); rpc.ReasonOf(err) != "INVALID_FIELD" {
			t.Errorf("%q: %v", bad, err)
		}
	}
}
