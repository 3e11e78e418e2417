package identity_test

import (
	"context"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/microservicehub/mshub/events"
	"github.com/microservicehub/mshub/internal/auth"
	"github.com/microservicehub/mshub/internal/postgres"
	"github.com/microservicehub/mshub/internal/rpc"
	"github.com/microservicehub/mshub/internal/testenv"
	auditstore "github.com/microservicehub/mshub/services/audit/store"
	"github.com/microservicehub/mshub/services/identity"
	"github.com/microservicehub/mshub/services/identity/store"
	identityv1 "github.com/microservicehub/mshub/services/identity/v1"
	"github.com/microservicehub/mshub/services/identity/v1/identityv1connect"
)

func TestMain(m *testing.M) { os.Exit(testenv.Main(m)) }

const (
	publicURL = "https://hub.example"
	password  = "a quiet river at noon"
)

// house is the room under test behind its real chain, and the authorization server's door to it.
type house struct {
	t        *testing.T
	db       *postgres.DB
	service  *identity.Service
	issuer   *testenv.TestIssuer
	url      string
	accounts identityv1connect.CredentialServiceClient

	mu    sync.Mutex
	clock time.Time
}

func setup(t *testing.T) *house {
	t.Helper()
	h := &house{t: t, db: testenv.Postgres(t, events.Schema(), auditstore.Schema(), store.Schema()), issuer: testenv.Issuer(t), clock: time.Now()}
	config := identity.Config{InvitationLifetime: 14 * 24 * time.Hour, VerificationLifetime: 24 * time.Hour, ResetLifetime: time.Hour}
	keys := [][]byte{[]byte(strings.Repeat("k", 32))}
	h.service = identity.New(h.db, config, publicURL, keys, rpc.HTTPClient(), h.now, slog.New(slog.DiscardHandler))
	mux := http.NewServeMux()
	mux.Handle(identityv1connect.NewIdentityServiceHandler(h.service, h.issuer.Options()...))
	mux.Handle(identityv1connect.NewCredentialServiceHandler(h.service, h.issuer.Options()...))
	h.url = testenv.Serve(t, h.issuer, "/", mux)
	h.accounts = identityv1connect.NewCredentialServiceClient(rpc.HTTPClient(), h.url,
		h.issuer.As(auth.Caller{Kind: auth.Service, Actor: "services/authserver", Scopes: []string{"mshub.authserver"}}))
	return h
}

func (h *house) now() time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.clock
}

func (h *house) wait(d time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.clock = h.clock.Add(d)
}

// as calls the door as anybody.
func (h *house) as(c auth.Caller) identityv1connect.IdentityServiceClient {
	return identityv1connect.NewIdentityServiceClient(rpc.HTTPClient(), h.url, h.issuer.As(c), connect.WithInterceptors(rpc.SendIdempotencyKey()))
}

// person is somebody who has signed in: what the authorization server would put into the token.
type person struct {
	identityv1connect.IdentityServiceClient
	user   *identityv1.User
	caller auth.Caller
}

func (h *house) signedIn(user *identityv1.User, organisation string) person {
	h.t.Helper()
	access, err := h.accounts.GetAccess(h.t.Context(), &identityv1.GetAccessRequest{User: user.GetName(), Organisation: organisation})
	if err != nil {
		h.t.Fatal(err)
	}
	caller := auth.Caller{
		Kind: auth.User, User: id(user.GetName()), Actor: user.GetName(), Organisation: id(access.GetOrganisation().GetName()),
		Permissions: access.GetPermissions(), ClientID: "console",
	}
	return person{h.as(caller), user, caller}
}

// administrator is the first one, by the link that `up` prints.
func (h *house) administrator(email string) person {
	h.t.Helper()
	link, err := h.accounts.CreateLink(h.t.Context(), &identityv1.CreateLinkRequest{Kind: identityv1.Link_ADMINISTRATOR, Force: true})
	if err != nil {
		h.t.Fatal(err)
	}
	redeemed := h.redeem(link.GetMail().GetLink(), &identityv1.RedeemLinkRequest{Email: email, DisplayName: "Ada", Password: password})
	return h.signedIn(redeemed.GetUser(), "")
}

func (h *house) redeem(link string, req *identityv1.RedeemLinkRequest) *identityv1.RedeemLinkResponse {
	h.t.Helper()
	req.Token = token(h.t, link)
	res, err := h.accounts.RedeemLink(h.t.Context(), req)
	if err != nil {
		h.t.Fatal(err)
	}
	return res
}

