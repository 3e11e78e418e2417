package onboarding

import (
	"slices"
	"strings"
	"time"

	"go.temporal.io/sdk/workflow"

	identityv1 "github.com/microservicehub/mshub/services/identity/v1"
	runsv1 "github.com/microservicehub/mshub/services/runs/v1"
	onboardingv1 "github.com/microservicehub/mshub/workflows/onboarding/v1"
	"github.com/microservicehub/mshub/workflows/process"
)

const day = 24 * time.Hour

// Process is the onboarding as the house knows it.
var Process = process.Definition{
	Name:        "onboarding",
	Title:       "Onboard a person",
	Description: "Invites a person, waits for the answer and for an approval, gives the role and welcomes them.",
	Input:       &onboardingv1.Input{},
	Result:      &onboardingv1.Result{},
	Permission:  "identity.write",
	Steps: []process.Step{
		{Name: "approver", Title: "Find who decides", Kind: process.Activity, Optional: true},
		{Name: "invite", Title: "Prepare the invitation", Kind: process.Activity},
		{Name: "mail", Title: "Send the invitation", Kind: process.Activity},
		{Name: "acceptance", Title: "Wait for the person", Kind: process.Timer},
		{Name: "approval", Title: "Decide", Kind: process.Human},
		{Name: "membership", Title: "Give the role", Kind: process.Activity},
		{Name: "welcome", Title: "Welcome the person", Kind: process.Activity, Optional: true},
	},
	Settings: map[string]time.Duration{
		"acceptance": 14 * day, "acceptance-reminder": 3 * day, "approval": 7 * day, "approval-reminder": 2 * day,
	},
	Workflow: Workflow,
}

// invited is the fact that the person followed the link.
const invited = "identity.invitation.accepted"

// Workflow is the story; see the package.
func Workflow(ctx workflow.Context, in *onboardingv1.Input) (*onboardingv1.Result, error) {
	if err := process.SetTitle(ctx, in.GetEmail()); err != nil {
		return nil, err
	}
	assignee, err := approver(ctx, in.GetApprover())
	if err != nil {
		return nil, err
	}
	invitation, err := invite(ctx, in)
	if err != nil {
		return nil, err
	}
	post, err := newPost(ctx, in, invitation.GetLink())
	if err != nil {
		return nil, err
	}
	if err := post.invite(ctx); err != nil {
		return nil, err
	}
	_, err = process.AwaitFact(ctx, "acceptance", invited, process.Wait{
		Timeout: process.Setting(ctx, "acceptance"), Late: "the invitation was not accepted in time",
		Remind: process.Reminder{Every: process.Setting(ctx, "acceptance-reminder"), Call: post.remind},
	})
	if err != nil {
		return nil, err
	}
	decision, err := decide(ctx, in, assignee)
	if err != nil {
		return nil, err
	}
	user := invitation.GetInvitation().GetUser()
	membership, err := join(ctx, user, in.GetRole())
	if err != nil {
		return nil, err
	}
	post.welcome(ctx)
	return &onboardingv1.Result{User: user, Membership: membership.GetName(), DecidedBy: decision.GetDecidedBy()}, nil
}

func invite(ctx workflow.Context, in *onboardingv1.Input) (*identityv1.InviteUserResponse, error) {
	withdraw := func(_ workflow.Context, done *identityv1.InviteUserResponse) *identityv1.WithdrawInvitationRequest {
		name := done.GetInvitation().GetName()
		if name == "" {
			name = "invitations/-" // no answer came: whatever this run has made
		}
		return &identityv1.WithdrawInvitationRequest{Name: name}
	}
	return process.Do(ctx, "invite", people.InviteUser, &identityv1.InviteUserRequest{
		Email: in.GetEmail(), DisplayName: in.GetDisplayName(), Role: in.GetRole(),
		LifetimeSeconds: int64(process.Setting(ctx, "acceptance").Seconds()),
	}, process.UndoBy(people.WithdrawInvitation, withdraw))
}

