package onboarding

import (
	"strconv"
	"strings"

	"go.temporal.io/sdk/workflow"

	identity "github.com/microservicehub/mshub/activities/identity"
	notify "github.com/microservicehub/mshub/activities/notify"
	identityv1 "github.com/microservicehub/mshub/services/identity/v1"
	notifyv1 "github.com/microservicehub/mshub/services/notify/v1"
	onboardingv1 "github.com/microservicehub/mshub/workflows/onboarding/v1"
	"github.com/microservicehub/mshub/workflows/process"
)

// Verbs are named by the methods of nil pointers; the workers have the real ones.
var (
	people *identity.Activities
	mail   *notify.Activities
)

// post is the mail to the person.
type post struct {
	to     string
	values map[string]string
}

func newPost(ctx workflow.Context, in *onboardingv1.Input, link string) (*post, error) {
	organisation, err := process.Aside(ctx, "mail", "organisation", people.GetOrganisation, &identityv1.GetOrganisationRequest{Name: process.Organisation(ctx)})
	return &post{to: in.GetEmail(), values: map[string]string{
		"displayName": in.GetDisplayName(), "organisation": organisation.GetDisplayName(), "link": link,
	}}, err
}

func (p *post) letter(template string) *notifyv1.SendMailRequest {
	return &notifyv1.SendMailRequest{Template: template, Recipient: p.to, Values: p.values}
}

// invite sends the link. Who got it learns when it is void, and why; after a reset another one comes in its place.
func (p *post) invite(ctx workflow.Context) error {
	reject := func(ctx workflow.Context, _ *notifyv1.SendMailResponse) *notifyv1.SendMailRequest {
		letter := p.letter("rejection")
		letter.Values = map[string]string{
			"displayName": p.values["displayName"], "organisation": p.values["organisation"], "reason": process.Reason(ctx),
		}
		return letter
	}
	_, err := process.Do(ctx, "mail", mail.SendMail, p.letter("invitation"), process.UndoBy(mail.SendMail, reject).Farewell())
	return err
}

func (p *post) remind(ctx workflow.Context) error {
	_, err := process.Aside(ctx, "acceptance", "remind", mail.SendMail, p.letter("reminder"))
	return err
}

// askForDocuments is sent when the task is raised, and again while it waits.
func (p *post) askForDocuments(ctx workflow.Context, list string) error {
	letter := p.letter("documents")
	letter.Values = map[string]string{"displayName": p.values["displayName"], "organisation": p.values["organisation"], "documents": list}
	_, err := process.Aside(ctx, "documents", "ask", mail.SendMail, letter)
	return err
}

// welcome may fail: the person is a member all the same, and the step shows what went wrong.
func (p *post) welcome(ctx workflow.Context, in *onboardingv1.Input, d *decision) {
	letter := p.letter("welcome")
	letter.Values = map[string]string{"displayName": p.values["displayName"], "organisation": p.values["organisation"], "note": d.note}
	if in.GetVariant() == onboardingv1.Variant_CUSTOMER {
		letter.Template, letter.Values["limit"] = "welcome-customer", ""
		if d.limit > 0 {
			letter.Values["limit"] = strconv.FormatInt(d.limit, 10)
		}
	}
	if _, err := process.Do(ctx, "welcome", mail.SendMail, letter); err != nil {
		workflow.GetLogger(ctx).Warn("no welcome mail", "error", err)
	}
}

// arrival tells the person who approved; a client that did has no inbox. It may fail as the welcome may.
func (p *post) arrival(ctx workflow.Context, in *onboardingv1.Input, approver string) {
	if !strings.HasPrefix(approver, "users/") {
		return
	}
	to, err := process.Aside(ctx, "arrival", "approver", people.GetUser, &identityv1.GetUserRequest{Name: approver})
	if err == nil {
		_, err = process.Do(ctx, "arrival", mail.SendMail, &notifyv1.SendMailRequest{Template: "arrival", Recipient: to.GetEmail(), Values: map[string]string{
			"displayName": to.GetDisplayName(), "organisation": p.values["organisation"], "person": in.GetDisplayName(), "role": in.GetRole(),
		}})
	}
	if err != nil {
		workflow.GetLogger(ctx).Warn("who approved got no mail", "error", err)
	}
}

// askByMail tells a person who decides that something waits in the inbox. A role's members look there by themselves.
func askByMail(step, assignee, title string) func(workflow.Context) error {
	if !strings.HasPrefix(assignee, "users/") {
		return func(workflow.Context) error { return nil }
	}
	return func(ctx workflow.Context) error {
		decider, err := process.Aside(ctx, step, "decider", people.GetUser, &identityv1.GetUserRequest{Name: assignee})
		if err != nil {
			return err
		}
		_, err = process.Aside(ctx, step, "ask", mail.SendMail, &notifyv1.SendMailRequest{
			Template: "task", Recipient: decider.GetEmail(), Values: map[string]string{"displayName": decider.GetDisplayName(), "title": title},
		})
		return err
	}
}
