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

// PlanUserBulk keeps the people whom a bulk change is about, in batches.
func (a *Activities) PlanUserBulk(ctx context.Context, in *identityv1.PlanUserBulkRequest) (*identityv1.PlanUserBulkResponse, error) {
	return a.client.PlanUserBulk(ctx, in)
}

// ApplyUserBulk does the bulk change for one batch; repeating it changes nothing.
func (a *Activities) ApplyUserBulk(ctx context.Context, in *identityv1.ApplyUserBulkRequest) (*identityv1.ApplyUserBulkResponse, error) {
	return a.client.ApplyUserBulk(ctx, in)
}

// NoteUserBulkMails notes invitations that no mail server took.
func (a *Activities) NoteUserBulkMails(ctx context.Context, in *identityv1.NoteUserBulkMailsRequest) (*identityv1.NoteUserBulkMailsResponse, error) {
	return a.client.NoteUserBulkMails(ctx, in)
}

// FinishUserBulk sums the bulk change up and sends its list.
func (a *Activities) FinishUserBulk(ctx context.Context, in *identityv1.FinishUserBulkRequest) (*identityv1.FinishUserBulkResponse, error) {
	return a.client.FinishUserBulk(ctx, in)
}

// UndoUserBulk undoes PlanUserBulk and every ApplyUserBulk; repeating it changes nothing.
func (a *Activities) UndoUserBulk(ctx context.Context, in *identityv1.UndoUserBulkRequest) (*identityv1.UndoUserBulkResponse, error) {
	return a.client.UndoUserBulk(ctx, in)
}

// ListAddressees finds the members who are meant by users and roles.
func (a *Activities) ListAddressees(ctx context.Context, in *identityv1.ListAddresseesRequest) (*identityv1.ListAddresseesResponse, error) {
	return a.client.ListAddressees(ctx, in)
}

// ErasePerson counts or removes what the organisation knows about a person.
func (a *Activities) ErasePerson(ctx context.Context, in *identityv1.ErasePersonRequest) (*identityv1.ErasePersonResponse, error) {
	return a.client.ErasePerson(ctx, in)
}
