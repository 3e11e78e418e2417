package identity

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/microservicehub/mshub/internal/audit"
	"github.com/microservicehub/mshub/internal/auth"
	"github.com/microservicehub/mshub/internal/rpc"
	"github.com/microservicehub/mshub/services/identity/store"
	identityv1 "github.com/microservicehub/mshub/services/identity/v1"
	"github.com/microservicehub/mshub/services/identity/v1/identityv1connect"
)

// UpdateMe keeps what a person has chosen for the active organisation. An app of somebody else's may not choose for people.
func (s *Service) UpdateMe(ctx context.Context, req *identityv1.UpdateMeRequest) (*identityv1.GetMeResponse, error) {
	caller := auth.From(ctx)
	if caller.Kind != auth.User || thirdParty(caller) {
		return nil, rpc.Denied("NOT_YOURSELF", "only the person may change this, in the console or by `mshub`")
	}
	if req.Digest != nil {
		err := s.db.Global(ctx, func(tx pgx.Tx) error {
			_, err := s.wantDigest(ctx, tx, caller.User, caller.Organisation, req.GetDigest(), identityv1connect.IdentityServiceUpdateMeProcedure[1:])
			return err
		})
		if isNotFound(err) {
			return nil, rpc.Precondition("NO_MEMBERSHIP", "you are not a member of an organisation yet, so there is no digest")
		}
		if err != nil {
			return nil, err
		}
	}
	return s.GetMe(ctx, &identityv1.GetMeRequest{})
}

// Unsubscribe ends the digest for whom the mail's address was made. The address works for as long as the keys do, because
// old mails are opened late, and can do nothing else. Who has left has nothing to end.
func (s *Service) Unsubscribe(ctx context.Context, req *identityv1.UnsubscribeRequest) (*identityv1.UnsubscribeResponse, error) {
	user, organisation, ok := s.readUnsubscribe(req.GetToken())
	if !ok {
		return nil, rpc.Precondition("LINK_UNKNOWN", "this link is not valid; copy it whole, or change the setting in your account")
	}
	res := &identityv1.UnsubscribeResponse{}
	err := s.db.Global(ctx, func(tx pgx.Tx) error {
		if req.GetDryRun() {
			if err := store.Enter(ctx, tx, organisation); err != nil {
				return err
			}
			if _, err := s.q.MembershipOf(ctx, tx, user); err != nil {
				return err
			}
			of, err := s.q.ActiveOrganisation(ctx, tx)
			res.Organisation = of.DisplayName
			return err
		}
		person := auth.From(ctx)
		person.Actor = userName(user) // the link says who is acting, the authorization server only carried it
		of, err := s.wantDigest(auth.With(ctx, person), tx, user, organisation, false, identityv1connect.CredentialServiceUnsubscribeProcedure[1:])
		res.Organisation = of.DisplayName
		return err
	})
	if isNotFound(err) {
		return nil, rpc.Precondition("LINK_UNKNOWN", "this link is not valid any more; you are no member of that organisation")
	}
	if err != nil {
		return nil, err
	}
	return res, nil
}

// wantDigest keeps a member's choice, with its audit entry if it is another one than before.
func (s *Service) wantDigest(ctx context.Context, tx pgx.Tx, user, organisation uuid.UUID, want bool, action string) (of store.Organisation, err error) {
	if organisation == uuid.Nil {
		return of, pgx.ErrNoRows
	}
	if err := store.Enter(ctx, tx, organisation); err != nil {
		return of, err
	}
	if of, err = s.q.ActiveOrganisation(ctx, tx); err != nil {
		return of, err
	}
	membership, err := s.q.MembershipOf(ctx, tx, user)
	if err != nil {
		return of, err
	}
	n, err := s.q.SetDigest(ctx, tx, store.SetDigestParams{UserID: user, Digest: want})
	if err != nil || n == 0 {
		return of, err
	}
	return of, audit.Append(ctx, tx, audit.Entry{
		Action: action, Target: membershipName(membership.ID), Organisation: organisation,
		Before: map[string]any{"digest": !want}, After: map[string]any{"digest": want},
	})
}

// unsubscribeURL is the address in a digest: who and where, and a seal that only this installation can make.
func (s *Service) unsubscribeURL(user, organisation uuid.UUID) string {
	content := slices.Concat(user[:], organisation[:])
	return s.publicURL + "/unsubscribe?link=" + base64.RawURLEncoding.EncodeToString(slices.Concat(content, unsubscribeSeal(s.linkKeys[0], content)))
}

// readUnsubscribe opens the token of an address that any of the keys has sealed.
func (s *Service) readUnsubscribe(token string) (user, organisation uuid.UUID, ok bool) {
	const ids = 2 * len(user)
	raw, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil || len(raw) != ids+sha256.Size {
		return user, organisation, false
	}
	for _, key := range s.linkKeys {
		if hmac.Equal(raw[ids:], unsubscribeSeal(key, raw[:ids])) {
			return uuid.UUID(raw[:len(user)]), uuid.UUID(raw[len(user):ids]), true
		}
	}
	return user, organisation, false
}

// unsubscribeSeal can't be taken for a one-time link's token, which seals an id alone.
func unsubscribeSeal(key, content []byte) []byte {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte("unsubscribe/"))
	mac.Write(content)
	return mac.Sum(nil)
}
