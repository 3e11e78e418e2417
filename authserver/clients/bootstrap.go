package clients

import (
	"context"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	authserverv1 "github.com/microservicehub/mshub/authserver/v1"
	identityv1 "github.com/microservicehub/mshub/services/identity/v1"

	"github.com/microservicehub/mshub/authserver/protocol"
	"github.com/microservicehub/mshub/authserver/store"
	"github.com/microservicehub/mshub/internal/postgres"
	"github.com/microservicehub/mshub/services/identity/v1/identityv1connect"
)

// Bootstrap implements BootstrapService. Whoever has the secret keys owns the machine, so no person's rights limit it.
type Bootstrap struct {
	DB          *postgres.DB
	Credentials identityv1connect.CredentialServiceClient
	Now         func() time.Time
}

// CreateAdministratorLink returns a one-time link; empty if an administrator exists and force is false.
func (b *Bootstrap) CreateAdministratorLink(ctx context.Context, req *authserverv1.CreateAdministratorLinkRequest) (*authserverv1.CreateAdministratorLinkResponse, error) {
	res, err := b.Credentials.CreateLink(ctx, &identityv1.CreateLinkRequest{Kind: identityv1.Link_ADMINISTRATOR, Force: req.GetForce()})
	if err != nil {
		return nil, err
	}
	return &authserverv1.CreateAdministratorLinkResponse{Link: res.GetMail().GetLink()}, nil
}

// CreateMachineClient registers a client in an organisation, by default the first, which is founded if there is none.
func (b *Bootstrap) CreateMachineClient(ctx context.Context, req *authserverv1.CreateMachineClientRequest) (*authserverv1.CreateMachineClientResponse, error) {
	if err := checkScopes(protocol.Machine, req.GetScopes()); err != nil {
		return nil, err
	}
	organisation, err := b.Credentials.ResolveOrganisation(ctx, &identityv1.ResolveOrganisationRequest{Organisation: req.GetOrganisation()})
	if err != nil {
		return nil, err
	}
	owner, err := uuid.Parse(strings.TrimPrefix(organisation.GetName(), "organisations/"))
	if err != nil {
		return nil, err
	}
	res := &authserverv1.CreateMachineClientResponse{}
	err = b.DB.Tx(ctx, owner, func(tx pgx.Tx) error {
		row, secret, err := create(ctx, tx, store.Client{OrganisationID: owner, Title: req.GetTitle(), Kind: string(protocol.Machine), Scopes: req.GetScopes()}, b.Now())
		res.ClientId, res.ClientSecret = row.ID, secret
		return err
	})
	if err != nil {
		return nil, err
	}
	return res, nil
}
