package identity_test

import (
	"encoding/hex"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/microservicehub/mshub/internal/rpc"
	identityv1 "github.com/microservicehub/mshub/services/identity/v1"
)

func timestamp(t time.Time) *timestamppb.Timestamp { return timestamppb.New(t) }

func TestFirstAdministrator(t *testing.T) {
	t.Parallel()
	h := setup(t)
	ctx := t.Context()
	first, err := h.accounts.CreateLink(ctx, &identityv1.CreateLinkRequest{Kind: identityv1.Link_ADMINISTRATOR})
	if err != nil {
		t.Fatal(err)
	}
	second, err := h.accounts.CreateLink(ctx, &identityv1.CreateLinkRequest{Kind: identityv1.Link_ADMINISTRATOR})
	if err != nil {
		t.Fatal(err)
	}
	shown, err := h.accounts.GetLink(ctx, &identityv1.GetLinkRequest{Token: token(t, first.GetMail().GetLink())})
	if err != nil || !shown.GetNeedsPassword() || shown.GetKind() != identityv1.Link_ADMINISTRATOR {
		t.Errorf("got %v, %v", shown, err)
	}
	res := h.redeem(first.GetMail().GetLink(), &identityv1.RedeemLinkRequest{Email: "Ada@Example.com", DisplayName: "Ada", Password: password})
	if res.GetUser().GetState() != identityv1.User_ACTIVE || !res.GetUser().GetEmailVerified() {
		t.Errorf("got %v", res)
	}
	access, err := h.accounts.GetAccess(ctx, &identityv1.GetAccessRequest{User: res.GetUser().GetName()})
	if err != nil || access.GetOrganisation().GetDisplayName() != "Home" || !cmp.Equal(access.GetPermissions(), []string{"*"}) {
		t.Errorf("got %v, %v", access, err)
	}
	if !h.signsIn("ada@example.COM ", password) {
		t.Error("the administrator can't sign in")
	}

	none, err := h.accounts.CreateLink(ctx, &identityv1.CreateLinkRequest{Kind: identityv1.Link_ADMINISTRATOR})
	if err != nil || none.GetMail() != nil {
		t.Errorf("a link although there is an administrator: %v, %v", none, err)
	}
	_, err = h.accounts.RedeemLink(ctx, &identityv1.RedeemLinkRequest{Token: token(t, second.GetMail().GetLink()), Email: "eve@example.com", DisplayName: "Eve", Password: password})
	if rpc.ReasonOf(err) != "LINK_UNKNOWN" {
		t.Errorf("a link from before still works: %v", err)
	}

	// By force, from the machine itself: another one joins the same organisation.
	other := h.administrator("grace@example.com")
	if got := "organisations/" + other.caller.Organisation.String(); got != access.GetOrganisation().GetName() {
		t.Errorf("got %s, want %s", got, access.GetOrganisation().GetName())
	}
}

// A machine client can be made before the first administrator: both find the same organisation.
func TestTheFirstOrganisationIsFoundedOnce(t *testing.T) {
	t.Parallel()
	h := setup(t)
	var names sync.Map
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			organisation, err := h.accounts.ResolveOrganisation(t.Context(), &identityv1.ResolveOrganisationRequest{})
			if err != nil {
				t.Error(err)
			}
			names.Store(organisation.GetName(), true)
		})
	}
	all.Wait()
	link, err := h.accounts.CreateLink(t.Context(), &identityv1.CreateLinkRequest{Kind: identityv1.Link_ADMINISTRATOR})
	if err != nil || link.GetMail() == nil {
		t.Fatalf("an organisation without an administrator must give a link: %v, %v", link, err)
	}
	admin := h.signedIn(h.redeem(link.GetMail().GetLink(), &identityv1.RedeemLinkRequest{Email: "ada@example.com", DisplayName: "Ada", Password: password}).GetUser(), "")
	names.Store("organisations/"+admin.caller.Organisation.String(), true)
	n := 0
	names.Range(func(any, any) bool { n++; return true })
	if n != 1 {
		t.Errorf("%d organisations", n)
	}
	if _, err := h.accounts.ResolveOrganisation(t.Context(), &identityv1.ResolveOrganisationRequest{Organisation: "organisations/" + uuid.NewString()}); rpc.ReasonOf(err) != "NOT_FOUND" {
		t.Errorf("got %v", err)
	}
}

