package audit_test

import (
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	trail "github.com/microservicehub/mshub/internal/audit"
	"github.com/microservicehub/mshub/internal/auth"
	"github.com/microservicehub/mshub/internal/rpc"
	auditv1 "github.com/microservicehub/mshub/services/audit/v1"
)

// TestErasedDetailsLeaveTheChainValid: what is about a person goes, sealed or not; the rest of the trail still verifies.
func TestErasedDetailsLeaveTheChainValid(t *testing.T) {
	t.Parallel()
	h := setup(t)
	organisation, other := uuid.New(), uuid.New()
	bob := "users/" + uuid.NewString()
	write := func(organisation uuid.UUID, actor string, e trail.Entry) {
		e.Action = "test.v1.Test/Change"
		ctx := auth.With(t.Context(), auth.Caller{Kind: auth.User, Actor: actor, Organisation: organisation, RemoteAddress: "192.0.2.7"})
		if err := h.db.Tx(ctx, organisation, func(tx pgx.Tx) error { return trail.Append(ctx, tx, e) }); err != nil {
			t.Fatal(err)
		}
	}
	admin := "users/" + uuid.NewString()
	write(organisation, bob, trail.Entry{Target: "runs/1"})
	write(organisation, admin, trail.Entry{Target: bob, Reason: "left"})
	write(organisation, admin, trail.Entry{Target: "memberships/1", After: map[string]any{"user": bob}})
	write(organisation, admin, trail.Entry{Target: "runs/2", Reason: "Bob@Example.com asked for it"})
	write(organisation, admin, trail.Entry{Target: "runs/3", Reason: "something else"})
	write(other, admin, trail.Entry{Target: bob})
	h.seal(t)
	write(organisation, admin, trail.Entry{Target: bob, Reason: "not sealed yet"})

	run := h.run(organisation)
	erase := func(dry bool) int64 {
		res, err := run.EraseDetails(rpc.WithIdempotencyKey(t.Context(), uuid.NewString()), &auditv1.EraseDetailsRequest{User: bob, Email: "bob@example.com", DryRun: dry})
		if err != nil {
			t.Fatal(err)
		}
		return res.GetEntries()
	}
	if n := erase(true); n != 5 {
		t.Errorf("a dry run finds %d", n)
	}
	if n := erase(false); n != 5 {
		t.Errorf("erased %d", n)
	}
	if n := erase(false); n != 0 {
		t.Errorf("again %d", n)
	}
	h.seal(t)
	if got := h.verify(t, organisation); !got.GetValid() || got.GetEntries() != 7 { // six, and the one of the erasure
		t.Errorf("the chain: %v", got)
	}
	if got := h.verify(t, other); !got.GetValid() {
		t.Errorf("the other chain: %v", got)
	}
	list, err := h.reader(organisation).ListEntries(t.Context(), &auditv1.ListEntriesRequest{})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range list.GetEntries() {
		if left := e.GetReason() + e.GetRemoteAddress(); left != "" && e.GetTarget() != "runs/3" && e.GetAction() == "test.v1.Test/Change" {
			t.Errorf("%s still says %q", e.GetTarget(), left)
		}
	}
	if list, err := h.reader(other).ListEntries(t.Context(), &auditv1.ListEntriesRequest{}); err != nil || list.GetEntries()[0].GetRemoteAddress() == "" {
		t.Errorf("another organisation lost its details: %v, %v", list, err)
	}
	if _, err := run.EraseDetails(t.Context(), &auditv1.EraseDetailsRequest{User: "users/nobody"}); rpc.ReasonOf(err) != "NOT_FOUND" {
		t.Errorf("%v", err)
	}
}
