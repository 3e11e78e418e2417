package identity

import (
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/microservicehub/mshub/services/identity/store"
	identityv1 "github.com/microservicehub/mshub/services/identity/v1"
)

// States as they are kept; the same words as in the door.
const (
	stateInvited   = "INVITED"
	stateActive    = "ACTIVE"
	stateDisabled  = "DISABLED"
	statePending   = "PENDING"
	stateAccepted  = "ACCEPTED"
	stateWithdrawn = "WITHDRAWN"
)

// wireUser shows a user with the roles in the active organisation.
func wireUser(u store.User, roles []string) *identityv1.User {
	wire := &identityv1.User{
		Name:          userName(u.ID),
		Email:         u.Email,
		DisplayName:   u.DisplayName,
		State:         identityv1.User_State(identityv1.User_State_value[u.State]),
		EmailVerified: u.EmailVerified,
		Roles:         roles,
		CreateTime:    timestamppb.New(u.CreatedAt),
		UpdateTime:    timestamppb.New(u.UpdatedAt),
	}
	if u.SignedInAt != nil {
		wire.SignInTime = timestamppb.New(*u.SignedInAt)
	}
	return wire
}

func wireOrganisation(o store.Organisation) *identityv1.Organisation {
	return &identityv1.Organisation{Name: organisationName(o.ID), DisplayName: o.DisplayName, CreateTime: timestamppb.New(o.CreatedAt)}
}

func wireMembership(m store.Membership) *identityv1.Membership {
	return &identityv1.Membership{Name: membershipName(m.ID), User: userName(m.UserID), Roles: m.Roles, CreateTime: timestamppb.New(m.CreatedAt)}
}

func wireRole(r store.Role) *identityv1.Role {
	return &identityv1.Role{Name: roleName(r.Slug), Title: r.Title, Permissions: r.Permissions, Builtin: r.Builtin}
}

// wireInvitation: that nobody answered in time is not kept, it follows from the time.
func wireInvitation(i store.Invitation, now time.Time) *identityv1.Invitation {
	wire := &identityv1.Invitation{
		Name:        invitationName(i.ID),
		User:        userName(i.UserID),
		Email:       i.Email,
		DisplayName: i.DisplayName,
		State:       identityv1.Invitation_State(identityv1.Invitation_State_value[i.State]),
		CreateTime:  timestamppb.New(i.CreatedAt),
		ExpireTime:  timestamppb.New(i.ExpiresAt),
	}
	if i.State == statePending && !now.Before(i.ExpiresAt) {
		wire.State = identityv1.Invitation_EXPIRED
	}
	if i.Run != nil {
		wire.Run = "runs/" + i.Run.String()
	}
	return wire
}