func TestLinksEndInTime(t *testing.T) {
	t.Parallel()
	h := setup(t)
	link, err := h.accounts.CreateLink(t.Context(), &identityv1.CreateLinkRequest{Kind: identityv1.Link_ADMINISTRATOR})
	if err != nil {
		t.Fatal(err)
	}
	h.wait(time.Hour)
	req := &identityv1.RedeemLinkRequest{Token: token(t, link.GetMail().GetLink()), Email: "ada@example.com", DisplayName: "Ada", Password: password}
	if _, err := h.accounts.RedeemLink(t.Context(), req); rpc.ReasonOf(err) != "LINK_EXPIRED" {
		t.Errorf("got %v", err)
	}
	for _, forged := range []string{"x", strings.Repeat("A", 43), strings.Repeat("é", 43)} {
		if _, err := h.accounts.GetLink(t.Context(), &identityv1.GetLinkRequest{Token: forged}); rpc.ReasonOf(err) != "LINK_UNKNOWN" || strings.Contains(err.Error(), forged+`"`) {
			t.Errorf("got %v", err)
		}
	}
}

// Of a hundred at once exactly one uses the link up.
func TestLinkIsUsedOnce(t *testing.T) {
	t.Parallel()
	h := setup(t)
	admin := h.administrator("ada@example.com")
	run, _ := h.run(admin)
	invited, err := run.InviteUser(key(t.Context()), &identityv1.InviteUserRequest{Email: "bob@example.com", DisplayName: "Bob", Role: "member"})
	if err != nil {
		t.Fatal(err)
	}
	// The password is there, so that the race is for the link and not for the hash.
	h.redeem(h.resetLink("bob@example.com"), &identityv1.RedeemLinkRequest{Password: password})
	var won, lost atomic.Int32
	var all sync.WaitGroup
	for range 100 {
		all.Go(func() {
			_, err := h.accounts.RedeemLink(t.Context(), &identityv1.RedeemLinkRequest{Token: token(t, invited.GetLink())})
			switch {
			case err == nil:
				won.Add(1)
			case rpc.ReasonOf(err) == "LINK_USED":
				lost.Add(1)
			default:
				t.Error(err)
			}
		})
	}
	all.Wait()
	if won.Load() != 1 || lost.Load() != 99 {
		t.Errorf("%d won, %d lost", won.Load(), lost.Load())
	}
	if facts := h.facts("identity.invitation.accepted"); len(facts) != 1 {
		t.Errorf("got %q", facts)
	}
}

// resetLink asks for one as the page does, which is also how an invited person proves the address without the invitation.
func (h *house) resetLink(email string) string {
	h.t.Helper()
	res, err := h.accounts.CreateLink(h.t.Context(), &identityv1.CreateLinkRequest{Kind: identityv1.Link_RESET, Email: email})
	if err != nil {
		h.t.Fatal(err)
	}
	return res.GetMail().GetLink()
}

func TestSignUp(t *testing.T) {
	t.Parallel()
	h := setup(t)
	admin := h.administrator("ada@example.com")
	ctx := t.Context()

	fresh, err := h.accounts.SignUp(ctx, &identityv1.SignUpRequest{Email: "new@example.com", DisplayName: "New"})
	if err != nil || fresh.GetMail().GetTemplate() != "verification" {
		t.Fatalf("got %v, %v", fresh, err)
	}
	known, err := h.accounts.SignUp(ctx, &identityv1.SignUpRequest{Email: "ADA@example.com", DisplayName: "Eve"})
	if err != nil || known.GetMail().GetTemplate() != "known-address" || known.GetMail().GetDisplayName() != "Ada" || known.GetMail().GetEmail() != "ada@example.com" {
		t.Errorf("got %v, %v", known, err)
	}
	if h.signsIn("new@example.com", password) {
		t.Error("signed in before the address was verified")
	}

	user := h.redeem(fresh.GetMail().GetLink(), &identityv1.RedeemLinkRequest{Password: password}).GetUser()
	if !h.signsIn("new@example.com", password) {
		t.Error("can't sign in")
	}
	facts := h.facts("identity.user.signed_up")
	if len(facts) != 1 || !strings.Contains(facts[0], `"email": "new@example.com"`) || !strings.Contains(facts[0], user.GetName()) {
		t.Errorf("got %q", facts)
	}
	access, err := h.accounts.GetAccess(ctx, &identityv1.GetAccessRequest{User: user.GetName()})
	if err != nil || access.GetOrganisation() != nil || len(access.GetPermissions()) != 0 {
		t.Errorf("got %v, %v", access, err)
	}
	// The organisation that the person applied to can see and admit them.
	run, _ := h.run(admin)
	if _, err := run.CreateMembership(key(ctx), &identityv1.CreateMembershipRequest{Membership: &identityv1.Membership{User: user.GetName(), Roles: []string{"member"}}}); err != nil {
		t.Error(err)
	}
	for range 2 {
		if again, err := h.accounts.SignUp(ctx, &identityv1.SignUpRequest{Email: "other@example.com", DisplayName: "x"}); err != nil || again.GetMail().GetTemplate() != "verification" {
			t.Errorf("got %v, %v", again, err)
		}
	}
}

