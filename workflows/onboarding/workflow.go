package onboarding

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.temporal.io/sdk/workflow"

	identityv1 "github.com/microservicehub/mshub/services/identity/v1"
	runsv1 "github.com/microservicehub/mshub/services/runs/v1"
	onboardingv1 "github.com/microservicehub/mshub/workflows/onboarding/v1"
	"github.com/microservicehub/mshub/workflows/process"
)

const (
	day = 24 * time.Hour
	// secondFrom is the limit from which on a second person must approve.
	secondFrom = 10_000
	// newcomer is the role that reaches nothing but one's own tasks and uploads.
	newcomer = "newcomer"
)

// Process is the onboarding as the house knows it.
var Process = process.Definition{
	Name:           "onboarding",
	Title:          "Onboard a person",
	Description:    "Invites a person, collects documents, waits for the answer and for an approval, gives the role and welcomes them.",
	Input:          &onboardingv1.Input{},
	Result:         &onboardingv1.Result{},
	Permission:     "identity.write",
	Key:            "email",
	KeyConcurrency: 1,
	Steps: []process.Step{
		{Name: "approver", Title: "Find who decides", Kind: process.Activity, Optional: true},
		{Name: "invite", Title: "Prepare the invitation", Kind: process.Activity},
		{Name: "mail", Title: "Send the invitation", Kind: process.Activity},
		{Name: "acceptance", Title: "Wait for the person", Kind: process.Timer},
		{Name: "admit", Title: "Let the person hand in documents", Kind: process.Activity, Optional: true},
		{Name: "documents", Title: "Collect the documents", Kind: process.Human, Optional: true},
		{Name: "approval", Title: "Decide", Kind: process.Human},
		{Name: "second-approval", Title: "Decide a second time", Kind: process.Human, Optional: true},
		{Name: "membership", Title: "Give the role", Kind: process.Activity},
		{Name: "welcome", Title: "Welcome the person", Kind: process.Activity, Optional: true},
		{Name: "arrival", Title: "Tell who approved", Kind: process.Activity, Optional: true},
	},
	Settings: map[string]time.Duration{
		"acceptance": 14 * day, "acceptance-reminder": 3 * day, "documents": 14 * day, "documents-reminder": 3 * day,
		"approval": 7 * day, "approval-reminder": 2 * day, "approval-escalation": 4 * day,
	},
	Workflow: Workflow,
}

// invited is the fact that the person followed the link.
const invited = "identity.invitation.accepted"

// variants is the version of the story since which there are documents, limits, escalation, the mail to who approved, and
// memberships that are undone without an answer. Runs that began before go on as they began.
const variants workflow.Version = 1

// thisInvitation is the version since which only the answer to the run's own invitation counts: after a reset, a late answer
// to the one before says nothing about the new one.
const thisInvitation workflow.Version = 2

