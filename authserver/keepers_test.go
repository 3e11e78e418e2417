package authserver_test

import (
	"net/url"
	"slices"
	"testing"

	"connectrpc.com/connect"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"

	authserverv1 "github.com/microservicehub/mshub/authserver/v1"
	"github.com/microservicehub/mshub/internal/auth"
	"github.com/microservicehub/mshub/internal/rpc"
)

// caller is who a token speaks for.
func (h *house) caller(token string) auth.Caller {
	h.t.Helper()
	caller, err := h.verifier.Verify(h.t.Context(), token)
	if err != nil {
		h.t.Fatal(err)
	}
	return caller
}

// machine gets a token for a machine client.
func (h *house) machine(id, secret string) string {
	h.t.Helper()
	status, answer := h.form("/oauth2/token", url.Values{"grant_type": {"client_credentials"}}, id, secret)
	token, ok := answer["access_token"].(string)
	if !ok {
		h.t.Fatalf("%d %v", status, answer)
	}
	return token
}

// A machine client's token names the people who were ever shown a secret of it: where several people must look at what it
// does, it is no pair of eyes beside theirs.
func TestClientsNameTheirKeepers(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	console := h.administrator().console()
	b := h.browser()
	b.submit(b.get(h.administratorLink()), url.Values{"name": {"Ben"}, "email": {"ben@example.com"}, "password": {password}})
	other := b.console()
	ada, ben := h.caller(console), h.caller(other)
	if ada.Actor == ben.Actor || ada.Organisation != ben.Organisation || len(ada.Keepers) != 0 {
		t.Fatalf("%+v, %+v", ada, ben)
	}

	made := h.application(console, authserverv1.Client_MACHINE, "", "clients:write", "runs:write")
	if caller := h.caller(h.machine(made.GetClientId(), made.GetClientSecret())); !slices.Equal(caller.Keepers, []string{ada.Actor}) || !slices.Equal(made.GetClient().GetKeepers(), caller.Keepers) {
		t.Errorf("registered by %s: %v, %v", ada.Actor, caller.Keepers, made)
	}
	rotated, err := h.clients(other).RotateClientSecret(t.Context(), &authserverv1.RotateClientSecretRequest{Name: made.GetClient().GetName(), OverlapSeconds: 60})
	if err != nil {
		t.Fatal(err)
	}
	both := []string{ada.Actor, ben.Actor}
	token := h.machine(made.GetClientId(), rotated.GetClientSecret())
	if caller := h.caller(token); !slices.Equal(caller.Keepers, both) || !slices.Equal(rotated.GetClient().GetKeepers(), both) {
		t.Errorf("a new secret for %s: %v, %v", ben.Actor, caller.Keepers, rotated)
	}
	child := h.application(token, authserverv1.Client_MACHINE, "", "runs:write")
	if caller := h.caller(h.machine(child.GetClientId(), child.GetClientSecret())); !slices.Equal(caller.Keepers, both) {
		t.Errorf("registered by the client: %v", caller.Keepers)
	}
	operators, err := h.operator().CreateMachineClient(t.Context(), &authserverv1.CreateMachineClientRequest{Title: "CI", Scopes: []string{"runs:write"}})
	if err != nil {
		t.Fatal(err)
	}
	if caller := h.caller(h.machine(operators.GetClientId(), operators.GetClientSecret())); caller.Kind != auth.Client || len(caller.Keepers) != 0 {
		t.Errorf("made on the machine itself: %+v", caller)
	}
}

// A change that is repeated under its idempotency key is made once, and its first answer comes again.
func TestRepeatedChangesOfClients(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	console := h.administrator().console()
	clients := h.clients(console)
	name := h.application(console, authserverv1.Client_MACHINE, "", "runs:read").GetClient().GetName()

	ctx := rpc.WithIdempotencyKey(t.Context(), "update")
	change := func(title string) *authserverv1.UpdateClientRequest {
		return &authserverv1.UpdateClientRequest{Client: &authserverv1.Client{Name: name, Title: title}, UpdateMask: mask("title")}
	}
	first, err := clients.UpdateClient(ctx, change("First"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := clients.UpdateClient(t.Context(), change("Second")); err != nil {
		t.Fatal(err)
	}
	again, err := clients.UpdateClient(ctx, change("First"))
	if diff := cmp.Diff(first, again, protocmp.Transform()); err != nil || diff != "" {
		t.Errorf("%v (-first +again):\n%s", err, diff)
	}
	if got, err := clients.GetClient(t.Context(), &authserverv1.GetClientRequest{Name: name}); err != nil || got.GetTitle() != "Second" {
		t.Errorf("the repeated call changed it: %v, %v", got, err)
	}
	if _, err := clients.UpdateClient(ctx, change("Third")); rpc.ReasonOf(err) != "IDEMPOTENCY_KEY_REUSED" {
		t.Errorf("another change under the key: %v", err)
	}

	ctx = rpc.WithIdempotencyKey(t.Context(), "delete")
	for range 2 {
		if _, err := clients.DeleteClient(ctx, &authserverv1.DeleteClientRequest{Name: name}); err != nil {
			t.Error(err)
		}
	}
	if _, err := clients.DeleteClient(t.Context(), &authserverv1.DeleteClientRequest{Name: name}); connect.CodeOf(err) != connect.CodeNotFound {
		t.Errorf("deleted anew: %v", err)
	}
	if _, err := clients.DeleteClient(ctx, &authserverv1.DeleteClientRequest{Name: "clients/x"}); rpc.ReasonOf(err) != "IDEMPOTENCY_KEY_REUSED" {
		t.Errorf("another client under the key: %v", err)
	}
}
