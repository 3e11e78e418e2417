package identity

import (
	"context"
	"encoding/hex"
	"slices"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/microservicehub/mshub/internal/postgres"
	"github.com/microservicehub/mshub/services/identity/store"
	identityv1 "github.com/microservicehub/mshub/services/identity/v1"
	"github.com/microservicehub/mshub/services/identity/v1/identityv1connect"
)

// ErasePerson counts or removes what the organisation knows about a person: membership, invitations, lines of bulk changes,
// and the account itself if no other organisation knows it. An organisation erases its own knowledge, so an account that
// belongs elsewhere too stays there. Somebody unknown, or erased before, is no error.
func (s *Service) ErasePerson(ctx context.Context, req *identityv1.ErasePersonRequest) (*identityv1.ErasePersonResponse, error) {
	res := &identityv1.ErasePersonResponse{}
	if req.GetDryRun() {
		err := s.read(ctx, func(tx pgx.Tx) error {
			if err := s.starterHas(ctx, tx, "*"); err != nil {
				return err
			}
			_, err := s.findPerson(ctx, tx, req.GetPerson(), res)
			return err
		})
		if err != nil {
			return nil, err
		}
		return res, nil
	}
	err := s.change(ctx, identityv1connect.IdentityServiceErasePersonProcedure, req, res, func(tx pgx.Tx) (*changed, error) {
		if err := s.starterHas(ctx, tx, "*"); err != nil {
			return nil, err
		}
		who, err := s.findPerson(ctx, tx, req.GetPerson(), res)
		if err != nil {
			return nil, err
		}
		res.Email = "" // the answer is kept for repeated calls
		if err := s.erase(ctx, tx, who, res); err != nil {
			return nil, err
		}
		target := res.GetUser()
		if target == "" {
			target = "users/-"
		}
		return &changed{target: target, after: map[string]any{
			"memberships": res.GetMemberships(), "invitations": res.GetInvitations(), "bulkLines": res.GetBulkLines(), "accountDeleted": res.GetAccount(),
		}}, nil
	})
	if err != nil {
		return nil, err
	}
	return res, nil
}

// subject is whom an erasure is about: an account that the organisation knows, or an address alone (user is zero).
type subject struct {
	user    uuid.UUID
	email   string // normalised
	address string // as the person writes it
	roles   []string
}

// findPerson fills the counts.
func (s *Service) findPerson(ctx context.Context, tx pgx.Tx, person string, res *identityv1.ErasePersonResponse) (subject, error) {
	who := subject{}
	id, err := userID(person)
	if !strings.HasPrefix(person, "users/") {
		who.email = normalise(person)
		var user store.User
		user, err = s.q.UserByEmail(ctx, tx, who.email)
		id = user.ID
	}
	if err == nil {
		var user store.VisibleUserRow
		if user, err = s.q.VisibleUser(ctx, tx, id); err == nil {
			who = subject{user: id, email: user.User.EmailNorm, address: user.User.Email, roles: user.Roles}
			res.User, res.Email = userName(id), user.User.Email
			err = s.countAccount(ctx, tx, user, res)
		}
	}
	if err != nil && !isNotFound(err) || who.email == "" {
		if isNotFound(err) {
			err = nil
		}
		return who, err
	}
	if res.GetEmail() == "" {
		res.Email = who.email
	}
	res.EmailSha256 = hex.EncodeToString(account(who.email))
	if res.Invitations, err = s.q.CountInvitationsOf(ctx, tx, store.CountInvitationsOfParams{UserID: who.user, Email: who.email}); err != nil {
		return who, err
	}
	res.BulkLines, err = s.q.CountBulkLinesOf(ctx, tx, store.CountBulkLinesOfParams{UserID: &who.user, Email: who.email})
	return who, err
}

func (s *Service) countAccount(ctx context.Context, tx pgx.Tx, user store.VisibleUserRow, res *identityv1.ErasePersonResponse) error {
	if user.Membership != nil {
		res.Memberships = 1
	}
	if slices.Contains(user.Roles, roleAdmin) {
		if err := s.adminStays(ctx, tx, user.User.ID); err != nil {
			return err
		}
	}
	elsewhere, err := s.q.KnownElsewhere(ctx, tx, user.User.ID)
	res.Account = !elsewhere
	return err
}

func (s *Service) erase(ctx context.Context, tx pgx.Tx, who subject, res *identityv1.ErasePersonResponse) error {
	if who.email == "" {
		return nil
	}
	if res.GetMemberships() > 0 {
		if err := s.leave(ctx, tx, who.user, who.roles); err != nil {
			return err
		}
	}
	if err := s.q.BlankBulkLinesOf(ctx, tx, store.BlankBulkLinesOfParams{UserID: &who.user, Email: who.email}); err != nil {
		return err
	}
	if err := s.q.DropInvitationLinksOf(ctx, tx, &who.user); err != nil {
		return err
	}
	if err := s.q.DeleteInvitationsOf(ctx, tx, store.DeleteInvitationsOfParams{UserID: who.user, Email: who.email}); err != nil {
		return err
	}
	if who.user != uuid.Nil {
		gone, err := s.removeIfAlone(ctx, tx, who.user)
		if err != nil {
			return err
		}
		res.Account = gone
	}
	if res.GetAccount() {
		if err := s.q.ForgetAttemptsOf(ctx, tx, account(who.email)); err != nil {
			return err
		}
	}
	for _, address := range []string{who.address, who.email} {
		if address == "" {
			continue
		}
		if err := postgres.ForgetAnswersAbout(ctx, tx, schema, address); err != nil {
			return err
		}
	}
	return nil
}
