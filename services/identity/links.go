package identity

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"net/url"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/microservicehub/mshub/internal/audit"
	"github.com/microservicehub/mshub/internal/rpc"
	"github.com/microservicehub/mshub/services/identity/store"
	identityv1 "github.com/microservicehub/mshub/services/identity/v1"
	"github.com/microservicehub/mshub/services/identity/v1/identityv1connect"
)

const (
	// administratorLifetime of the first administrator's link: it is used at once or made again.
	administratorLifetime = time.Hour
	// linksAnHour is how many mails strangers can cause for one address.
	linksAnHour = 5
)

// Templates of account mails, in services/notify.
const (
	mailVerification = "verification"
	mailReset        = "reset"
	mailKnown        = "known-address"
)

// SignUp makes an account in state INVITED and a link that proves the address. Known, unknown and disabled addresses take
// the same statements and give the same kind of answer; what differs is which mail the owner of the address receives.
func (s *Service) SignUp(ctx context.Context, req *identityv1.SignUpRequest) (*identityv1.SignUpResponse, error) {
	email, err := checkEmail("email", req.GetEmail())
	if err != nil {
		return nil, err
	}
	name, err := checkDisplayName("displayName", req.GetDisplayName())
	if err != nil {
		return nil, err
	}
	var mail *identityv1.LinkMail
	err = s.db.Global(ctx, func(tx pgx.Tx) error {
		user, created, err := s.insertUser(ctx, tx, email, name, nil)
		if err != nil {
			return err
		}
		kind, template, lifetime := identityv1.Link_VERIFICATION, mailVerification, s.config.VerificationLifetime
		owner := &user.ID
		switch user.State {
		case stateActive:
			kind, template, lifetime = identityv1.Link_RESET, mailKnown, s.config.ResetLifetime
		case stateDisabled:
			template, owner = "", nil
		}
		if mail, err = s.linkMail(ctx, tx, user, kind, template, owner, lifetime); err != nil {
			return err
		}
		return audit.Append(ctx, tx, audit.Entry{
			Action: identityv1connect.CredentialServiceSignUpProcedure[1:], Target: userName(user.ID), After: map[string]any{"created": created},
		})
	})
	if err != nil {
		return nil, err
	}
	return &identityv1.SignUpResponse{Mail: mail}, nil
}

