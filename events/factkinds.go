package events

import "slices"

// Kinds of facts that webhooks can be told of. A service that publishes another kind adds it here, so that people can
// subscribe to it.
const (
	FactUserSignedUp       = "identity.user.signed_up"
	FactInvitationAccepted = "identity.invitation.accepted"

	FactRunCompleted  = "runs." + RunCompleted
	FactRunFailed     = "runs." + RunFailed
	FactRunCancelled  = "runs." + RunCancelled
	FactRunTerminated = "runs." + RunTerminated
	FactRunTimedOut   = "runs." + RunTimedOut
	FactRunLost       = "runs." + RunLost
	FactTaskCreated   = "runs.task.created"
)

// FactWebhookDue starts the delivery of an event to a webhook. It concerns the house alone.
const FactWebhookDue = "notify.webhook.due"

// FactKinds returns the kinds that webhooks can be told of, sorted.
func FactKinds() []string {
	kinds := []string{
		FactUserSignedUp, FactInvitationAccepted,
		FactRunCompleted, FactRunFailed, FactRunCancelled, FactRunTerminated, FactRunTimedOut, FactRunLost, FactTaskCreated,
	}
	slices.Sort(kinds)
	return kinds
}
