package identity_test

import (
	"strings"
	"testing"

	"connectrpc.com/connect"
	"github.com/google/go-cmp/cmp"

	"github.com/microservicehub/mshub/internal/auth"
	"github.com/microservicehub/mshub/internal/rpc"
	identityv1 "github.com/microservicehub/mshub/services/identity/v1"
)

// readers lists who gets the digest of a person's organisation, and the address in each mail.
func (h *house) readers(p person) (emails, links []string) {
	h.t.Helper()
	run, _ := h.run(p)
	res, err := run.ListAddressees(h.t.Context(), &identityv1.ListAddresseesRequest{Concerns: []string{"roles/admin", "roles/viewer"}, Digest: true})
	if err != nil {
		h.t.Fatal(err)
	}
	for _, a := range res.GetAddressees() {
		emails, links = append(emails, a.GetEmail()), append(links, a.GetUnsubscribe())
	}
	return emails, links
}

func TestAPersonChoosesTheDigest(t *testing.T) {
	t.Parallel()
	h := setup(t)
	admin := h.administrator("ada@example.com")
	bob := h.member(admin, "bob@example.com", "viewer")
	if me, err := bob.GetMe(t.Context(), &identityv1.GetMeRequest{}); err != nil || !me.GetDigest() {
		t.Errorf("at first: %v, %v", me, err)
	}
	for range 2 {
		me, err := bob.UpdateMe(t.Context(), &identityv1.UpdateMeRequest{Digest: new(false)})
		if err != nil || me.GetDigest() || me.GetUser().GetName() != bob.user.GetName() {
			t.Errorf("off: %v, %v", me, err)
		}
	}
	if emails, _ := h.readers(admin); !cmp.Equal(emails, []string{"ada@example.com"}) {
		t.Errorf("the digest goes to %v", emails)
	}
	run, _ := h.run(admin)
	if all, err := run.ListAddressees(t.Context(), &identityv1.ListAddresseesRequest{Concerns: []string{"roles/viewer"}}); err != nil || len(all.GetAddressees()) != 1 || all.GetAddressees()[0].GetUnsubscribe() != "" {
		t.Errorf("other mail: %v, %v", all, err)
	}
	if me, err := bob.UpdateMe(t.Context(), &identityv1.UpdateMeRequest{}); err != nil || me.GetDigest() {
		t.Errorf("nothing said: %v, %v", me, err)
	}
	if me, err := bob.UpdateMe(t.Context(), &identityv1.UpdateMeRequest{Digest: new(true)}); err != nil || !me.GetDigest() {
		t.Errorf("on again: %v, %v", me, err)
	}
	if n := h.audited(h.membership(admin, bob), "UpdateMe"); n != 2 {
		t.Errorf("%d entries for two changes", n)
	}

	app := bob.caller
	app.ClientID, app.Scopes = "app", []string{"openid"}
	machine := auth.Caller{Kind: auth.Client, ClientID: "c", Actor: "clients/c", Organisation: admin.caller.Organisation, Permissions: []string{"*"}}
	for name, c := range map[string]auth.Caller{"an app": app, "a machine": machine} {
		if _, err := h.as(c).UpdateMe(t.Context(), &identityv1.UpdateMeRequest{Digest: new(false)}); connect.CodeOf(err) != connect.CodePermissionDenied {
			t.Errorf("%s chose for a person: %v", name, err)
		}
	}
	if _, err := admin.DeleteMembership(t.Context(), &identityv1.DeleteMembershipRequest{Name: h.membership(admin, bob)}); err != nil {
		t.Fatal(err)
	}
	if _, err := bob.UpdateMe(t.Context(), &identityv1.UpdateMeRequest{Digest: new(false)}); rpc.ReasonOf(err) != "NO_MEMBERSHIP" {
		t.Errorf("without a membership: %v", err)
	}
}

// TestTheAddressInADigest ends that organisation's digest for that person, and does nothing else, by nobody else's making.
func TestTheAddressInADigest(t *testing.T) {
	t.Parallel()
	h := setup(t)
	admin := h.administrator("ada@example.com")
	bob := h.member(admin, "bob@example.com", "viewer")
	emails, links := h.readers(admin)
	if !cmp.Equal(emails, []string{"ada@example.com", "bob@example.com"}) || !strings.HasPrefix(links[1], publicURL+"/unsubscribe?link=") {
		t.Fatalf("%v %v", emails, links)
	}
	link := strings.TrimPrefix(links[1], publicURL+"/unsubscribe?link=")
	unsubscribe := func(token string, dry bool) error {
		res, err := h.accounts.Unsubscribe(t.Context(), &identityv1.UnsubscribeRequest{Token: token, DryRun: dry})
		if err == nil && res.GetOrganisation() != "Home" {
			t.Errorf("%v", res)
		}
		return err
	}
	if err := unsubscribe(link, true); err != nil {
		t.Error(err)
	}
	if emails, _ := h.readers(admin); len(emails) != 2 {
		t.Errorf("looking at it was enough: %v", emails)
	}
	for range 2 {
		if err := unsubscribe(link, false); err != nil {
			t.Error(err)
		}
	}
	if emails, _ := h.readers(admin); !cmp.Equal(emails, []string{"ada@example.com"}) {
		t.Errorf("the digest goes to %v", emails)
	}
	if n := h.audited(h.membership(admin, bob), "Unsubscribe"); n != 1 {
		t.Errorf("%d entries", n)
	}
	other := "A"
	if link[0] == 'A' {
		other = "B"
	}
	for name, token := range map[string]string{"another person's": other + link[1:], "cut": link[:len(link)-2], "nonsense": "x"} {
		if err := unsubscribe(token, false); rpc.ReasonOf(err) != "LINK_UNKNOWN" {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := h.accounts.RedeemLink(t.Context(), &identityv1.RedeemLinkRequest{Token: link}); rpc.ReasonOf(err) != "LINK_UNKNOWN" {
		t.Errorf("it opens what a one-time link opens: %v", err)
	}
	if _, err := admin.DeleteMembership(t.Context(), &identityv1.DeleteMembershipRequest{Name: h.membership(admin, bob)}); err != nil {
		t.Fatal(err)
	}
	if err := unsubscribe(link, false); rpc.ReasonOf(err) != "LINK_UNKNOWN" {
		t.Errorf("who has left: %v", err)
	}
}