// CreateLink makes a link to set a new password, or for the first administrator.
func (s *Service) CreateLink(ctx context.Context, req *identityv1.CreateLinkRequest) (*identityv1.CreateLinkResponse, error) {
	if req.GetKind() == identityv1.Link_ADMINISTRATOR {
		return s.createAdministratorLink(ctx, req.GetForce())
	}
	if _, err := checkEmail("email", req.GetEmail()); err != nil {
		return nil, err
	}
	res := &identityv1.CreateLinkResponse{}
	err := s.db.Global(ctx, func(tx pgx.Tx) error {
		user, err := s.q.UserByEmail(ctx, tx, normalise(req.GetEmail()))
		if err != nil && !isNotFound(err) {
			return err
		}
		unknown := err != nil
		_, err = s.q.HomeOf(ctx, tx, user.ID)
		if err != nil && !isNotFound(err) {
			return err
		}
		homeless := err != nil
		kind, template, owner := identityv1.Link_RESET, mailReset, &user.ID
		switch {
		case unknown, user.State == stateDisabled:
			user.Email, template, owner = req.GetEmail(), "", nil
		case user.State == stateInvited && homeless:
			// Signed up and lost the mail: the first password comes with the proof of the address.
			kind, template = identityv1.Link_VERIFICATION, mailVerification
		}
		mail, err := s.linkMail(ctx, tx, user, kind, template, owner, s.config.ResetLifetime)
		if err == nil && mail.GetTemplate() != "" {
			res.Mail = mail
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return res, nil
}

// createAdministratorLink: without force only while the installation has no active administrator.
func (s *Service) createAdministratorLink(ctx context.Context, force bool) (*identityv1.CreateLinkResponse, error) {
	res := &identityv1.CreateLinkResponse{}
	err := s.db.Global(ctx, func(tx pgx.Tx) error {
		if !force {
			exists, err := s.administratorExists(ctx, tx)
			if err != nil || exists {
				return err
			}
		}
		link, err := s.newLink(ctx, tx, store.InsertLinkParams{Kind: identityv1.Link_ADMINISTRATOR.String(), ExpiresAt: s.now().Add(administratorLifetime)})
		res.Mail = &identityv1.LinkMail{Link: link}
		if err != nil {
			return err
		}
		return audit.Append(ctx, tx, audit.Entry{
			Action: identityv1connect.CredentialServiceCreateLinkProcedure[1:], Target: "links/administrator", After: map[string]any{"force": force},
		})
	})
	if err != nil {
		return nil, err
	}
	return res, nil
}

// administratorExists looks into the installation's first organisation.
func (s *Service) administratorExists(ctx context.Context, tx pgx.Tx) (bool, error) {
	first, err := s.q.FirstOrganisation(ctx, tx)
	if err != nil {
		if isNotFound(err) {
			err = nil
		}
		return false, err
	}
	if err := store.Enter(ctx, tx, first.ID); err != nil {
		return false, err
	}
	n, err := s.q.OtherAdministrators(ctx, tx, uuid.Nil)
	return n > 0, err
}

// GetLink shows what a link is good for, without using it up.
func (s *Service) GetLink(ctx context.Context, req *identityv1.GetLinkRequest) (*identityv1.GetLinkResponse, error) {
	res := &identityv1.GetLinkResponse{}
	err := s.db.Global(ctx, func(tx pgx.Tx) error {
		link, err := s.openLink(ctx, tx, req.GetToken())
		if err != nil {
			return err
		}
		res.Kind = linkKind(link)
		if res.GetKind() == identityv1.Link_ADMINISTRATOR {
			res.NeedsPassword = true
			first, err := s.q.FirstOrganisation(ctx, tx)
			if err == nil {
				res.Organisation = first.DisplayName
			} else if isNotFound(err) {
				err = nil
			}
			return err
		}
		user, err := s.q.UserByID(ctx, tx, *link.UserID)
		if err != nil {
			return err
		}
		res.Email, res.DisplayName = user.Email, user.DisplayName
		if res.NeedsPassword, err = s.needsPassword(ctx, tx, link); err != nil || link.OrganisationID == nil {
			return err
		}
		if err := store.Enter(ctx, tx, *link.OrganisationID); err != nil {
			return err
		}
		organisation, err := s.q.ActiveOrganisation(ctx, tx)
		res.Organisation = organisation.DisplayName
		return err
	})
	if err != nil {
		return nil, err
	}
	return res, nil
}

// openLink finds the link of a token, if it can still be used.
func (s *Service) openLink(ctx context.Context, tx pgx.Tx, token string) (store.Link, error) {
	link, err := s.q.Link(ctx, tx, tokenHash(token))
	switch {
	case isNotFound(err):
		return link, rpc.Precondition("LINK_UNKNOWN", "this link is not valid; ask for a new one")
	case err != nil:
		return link, err
	case link.UsedAt != nil:
		return link, usedLink()
	case !s.now().Before(link.ExpiresAt):
		return link, rpc.Precondition("LINK_EXPIRED", "this link is too old; ask for a new one")
	}
	return link, nil
}

func usedLink() error {
	return rpc.Precondition("LINK_USED", "this link was used already; ask for a new one")
}

// needsPassword: an invitation asks for a password only if there is none; the others are about a password.
func (s *Service) needsPassword(ctx context.Context, tx pgx.Tx, link store.Link) (bool, error) {
	if linkKind(link) != identityv1.Link_INVITATION {
		return true, nil
	}
	_, err := s.q.Password(ctx, tx, *link.UserID)
	if isNotFound(err) {
		return true, nil
	}
	return false, err
}

// linkMail makes a link and the mail that carries it. Owner nil makes a link for nobody: its token is thrown away, so that
// an unknown address costs the same work. More than a few an hour for one address are not mailed.
func (s *Service) linkMail(ctx context.Context, tx pgx.Tx, user store.User, kind identityv1.Link_Kind, template string, owner *uuid.UUID, lifetime time.Duration) (*identityv1.LinkMail, error) {
	asked, err := s.q.LinksAsked(ctx, tx, store.LinksAskedParams{Account: account(user.Email), CreatedAt: s.now().Add(-time.Hour)})
	if err != nil {
		return nil, err
	}
	link, err := s.newLink(ctx, tx, store.InsertLinkParams{Kind: kind.String(), Account: account(user.Email), UserID: owner, ExpiresAt: s.now().Add(lifetime)})
	if err != nil {
		return nil, err
	}
	mail := &identityv1.LinkMail{Email: user.Email, DisplayName: user.DisplayName}
	if owner != nil && asked < linksAnHour {
		mail.Template, mail.Link = template, link
	}
	return mail, nil
}

// newLink stores a link and returns its URL, the only place where its token appears.
func (s *Service) newLink(ctx context.Context, tx pgx.Tx, l store.InsertLinkParams) (string, error) {
	id, err := uuid.NewRandom()
	if err != nil {
		return "", err
	}
	token := linkToken(s.linkKeys[0], id)
	l.ID, l.Hash, l.CreatedAt = id, tokenHash(token), s.now()
	return s.linkURL(token), s.q.InsertLink(ctx, tx, l)
}

// linkOfInvitation derives the URL again, with whichever key made it; empty if the invitation has no link any more.
func (s *Service) linkOfInvitation(ctx context.Context, invitation string) (string, error) {
	id, err := invitationID(invitation)
	if err != nil {
		return "", err
	}
	var link store.Link
	err = s.db.Global(ctx, func(tx pgx.Tx) (err error) {
		link, err = s.q.LinkOfInvitation(ctx, tx, &id)
		return err
	})
	if isNotFound(err) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	for _, key := range s.linkKeys {
		if token := linkToken(key, link.ID); subtle.ConstantTimeCompare(tokenHash(token), link.Hash) == 1 {
			return s.linkURL(token), nil
		}
	}
	return "", rpc.Precondition("LINK_UNKNOWN", "the key that made this link is gone from MSHUB_SECRET_KEYS; withdraw the invitation and invite again")
}

func (s *Service) linkURL(token string) string {
	return s.publicURL + "/verify?link=" + url.QueryEscape(token)
}

// linkToken is 256 bits that can't be told from random ones without the key, which is not in the database.
func linkToken(key []byte, id uuid.UUID) string {
	mac := hmac.New(sha256.New, key)
	mac.Write(id[:])
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

func tokenHash(token string) []byte {
	sum := sha256.Sum256([]byte(token))
	return sum[:]
}

func linkKind(l store.Link) identityv1.Link_Kind {
	return identityv1.Link_Kind(identityv1.Link_Kind_value[l.Kind])
}