// What a stranger can cause for one address is bounded.
func TestMailsToOneAddressAreBounded(t *testing.T) {
	t.Parallel()
	h := setup(t)
	mails := 0
	for range 8 {
		res, err := h.accounts.SignUp(t.Context(), &identityv1.SignUpRequest{Email: "victim@example.com", DisplayName: "x"})
		if err != nil {
			t.Fatal(err)
		}
		if res.GetMail().GetTemplate() != "" {
			mails++
		}
	}
	if mails != 5 {
		t.Errorf("%d mails", mails)
	}
}

func TestReset(t *testing.T) {
	t.Parallel()
	h := setup(t)
	admin := h.administrator("ada@example.com")
	if link := h.resetLink("nobody@example.com"); link != "" {
		t.Errorf("a link for nobody: %s", link)
	}
	first, second := h.resetLink("ada@example.com"), h.resetLink("ada@example.com")
	const next = "another river at night"
	h.redeem(second, &identityv1.RedeemLinkRequest{Password: next})
	if h.signsIn("ada@example.com", password) || !h.signsIn("ada@example.com", next) {
		t.Error("the new password must count, the old one must not")
	}
	if _, err := h.accounts.GetLink(t.Context(), &identityv1.GetLinkRequest{Token: token(t, first)}); rpc.ReasonOf(err) != "LINK_UNKNOWN" {
		t.Errorf("an older link still works: %v", err)
	}
	if kinds := h.changes(admin.user.GetName()); kinds[len(kinds)-1] != identityv1.AccessChange_PASSWORD {
		t.Errorf("got %v", kinds)
	}
}

func TestPasswordRules(t *testing.T) {
	t.Parallel()
	h := setup(t)
	h.administrator("somebody@example.com")
	link := h.resetLink("somebody@example.com")
	for name, bad := range map[string]string{
		"short":   "7 chars",
		"long":    strings.Repeat("é", 1025),
		"common":  "Password123",
		"address": "Somebody@example.com",
		"empty":   "",
	} {
		_, err := h.accounts.RedeemLink(t.Context(), &identityv1.RedeemLinkRequest{Token: token(t, link), Password: bad})
		if rpc.ReasonOf(err) != "INVALID_FIELD" || !strings.Contains(err.Error(), "password") {
			t.Errorf("%s: %v", name, err)
		}
	}
	long := strings.Repeat("é", 1024)
	h.redeem(link, &identityv1.RedeemLinkRequest{Password: long})
	if !h.signsIn("somebody@example.com", long) || h.signsIn("somebody@example.com", strings.Repeat("é", 1023)) || h.signsIn("somebody@example.com", strings.Repeat("e\u0301", 512)) {
		t.Error("a password must be compared whole and as it was typed")
	}
}

// Whoever reads the database can use nothing that it holds.
func TestTokensAreNotInTheDatabase(t *testing.T) {
	t.Parallel()
	h := setup(t)
	admin := h.administrator("ada@example.com")
	run, _ := h.run(admin)
	invited, err := run.InviteUser(key(t.Context()), &identityv1.InviteUserRequest{Email: "bob@example.com", DisplayName: "Bob", Role: "member"})
	if err != nil {
		t.Fatal(err)
	}
	secrets := []string{token(t, invited.GetLink()), token(t, h.resetLink("ada@example.com")), password}
	err = h.db.System(t.Context(), func(tx pgx.Tx) error {
		rows, err := tx.Query(t.Context(), `SELECT format('SELECT coalesce(string_agg(t::text, E''\n''), '''') FROM %I.%I t', table_schema, table_name)
			FROM information_schema.tables WHERE table_schema IN ('identity', 'audit', 'events') AND table_name <> 'goose_version'`)
		if err != nil {
			return err
		}
		queries, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			return err
		}
		for _, query := range queries {
			var dump string
			if err := tx.QueryRow(t.Context(), query).Scan(&dump); err != nil {
				return err
			}
			for _, secret := range secrets {
				if strings.Contains(dump, secret) || strings.Contains(dump, hex.EncodeToString([]byte(secret))) {
					t.Errorf("%s shows a secret", query)
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