// Workflow is the story; see the package.
func Workflow(ctx workflow.Context, in *onboardingv1.Input) (*onboardingv1.Result, error) {
	version := workflow.GetVersion(ctx, "story", workflow.DefaultVersion, thisInvitation)
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
	user := invitation.GetInvitation().GetUser()
	post, err := newPost(ctx, in, invitation.GetLink())
	if err != nil {
		return nil, err
	}
	if err := post.invite(ctx); err != nil {
		return nil, err
	}
	if err := accepted(ctx, invitation.GetInvitation().GetName(), post, version); err != nil {
		return nil, err
	}
	admitted, documents, err := collect(ctx, in, user, post)
	if err != nil {
		return nil, err
	}
	decided, err := decide(ctx, in, assignee, documents, version)
	if err != nil {
		return nil, err
	}
	membership, err := join(ctx, user, in.GetRole(), admitted, version)
	if err != nil {
		return nil, err
	}
	post.welcome(ctx, in, decided)
	if in.GetVariant() != onboardingv1.Variant_CUSTOMER && version >= variants {
		post.arrival(ctx, in, decided.by)
	}
	return &onboardingv1.Result{
		User: user, Membership: membership.GetName(), DecidedBy: decided.by, SecondDecidedBy: decided.second, Documents: documents, Limit: decided.limit,
	}, nil
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

// accepted waits until the person has followed the link.
func accepted(ctx workflow.Context, invitation string, post *post, version workflow.Version) error {
	limits := process.Wait{
		Timeout: process.Setting(ctx, "acceptance"), Late: "the invitation was not accepted in time",
		Remind: process.Reminder{Every: process.Setting(ctx, "acceptance-reminder"), Call: post.remind},
	}
	if version >= thisInvitation {
		limits.About = process.About{Field: "invitation", Name: invitation}
	}
	_, err := process.AwaitFact(ctx, "acceptance", invited, limits)
	return err
}

const (
	unknownApprover  = "UNKNOWN_APPROVER"
	anyAdministrator = "roles/admin"
)

// approver turns what the form says into who decides, and makes sure that there is such a one before anybody is invited.
func approver(ctx workflow.Context, given string) (string, error) {
	switch {
	case given == "":
		return anyAdministrator, nil
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

// collect has the person hand in what was asked for. Until the decision the person is a newcomer, who sees nothing else.
func collect(ctx workflow.Context, in *onboardingv1.Input, user string, post *post) (*identityv1.Membership, []string, error) {
	if len(in.GetDocuments()) == 0 {
		return nil, nil, nil
	}
	admitted, err := member(ctx, "admit", user, newcomer)
	if err != nil {
		return nil, nil, err
	}
	list := strings.Join(in.GetDocuments(), "\n")
	remind := func(ctx workflow.Context) error { return post.askForDocuments(ctx, list) }
	if err := remind(ctx); err != nil {
		workflow.GetLogger(ctx).Warn("the person got no mail; the task is in the inbox, and a reminder follows", "error", err)
	}
	task, err := process.Task(ctx, "documents", process.TaskSpec{
		Title:       "Hand in your documents",
		Description: "Please upload these documents and hand them in, in this order:\n" + list,
		Assignee:    user, ApproveLabel: "Hand in", RejectLabel: "I do not want to join", Form: &onboardingv1.Documents{},
		Due:    process.Setting(ctx, "documents"),
		Remind: process.Reminder{Every: process.Setting(ctx, "documents-reminder"), Call: remind},
	})
	if err != nil {
		return nil, nil, err
	}
	if task.GetDecision() == runsv1.Task_REJECT {
		return nil, nil, process.FailStep(ctx, "documents", "DECLINED", "%s", task.GetReason())
	}
	handed := &onboardingv1.Documents{}
	err = process.Form(task, handed)
	return admitted, handed.GetFiles(), err
}

// decision is what the approvers said.
type decision struct {
	by, second, note string
	limit            int64
}

func decide(ctx workflow.Context, in *onboardingv1.Input, assignee string, documents []string, version workflow.Version) (*decision, error) {
	title := "Approve " + in.GetDisplayName() + " as " + in.GetRole()
	notify := askByMail("approval", assignee, title)
	if err := notify(ctx); err != nil {
		workflow.GetLogger(ctx).Warn("the approver got no mail; the task is in the inbox", "error", err)
	}
	spec := process.TaskSpec{
		Title:       title,
		Description: in.GetDisplayName() + " has accepted the invitation. On approval the person becomes a member at once.",
		Assignee:    assignee,
		Due:         process.Setting(ctx, "approval"),
		Remind:      process.Reminder{Every: process.Setting(ctx, "approval-reminder"), Call: notify},
		Form:        &onboardingv1.Approval{},
		Files:       documents,
		Context:     facts(in, documents),
	}
	if assignee != anyAdministrator && version >= variants {
		spec.Escalate = process.Escalation{After: process.Setting(ctx, "approval-escalation"), To: anyAdministrator}
	}
	task, form, err := approved(ctx, "approval", spec)
	if err != nil {
		return nil, err
	}
	d := &decision{by: task.GetDecidedBy(), note: form.GetNote(), limit: in.GetLimit()}
	if given := form.GetLimit(); given > 0 && given < d.limit {
		d.limit = given
	}
	if d.limit < secondFrom {
		return d, nil
	}
	// Four eyes: whoever approved can't be the second one, whatever the role.
	spec.Title = fmt.Sprintf("Approve a limit of %d for %s", d.limit, in.GetDisplayName())
	spec.Description = "A limit this high needs a second person. The first approval is given."
	spec.Excluded, spec.Escalate = []string{d.by}, process.Escalation{}
	if !strings.HasPrefix(assignee, "roles/") {
		spec.Assignee = anyAdministrator
	}
	spec.Remind = process.Reminder{}
	second, form, err := approved(ctx, "second-approval", spec)
	if err != nil {
		return nil, err
	}
	if given := form.GetLimit(); given > 0 && given < d.limit {
		d.limit = given
	}
	d.second = second.GetDecidedBy()
	return d, nil
}

// approved waits for a decision and reads its form. A rejection ends the story.
func approved(ctx workflow.Context, step string, spec process.TaskSpec) (*runsv1.Task, *onboardingv1.Approval, error) {
	form := &onboardingv1.Approval{}
	task, err := process.Task(ctx, step, spec)
	if err == nil && task.GetDecision() == runsv1.Task_REJECT {
		err = process.Fail("REJECTED", "%s", task.GetReason())
	}
	if err == nil {
		err = process.Form(task, form)
	}
	return task, form, err
}

// facts are what the approver sees of the person.
func facts(in *onboardingv1.Input, documents []string) map[string]string {
	known := map[string]string{"name": in.GetDisplayName(), "email": in.GetEmail(), "role": in.GetRole()}
	if in.GetVariant() != onboardingv1.Variant_VARIANT_UNSPECIFIED {
		known["variant"] = strings.ToLower(in.GetVariant().String())
	}
	if in.GetLimit() > 0 {
		known["limit"] = strconv.FormatInt(in.GetLimit(), 10)
	}
	if len(in.GetDocuments()) > 0 {
		known["documents"] = fmt.Sprintf("%d asked for (%s), %d handed in", len(in.GetDocuments()), strings.Join(in.GetDocuments(), ", "), len(documents))
	}
	return known
}

// join gives the role. A newcomer is a member already: then the role takes the other's place, and the undoing of the
// admission ends both.
func join(ctx workflow.Context, user, role string, admitted *identityv1.Membership, version workflow.Version) (*identityv1.Membership, error) {
	switch {
	case admitted != nil:
		return process.Do(ctx, "membership", people.UpdateMembership, &identityv1.UpdateMembershipRequest{
			Membership: &identityv1.Membership{Name: admitted.GetName(), Roles: []string{role}},
		})
	case version < variants:
		leave := func(_ workflow.Context, done *identityv1.Membership) *identityv1.DeleteMembershipRequest {
			if done == nil {
				return nil
			}
			return &identityv1.DeleteMembershipRequest{Name: done.GetName()}
		}
		return process.Do(ctx, "membership", people.CreateMembership, membershipOf(user, role), process.UndoBy(people.DeleteMembership, leave))
	}
	return member(ctx, "membership", user, role)
}

// member makes a membership, which is undone by its user's name if no answer came.
func member(ctx workflow.Context, step, user, role string) (*identityv1.Membership, error) {
	leave := func(_ workflow.Context, done *identityv1.Membership) *identityv1.DeleteMembershipRequest {
		return &identityv1.DeleteMembershipRequest{Name: cmp.Or(done.GetName(), "memberships/-"), User: user}
	}
	return process.Do(ctx, step, people.CreateMembership, membershipOf(user, role), process.UndoBy(people.DeleteMembership, leave))
}

func membershipOf(user, role string) *identityv1.CreateMembershipRequest {
	return &identityv1.CreateMembershipRequest{Membership: &identityv1.Membership{User: user, Roles: []string{role}}}
}