// run is a run of somebody's organisation, as a worker calls for it.
func (h *house) run(p person) (identityv1connect.IdentityServiceClient, uuid.UUID) {
	run := uuid.New()
	return h.as(auth.Caller{Kind: auth.Run, Organisation: p.caller.Organisation, Run: run, Actor: p.caller.Actor, Step: "invite"}), run
}

// member is somebody with a role in the administrator's organisation who has signed in.
func (h *house) member(admin person, email, role string) person {
	h.t.Helper()
	run, _ := h.run(admin)
	invited, err := run.InviteUser(key(h.t.Context()), &identityv1.InviteUserRequest{Email: email, DisplayName: "Bob", Role: role})
	if err != nil {
		h.t.Fatal(err)
	}
	user := h.redeem(invited.GetLink(), &identityv1.RedeemLinkRequest{Password: password}).GetUser()
	if _, err := run.CreateMembership(key(h.t.Context()), &identityv1.CreateMembershipRequest{
		Membership: &identityv1.Membership{User: user.GetName(), Roles: []string{role}},
	}); err != nil {
		h.t.Fatal(err)
	}
	return h.signedIn(user, "organisations/"+admin.caller.Organisation.String())
}

// membership names somebody's membership in the administrator's organisation.
func (h *house) membership(admin, of person) string {
	h.t.Helper()
	list, err := admin.ListMemberships(h.t.Context(), &identityv1.ListMembershipsRequest{})
	if err != nil {
		h.t.Fatal(err)
	}
	for _, m := range list.GetMemberships() {
		if m.GetUser() == of.user.GetName() {
			return m.GetName()
		}
	}
	h.t.Fatalf("%s is no member", of.user.GetName())
	return ""
}

// otherOrganisation is one that another person founds; its administrator is signed in to it.
func (h *house) otherOrganisation(admin person, email string) person {
	h.t.Helper()
	other := h.member(admin, email, "admin")
	created, err := other.CreateOrganisation(h.t.Context(), &identityv1.CreateOrganisationRequest{Organisation: &identityv1.Organisation{DisplayName: "Other"}})
	if err != nil {
		h.t.Fatal(err)
	}
	if _, err := admin.DeleteUser(h.t.Context(), &identityv1.DeleteUserRequest{Name: other.user.GetName()}); err != nil {
		h.t.Fatal(err)
	}
	return h.signedIn(other.user, created.GetName())
}

// facts returns the payloads of a kind, told so far.
func (h *house) facts(kind string) []string {
	h.t.Helper()
	var payloads []string
	err := h.db.System(h.t.Context(), func(tx pgx.Tx) error {
		rows, err := tx.Query(h.t.Context(), "SELECT payload::text || ' ' || coalesce(run::text, '') FROM events.fact WHERE kind = $1 ORDER BY id", kind)
		if err == nil {
			payloads, err = pgx.CollectRows(rows, pgx.RowTo[string])
		}
		return err
	})
	if err != nil {
		h.t.Fatal(err)
	}
	return payloads
}

// changes returns the access changes of a user.
func (h *house) changes(user string) []identityv1.AccessChange_Kind {
	h.t.Helper()
	res, err := h.accounts.ListAccessChanges(h.t.Context(), &identityv1.ListAccessChangesRequest{Since: timestamp(time.Now().Add(-time.Hour))})
	if err != nil {
		h.t.Fatal(err)
	}
	var kinds []identityv1.AccessChange_Kind
	for _, c := range res.GetChanges() {
		if c.GetUser() == user {
			kinds = append(kinds, c.GetKind())
		}
	}
	return kinds
}

func (h *house) signsIn(email, password string) bool {
	h.t.Helper()
	res, err := h.accounts.VerifyCredentials(h.t.Context(), &identityv1.VerifyCredentialsRequest{Email: email, Password: password, RemoteAddress: "192.0.2.1"})
	if err != nil {
		h.t.Fatal(err)
	}
	return res.GetUser() != nil
}

// key gives a call an idempotency key of its own.
func key(ctx context.Context) context.Context {
	return rpc.WithIdempotencyKey(ctx, uuid.NewString())
}

func token(t *testing.T, link string) string {
	t.Helper()
	u, err := url.Parse(link)
	if err != nil || !strings.HasPrefix(link, publicURL+"/verify?link=") {
		t.Fatalf("%q is no link of ours (%v)", link, err)
	}
	return u.Query().Get("link")
}

func id(name string) uuid.UUID {
	_, text, _ := strings.Cut(name, "/")
	parsed, _ := uuid.Parse(text)
	return parsed
}
