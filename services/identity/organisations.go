package identity

import (
	"context"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"google.golang.org/protobuf/proto"

	"github.com/microservicehub/mshub/internal/audit"
	"github.com/microservicehub/mshub/internal/auth"
	"github.com/microservicehub/mshub/internal/rpc"
	"github.com/microservicehub/mshub/services/identity/store"
	identityv1 "github.com/microservicehub/mshub/services/identity/v1"
	"github.com/microservicehub/mshub/services/identity/v1/identityv1connect"
)

// GetMe says who the token speaks for. A third party learns of the person what the person agreed to, by scope.
func (s *Service) GetMe(ctx context.Context, _ *identityv1.GetMeRequest) (*identityv1.GetMeResponse, error) {
	caller := auth.From(ctx)
	res := &identityv1.GetMeResponse{Permissions: caller.Permissions, ClientId: caller.ClientID}
	err := s.db.Global(ctx, func(tx pgx.Tx) error {
		var roles []string
		if caller.Organisation != uuid.Nil {
			if err := store.Enter(ctx, tx, caller.Organisation); err != nil {
				return err
			}
			organisation, err := s.q.ActiveOrganisation(ctx, tx)
			if err != nil {
				return found(err, "organisation", organisationName(caller.Organisation))
			}
			res.Organisation = wireOrganisation(organisation)
			membership, err := s.q.MembershipOf(ctx, tx, caller.User)
			if err != nil && !isNotFound(err) {
				return err
			}
			roles, res.Digest = membership.Roles, membership.Digest
		}
		if caller.User == uuid.Nil {
			return nil
		}
		user, err := s.q.UserByID(ctx, tx, caller.User)
		if err != nil {
			return found(err, "user", caller.Actor)
		}
		res.User = wireUser(user, roles)
		if thirdParty(caller) && !caller.HasScope("identity:read") {
			if !caller.HasScope("email") {
				res.User.Email, res.User.EmailVerified = "", false
			}
			if !caller.HasScope("profile") {
				res.User.DisplayName = ""
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return res, nil
}

// thirdParty is true for a person's token that somebody else's client holds: neither the console nor `mshub login`.
func thirdParty(caller auth.Caller) bool {
	return caller.Kind == auth.User && caller.ClientID != "console" && caller.ClientID != "mshub-cli"
}

// ListOrganisations returns those a person may enter; a machine client has the one it was made in, a third party the one
// that its token is for.
func (s *Service) ListOrganisations(ctx context.Context, _ *identityv1.ListOrganisationsRequest) (*identityv1.ListOrganisationsResponse, error) {
	caller := auth.From(ctx)
	res := &identityv1.ListOrganisationsResponse{}
	err := s.db.Global(ctx, func(tx pgx.Tx) error {
		if caller.User == uuid.Nil || thirdParty(caller) {
			if caller.Organisation == uuid.Nil {
				return nil // a person without a membership
			}
			if err := store.Enter(ctx, tx, caller.Organisation); err != nil {
				return err
			}
			organisation, err := s.q.ActiveOrganisation(ctx, tx)
			res.Organisations = append(res.Organisations, wireOrganisation(organisation))
			return err
		}
		rows, err := s.q.OrganisationsOf(ctx, tx, caller.User)
		for _, row := range rows {
			res.Organisations = append(res.Organisations, wireOrganisation(row))
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return res, nil
}

// GetOrganisation shows the active organisation; no other exists for the caller.
func (s *Service) GetOrganisation(ctx context.Context, req *identityv1.GetOrganisationRequest) (*identityv1.Organisation, error) {
	var organisation store.Organisation
	err := s.read(ctx, func(tx pgx.Tx) (err error) {
		organisation, err = s.active(ctx, tx, req.GetName())
		return err
	})
	if err != nil {
		return nil, err
	}
	return wireOrganisation(organisation), nil
}

// CreateOrganisation founds one with the caller as its administrator; change to it to work in it.
func (s *Service) CreateOrganisation(ctx context.Context, req *identityv1.CreateOrganisationRequest) (*identityv1.Organisation, error) {
	caller := auth.From(ctx)
	if caller.Kind != auth.User {
		return nil, rpc.Denied("PEOPLE_ONLY", "an organisation needs a person as its administrator; a machine client can't create one")
	}
	name, err := checkDisplayName("organisation.displayName", req.GetOrganisation().GetDisplayName())
	if err != nil {
		return nil, err
	}
	res := &identityv1.Organisation{}
	err = s.change(ctx, identityv1connect.IdentityServiceCreateOrganisationProcedure, req, res, func(tx pgx.Tx) (*changed, error) {
		organisation, err := s.foundOrganisation(ctx, tx, name)
		if err != nil {
			return nil, err
		}
		if _, err := s.join(ctx, tx, caller.User, []string{roleAdmin}); err != nil {
			return nil, err
		}
		entry := audit.Entry{
			Action: identityv1connect.IdentityServiceCreateOrganisationProcedure[1:],
			Target: organisationName(organisation.ID), After: map[string]any{"administrator": caller.Actor}, Organisation: organisation.ID,
		}
		if err := audit.Append(ctx, tx, entry); err != nil {
			return nil, err
		}
		if err := store.Enter(ctx, tx, caller.Organisation); err != nil {
			return nil, err
		}
		proto.Merge(res, wireOrganisation(organisation))
		return &changed{target: res.GetName()}, nil
	})
	return res, err
}

// UpdateOrganisation renames the active organisation.
func (s *Service) UpdateOrganisation(ctx context.Context, req *identityv1.UpdateOrganisationRequest) (*identityv1.Organisation, error) {
	if _, err := maskPaths(req.GetUpdateMask().GetPaths(), map[string]bool{"display_name": true}); err != nil {
		return nil, err
	}
	name, err := checkDisplayName("organisation.displayName", req.GetOrganisation().GetDisplayName())
	if err != nil {
		return nil, err
	}
	res := &identityv1.Organisation{}
	err = s.change(ctx, identityv1connect.IdentityServiceUpdateOrganisationProcedure, req, res, func(tx pgx.Tx) (*changed, error) {
		organisation, err := s.active(ctx, tx, req.GetOrganisation().GetName())
		if err != nil {
			return nil, err
		}
		before := organisation.DisplayName
		organisation.DisplayName = name
		proto.Merge(res, wireOrganisation(organisation))
		return &changed{target: res.GetName(), before: map[string]any{"displayName": before}, after: map[string]any{"displayName": name}},
			s.q.RenameOrganisation(ctx, tx, name)
	})
	return res, err
}

// active is the active organisation if that is the one named.
func (s *Service) active(ctx context.Context, tx pgx.Tx, name string) (store.Organisation, error) {
	id, err := organisationID(name)
	if err != nil {
		return store.Organisation{}, err
	}
	if id != auth.From(ctx).Organisation {
		return store.Organisation{}, rpc.NotFound("organisation", name)
	}
	organisation, err := s.q.ActiveOrganisation(ctx, tx)
	return organisation, found(err, "organisation", name)
}

// foundOrganisation makes one with the built-in roles, and leaves the transaction inside it.
func (s *Service) foundOrganisation(ctx context.Context, tx pgx.Tx, displayName string) (store.Organisation, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return store.Organisation{}, err
	}
	organisation := store.Organisation{ID: id, DisplayName: displayName, CreatedAt: s.now()}
	if err := s.q.InsertOrganisation(ctx, tx, store.InsertOrganisationParams(organisation)); err != nil {
		return organisation, err
	}
	if err := store.Enter(ctx, tx, id); err != nil {
		return organisation, err
	}
	for _, role := range builtin {
		role.Builtin = true
		if _, err := s.q.InsertRole(ctx, tx, role); err != nil {
			return organisation, err
		}
	}
	return organisation, nil
}