const unknownApprover = "UNKNOWN_APPROVER"

// approver turns what the form says into who decides, and makes sure that there is such a one before anybody is invited.
func approver(ctx workflow.Context, given string) (string, error) {
	switch {
	case given == "":
		return "roles/admin", nil
	case strings.HasPrefix(given, "users/"):
		return given, knownUser(ctx, given)
	case strings.HasPrefix(given, "roles/"):
		return given, knownRole(ctx, given)
	case strings.ContainsAny(given, `"\`):
		return "", process.FailStep(ctx, "approver", unknownApprover, "%s is no e-mail address", given)
	}
	found, err := process.Do(ctx, "approver", people.ListUsers, &identityv1.ListUsersRequest{
		Filter: `email="` + strings.ToLower(given) + `" AND state="ACTIVE"`, PageSize: 1,
	})
	if err == nil && len(found.GetUsers()) == 0 {
		err = process.FailStep(ctx, "approver", unknownApprover, "nobody in this organisation has the address %s", given)
	}
	if err != nil {
		return "", err
	}
	return found.GetUsers()[0].GetName(), nil
}

// knownUser refuses who is not there, and who can't sign in to this organisation to decide.
func knownUser(ctx workflow.Context, name string) error {
	user, err := process.Do(ctx, "approver", people.GetUser, &identityv1.GetUserRequest{Name: name})
	switch {
	case process.ReasonOf(err) == "NOT_FOUND":
		return process.FailStep(ctx, "approver", unknownApprover, "nobody in this organisation is %s", name)
	case err != nil:
		return err
	case user.GetState() != identityv1.User_ACTIVE || len(user.GetRoles()) == 0:
		return process.FailStep(ctx, "approver", unknownApprover, "%s is no active member of this organisation", name)
	}
	return nil
}

func knownRole(ctx workflow.Context, name string) error {
	roles, err := process.Do(ctx, "approver", people.ListRoles, &identityv1.ListRolesRequest{})
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(roles.GetRoles(), func(r *identityv1.Role) bool { return r.GetName() == name }) {
		return process.FailStep(ctx, "approver", unknownApprover, "there is no role %s in this organisation", name)
	}
	return nil
}

func decide(ctx workflow.Context, in *onboardingv1.Input, assignee string) (*runsv1.Task, error) {
	title := "Approve " + in.GetDisplayName() + " as " + in.GetRole()
	notify := askByMail(assignee, title)
	if err := notify(ctx); err != nil {
		workflow.GetLogger(ctx).Warn("the approver got no mail; the task is in the inbox", "error", err)
	}
	task, err := process.Task(ctx, "approval", process.TaskSpec{
		Title:       title,
		Description: in.GetDisplayName() + " has accepted the invitation. On approval the person becomes a member at once.",
		Assignee:    assignee,
		Due:         process.Setting(ctx, "approval"),
		Remind:      process.Reminder{Every: process.Setting(ctx, "approval-reminder"), Call: notify},
		Context:     map[string]string{"name": in.GetDisplayName(), "email": in.GetEmail(), "role": in.GetRole()},
	})
	if err == nil && task.GetDecision() == runsv1.Task_REJECT {
		err = process.Fail("REJECTED", "%s", task.GetReason())
	}
	return task, err
}

func join(ctx workflow.Context, user, role string) (*identityv1.Membership, error) {
	leave := func(_ workflow.Context, done *identityv1.Membership) *identityv1.DeleteMembershipRequest {
		if done == nil {
			return nil
		}
		return &identityv1.DeleteMembershipRequest{Name: done.GetName()}
	}
	return process.Do(ctx, "membership", people.CreateMembership, &identityv1.CreateMembershipRequest{
		Membership: &identityv1.Membership{User: user, Roles: []string{role}},
	}, process.UndoBy(people.DeleteMembership, leave))
}
