package webhookdelivery

import (
	"slices"
	"strings"

	"go.temporal.io/sdk/workflow"

	identity "github.com/microservicehub/mshub/activities/identity"
	notify "github.com/microservicehub/mshub/activities/notify"
	identityv1 "github.com/microservicehub/mshub/services/identity/v1"
	notifyv1 "github.com/microservicehub/mshub/services/notify/v1"
	"github.com/microservicehub/mshub/workflows/process"
	webhookdeliveryv1 "github.com/microservicehub/mshub/workflows/webhookdelivery/v1"
)

// most people who hear that a webhook is disabled; mails go out in one call.
const most = 50

// Process is the delivery as the house knows it.
var Process = process.Definition{
	Name:        "webhookdelivery",
	Title:       "Deliver a webhook",
	Description: "Sends one event to one webhook, signed, again and again over days until it is taken. It starts by itself.",
	Input:       &webhookdeliveryv1.Input{},
	Result:      &webhookdeliveryv1.Result{},
	StartOn:     "notify.webhook.due",
	Permission:  "notify.write",
	Priority:    3,
	Steps: []process.Step{
		{Name: "deliver", Title: "Send the event", Kind: process.Activity},
		{Name: "people", Title: "Find who looks after the webhook", Kind: process.Activity, Optional: true},
		{Name: "report", Title: "Tell them that it is disabled", Kind: process.Activity, Optional: true},
	},
	Workflow: Workflow,
}

// Verbs are named by the methods of nil pointers; the workers have the real ones.
var (
	webhookVerbs  *notify.Webhooks
	mailVerbs     *notify.Activities
	identityVerbs *identity.Activities
)

// Workflow is the story; see the package.
func Workflow(ctx workflow.Context, in *webhookdeliveryv1.Input) (*webhookdeliveryv1.Result, error) {
	// The service says by the error of a failed attempt when the next one is due.
	end, err := process.Do(ctx, "deliver", webhookVerbs.DeliverWebhook, &notifyv1.DeliverWebhookRequest{Delivery: in.GetDelivery()})
	if err != nil {
		return nil, err
	}
	sent := end.GetDelivery()
	if err := process.SetTitle(ctx, sent.GetEvent()+" to "+end.GetWebhook().GetTitle()); err != nil {
		return nil, err
	}
	if end.GetDisabled() {
		if err := report(ctx, end.GetWebhook()); err != nil && ctx.Err() != nil {
			return nil, err
		}
	}
	if sent.GetState() != notifyv1.Delivery_DELIVERED {
		return nil, process.FailStep(ctx, "deliver", "NOT_DELIVERED", "given up at attempt %d: %s", sent.GetAttempts(), sent.GetError())
	}
	return &webhookdeliveryv1.Result{
		Event: sent.GetEvent(), Attempts: sent.GetAttempts(), Status: sent.GetLastStatus(), LatencyMs: sent.GetLatencyMs(),
	}, nil
}

// report tells administrators, and who made the webhook, that it is disabled. Its failure is seen at its step and changes
// nothing about how the delivery ended.
func report(ctx workflow.Context, hook *notifyv1.Webhook) error {
	people, err := process.Do(ctx, "people", identityVerbs.ListUsers, &identityv1.ListUsersRequest{
		PageSize: most, Filter: `state="ACTIVE" AND roles:"admin"`,
	})
	if err != nil {
		return err
	}
	organisation, err := process.Aside(ctx, "people", "organisation", identityVerbs.GetOrganisation, &identityv1.GetOrganisationRequest{Name: process.Organisation(ctx)})
	if err != nil {
		return err
	}
	users := people.GetUsers()
	if !slices.ContainsFunc(users, func(u *identityv1.User) bool { return u.GetName() == hook.GetCreator() }) {
		// Who made it may be a client, or gone.
		maker, err := process.Aside(ctx, "people", "maker", identityVerbs.GetUser, &identityv1.GetUserRequest{Name: hook.GetCreator()})
		if err == nil && maker.GetState() == identityv1.User_ACTIVE {
			users = append(users, maker)
		}
	}
	if len(users) == 0 {
		return nil
	}
	mails := &notifyv1.SendMailsRequest{}
	for _, user := range users {
		mails.Mails = append(mails.Mails, &notifyv1.SendMailRequest{
			Template: "webhook-disabled", Recipient: user.GetEmail(), Values: map[string]string{
				"displayName": user.GetDisplayName(), "organisation": organisation.GetDisplayName(),
				"title": hook.GetTitle(), "host": hostOf(hook.GetUrl()), "reason": hook.GetDisabledReason(),
			},
		})
	}
	_, err = process.Do(ctx, "report", mailVerbs.SendMails, mails)
	return err
}

// hostOf is the part of an address that is no permission.
func hostOf(address string) string {
	_, rest, _ := strings.Cut(address, "://")
	if end := strings.IndexAny(rest, "/?#"); end >= 0 {
		rest = rest[:end]
	}
	return rest
}
