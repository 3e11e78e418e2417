// Package identity is how a workflow reaches services/identity: verb -> client call.
package identity

import (
	"context"

	identityv1 "github.com/microservicehub/mshub/services/identity/v1"
	"github.com/microservicehub/mshub/services/identity/v1/identityv1connect"
)

// Activities are registered on the workers; their names are the verbs.
type Activities struct {
	client identityv1connect.IdentityServiceClient
}

// New makes the activities over a client that carries the run's identity and idempotency key.
func New(client identityv1connect.IdentityServiceClient) *Activities { return &Activities{client} }

// GetUser shows a member of the run's organisation, or somebody it invited.
func (a *Activities) GetUser(ctx context.Context, in *identityv1.GetUserRequest) (*identityv1.User, error) {
	return a.client.GetUser(ctx, in)
}

// InviteUser prepares an invitation and its one-time link; its undoing is WithdrawInvitation.
func (a *Activities) InviteUser(ctx context.Context, in *identityv1.InviteUserRequest) (*identityv1.InviteUserResponse, error) {
	return a.client.InviteUser(ctx, in)
}

// WithdrawInvitation undoes InviteUser; repeating it changes nothing.
func (a *Activities) WithdrawInvitation(ctx context.Context, in *identityv1.WithdrawInvitationRequest) (*identityv1.WithdrawInvitationResponse, error) {
	return a.client.WithdrawInvitation(ctx, in)
}

// CreateMembership gives an invited person roles; its undoing is DeleteMembership.
func (a *Activities) CreateMembership(ctx context.Context, in *identityv1.CreateMembershipRequest) (*identityv1.Membership, error) {
	return a.client.CreateMembership(ctx, in)
}

// UpdateMembership changes a member's roles.
func (a *Activities) UpdateMembership(ctx context.Context, in *identityv1.UpdateMembershipRequest) (*identityv1.Membership, error) {
	return a.client.UpdateMembership(ctx, in)
}

// DeleteMembership undoes CreateMembership; repeating it changes nothing.
func (a *Activities) DeleteMembership(ctx context.Context, in *identityv1.DeleteMembershipRequest) (*identityv1.DeleteMembershipResponse, error) {
	return a.client.DeleteMembership(ctx, in)
}

// DisableUser stops a person's access; its undoing is EnableUser.
func (a *Activities) DisableUser(ctx context.Context, in *identityv1.DisableUserRequest) (*identityv1.User, error) {
	return a.client.DisableUser(ctx, in)
}

// EnableUser undoes DisableUser.
func (a *Activities) EnableUser(ctx context.Context, in *identityv1.EnableUserRequest) (*identityv1.User, error) {
	return a.client.EnableUser(ctx, in)
}

// GetOrganisation shows the run's organisation.
func (a *Activities) GetOrganisation(ctx context.Context, in *identityv1.GetOrganisationRequest) (*identityv1.Organisation, error) {
	return a.client.GetOrganisation(ctx, in)
}

// ListUsers finds members of the run's organisation.
func (a *Activities) ListUsers(ctx context.Context, in *identityv1.ListUsersRequest) (*identityv1.ListUsersResponse, error) {
	return a.client.ListUsers(ctx, in)
}

// ListRoles shows the roles of the run's organisation.
func (a *Activities) ListRoles(ctx context.Context, in *identityv1.ListRolesRequest) (*identityv1.ListRolesResponse, error) {
	return a.client.ListRoles(ctx, in)
}
