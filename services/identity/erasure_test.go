package identity_test

import (
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/microservicehub/mshub/internal/rpc"
	identityv1 "github.com/microservicehub/mshub/services/identity/v1"
)

// mentions counts rows of the room that still hold an address.
func (h *house) mentions(email string) (n int) {
	h.t.Helper()
	err := h.db.System(h.t.Context(), func(tx pgx.Tx) error {
		return tx.QueryRow(h.t.Context(), `SELECT
			(SELECT count(*) FROM identity.users WHERE email ILIKE $1) + (SELECT count(*) FROM identity.invitations WHERE email ILIKE $1) +
			(SELECT count(*) FROM identity.bulk_lines WHERE email ILIKE $1) +
			(SELECT count(*) FROM identity.idempotency WHERE position(convert_to($1, 'UTF8') IN response) > 0)`, email).Scan(&n)
	})
	if err != nil {
		h.t.Fatal(err)
	}
	return n
}

func TestErasingAPerson(t *testing.T) {
	t.Parallel()
	h := setup(t)
	admin := h.administrator("ada@example.com")
	bob := h.member(admin, "Bob@example.com", "viewer")
	s := newShelf(t, "email\nbob@example.com\n")
	change, _ := h.run(admin)
	bulk(t, change, &identityv1.PlanUserBulkRequest{Action: identityv1.UserBulk_ADD_ROLE, SourceUrl: s.url, Role: "member"}, s)

	run, _ := h.run(admin)
	before := h.mentions("Bob@example.com")
	for _, name := range []string{bob.user.GetName(), "BOB@example.com"} {
		found, err := run.ErasePerson(key(t.Context()), &identityv1.ErasePersonRequest{Person: name, DryRun: true})
		if err != nil || found.GetUser() != bob.user.GetName() || found.GetEmail() != "Bob@example.com" || found.GetMemberships() != 1 || found.GetInvitations() != 1 || found.GetBulkLines() != 1 || !found.GetAccount() {
			t.Errorf("%s: %v, %v", name, found, err)
		}
	}
	if n := h.mentions("Bob@example.com"); n != before || n == 0 {
		t.Fatalf("a dry run left %d of %d mentions", n, before)
	}
	ctx := key(t.Context())
	for range 2 {
		done, err := run.ErasePerson(ctx, &identityv1.ErasePersonRequest{Person: bob.user.GetName()})
		if err != nil || done.GetEmail() != "" || done.GetMemberships() != 1 || !done.GetAccount() || len(done.GetEmailSha256()) != 64 {
			t.Errorf("%v, %v", done, err)
		}
	}
	if n := h.mentions("Bob@example.com"); n != 0 || h.signsIn("bob@example.com", password) {
		t.Errorf("%d mentions are left", n)
	}
	again, err := run.ErasePerson(key(t.Context()), &identityv1.ErasePersonRequest{Person: bob.user.GetName()})
	if err != nil || again.GetUser() != "" {
		t.Errorf("%v, %v", again, err)
	}
}

func TestErasingHasLimits(t *testing.T) {
	t.Parallel()
	h := setup(t)
	admin := h.administrator("ada@example.com")
	hr := h.member(admin, "hr@example.com", "operator")
	other := h.otherOrganisation(admin, "olga@example.com")
	run, _ := h.run(admin)
	if _, err := run.ErasePerson(key(t.Context()), &identityv1.ErasePersonRequest{Person: admin.user.GetName(), DryRun: true}); rpc.ReasonOf(err) != "LAST_ADMINISTRATOR" {
		t.Errorf("the last administrator: %v", err)
	}
	byHR, _ := h.run(hr)
	for _, dry := range []bool{true, false} {
		if _, err := byHR.ErasePerson(key(t.Context()), &identityv1.ErasePersonRequest{Person: hr.user.GetName(), DryRun: dry}); rpc.ReasonOf(err) != "MORE_THAN_YOURS" {
			t.Errorf("by somebody who is no administrator: %v", err)
		}
		// Others' people are nobody here; an address that nobody has is still looked for.
		for _, person := range []string{other.user.GetName(), "olga@example.com", "users/" + uuid.NewString(), "nobody@example.com"} {
			if got, err := run.ErasePerson(key(t.Context()), &identityv1.ErasePersonRequest{Person: person, DryRun: dry}); err != nil || got.GetUser() != "" || got.GetAccount() {
				t.Errorf("%s: %v, %v", person, got, err)
			}
		}
	}
	if !h.signsIn("olga@example.com", password) {
		t.Error("another organisation's account is gone")
	}
	// Known to both: this organisation forgets, the account stays.
	invited, err := run.InviteUser(key(t.Context()), &identityv1.InviteUserRequest{Email: "olga@example.com", DisplayName: "O", Role: "viewer"})
	if err != nil {
		t.Fatal(err)
	}
	done, err := run.ErasePerson(key(t.Context()), &identityv1.ErasePersonRequest{Person: "olga@example.com"})
	if err != nil || done.GetUser() != invited.GetInvitation().GetUser() || done.GetAccount() || done.GetInvitations() != 1 || !h.signsIn("olga@example.com", password) {
		t.Errorf("%v, %v", done, err)
	}
}
