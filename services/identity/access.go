package identity

import (
	"context"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/microservicehub/mshub/internal/audit"
	"github.com/microservicehub/mshub/internal/rpc"
	"github.com/microservicehub/mshub/services/identity/store"
	identityv1 "github.com/microservicehub/mshub/services/identity/v1"
	"github.com/microservicehub/mshub/services/identity/v1/identityv1connect"
)

// maxAccessChanges in one answer.
const maxAccessChanges = 1000

// GetAccess says what a user may do in an organisation now. Naming an organisation makes it the one that is used when
// none is named.
func (s *Service) GetAccess(ctx context.Context, req *identityv1.GetAccessRequest) (*identityv1.GetAccessResponse, error) {
	id, err := userID(req.GetUser())
	if err != nil {
		return nil, err
	}
	res := &identityv1.GetAccessResponse{}
	err = s.db.Global(ctx, func(tx pgx.Tx) error {
		user, err := s.q.UserByID(ctx, tx, id)
		if err != nil {
			return found(err, "user", req.GetUser())
		}
		if user.State != stateActive {
			return rpc.Precondition("USER_NOT_ACTIVE", "the account is disabled or was never verified")
		}
		res.User = wireUser(user, nil)
		organisation, err := s.organisationFor(ctx, tx, user, req.GetOrganisation())
		if err != nil {
			if isNotFound(err) && req.GetOrganisation() == "" {
				return nil // no membership yet
			}
			return err
		}
		res.Organisation = wireOrganisation(organisation)
		if err := store.Enter(ctx, tx, organisation.ID); err != nil {
			return err
		}
		membership, err := s.q.MembershipOf(ctx, tx, id)
		if err != nil {
			return err
		}
		res.User.Roles = membership.Roles
		res.Permissions, err = s.q.PermissionsOf(ctx, tx, id)
		if slices.Contains(res.GetPermissions(), "*") {
			res.Permissions = []string{"*"}
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return res, nil
}

func (s *Service) organisationFor(ctx context.Context, tx pgx.Tx, user store.User, name string) (store.Organisation, error) {
	if name == "" {
		return s.q.HomeOf(ctx, tx, user.ID)
	}
	id, err := organisationID(name)
	if err != nil {
		return store.Organisation{}, err
	}
	organisation, err := s.q.OrganisationOf(ctx, tx, store.OrganisationOfParams{UserID: user.ID, OrganisationID: id})
	if err != nil {
		return organisation, found(err, "organisation", name)
	}
	now := s.now()
	unless := now.Add(-time.Minute)
	return organisation, s.q.TouchBelonging(ctx, tx, store.TouchBelongingParams{Now: &now, UserID: user.ID, OrganisationID: id, UnlessSince: &unless})
}

// ResolveOrganisation returns the named organisation, or the installation's first, which it founds if there is none.
func (s *Service) ResolveOrganisation(ctx context.Context, req *identityv1.ResolveOrganisationRequest) (*identityv1.Organisation, error) {
	var organisation store.Organisation
	err := s.db.Global(ctx, func(tx pgx.Tx) error {
		if name := req.GetOrganisation(); name != "" {
			id, err := organisationID(name)
			if err == nil {
				err = store.Enter(ctx, tx, id)
			}
			if err != nil {
				return err
			}
			organisation, err = s.q.ActiveOrganisation(ctx, tx)
			return found(err, "organisation", name)
		}
		err := s.q.LockInstallation(ctx, tx)
		if err != nil {
			return err
		}
		organisation, err = s.q.FirstOrganisation(ctx, tx)
		if !isNotFound(err) {
			return err
		}
		organisation, err = s.foundOrganisation(ctx, tx, firstOrganisation)
		if err != nil {
			return err
		}
		return audit.Append(ctx, tx, audit.Entry{
			Action: identityv1connect.CredentialServiceResolveOrganisationProcedure[1:], Target: organisationName(organisation.ID), Organisation: organisation.ID,
		})
	})
	if err != nil {
		return nil, err
	}
	return wireOrganisation(organisation), nil
}

// ListAccessChanges tells whose tokens became wrong, the oldest change first.
func (s *Service) ListAccessChanges(ctx context.Context, req *identityv1.ListAccessChangesRequest) (*identityv1.ListAccessChangesResponse, error) {
	res := &identityv1.ListAccessChangesResponse{}
	err := s.db.Global(ctx, func(tx pgx.Tx) error {
		rows, err := s.q.ListAccessChanges(ctx, tx, store.ListAccessChangesParams{Time: req.GetSince().AsTime(), Limit: maxAccessChanges})
		for _, row := range rows {
			res.Changes = append(res.Changes, &identityv1.AccessChange{
				User: userName(row.UserID),
				Kind: identityv1.AccessChange_Kind(identityv1.AccessChange_Kind_value[row.Kind]),
				Time: timestamppb.New(row.Time),
			})
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return res, nil
}
